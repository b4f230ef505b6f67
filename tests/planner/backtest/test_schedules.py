"""Schedules: the dynamic program against every schedule there is, and their bill by hand."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import backtests, planning
from support.backtests import SERVICE
from support.planning import ON_DEMAND, SPOT
from tenbin_planner import traces
from tenbin_planner.backtest import fixed_fleets, minutes, schedules
from tenbin_planner.backtest.scenario import Scenario
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTS = np.array([1, 2, 4])
RENT = np.array([1.0, 2.0, 4.0])
LEVELS = np.array([0.0, 5.0, 50.0])


def known(missed: NDArray[np.float64], left: NDArray[np.float64]) -> minutes.Minutes:
    return minutes.Minutes(
        counts=COUNTS,
        levels=LEVELS,
        requests=np.full(missed.shape[0], 100, dtype=np.int64),
        missed=missed,
        left=left,
    )


def cost(of: minutes.Minutes, chosen: tuple[int, ...], start_usd: float, miss_usd: float) -> float:
    total, level, before = 0.0, 0, None
    for m, k in enumerate(chosen):
        more = 0 if before is None else max(int(COUNTS[k] - COUNTS[before]), 0)
        total += start_usd * more + RENT[k] + miss_usd * of.missed[m, k, level]
        level, before = int(np.searchsorted(LEVELS, of.left[m, k, level])), k
    return total


@given(
    total=st.integers(1, 4),
    start_usd=st.sampled_from([0.0, 0.4, 3.0]),
    miss_usd=st.sampled_from([0.0, 0.03, 1.0]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_no_other_schedule_costs_less(total: int, start_usd: float, miss_usd: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = known(rng.integers(0, 100, (total, 3, 3)).astype(np.float64), rng.choice(LEVELS, (total, 3, 3)))
    found = schedules.cheapest(table, RENT, start_usd, miss_usd)
    chosen = tuple(np.searchsorted(COUNTS, found).tolist())
    least = min(cost(table, other, start_usd, miss_usd) for other in itertools.product(range(3), repeat=total))
    assert cost(table, chosen, start_usd, miss_usd) == pytest.approx(least)


def test_a_dearer_miss_never_misses_more() -> None:
    given_ = backtests.scenario(waves(), agreed={"max_replicas": 10})
    problem = schedules.problem(given_, SERVICE)
    found = [problem.schedule(price) for price in (1e-5, 1e-4, 1e-3, 1e-2)]
    assert all(later.usd >= earlier.usd - 1e-9 for earlier, later in itertools.pairwise(found))
    assert found[-1].attainment > found[0].attainment


def waves(seed: int = 1) -> traces.Trace:
    return traces.load(
        f"generate:sine,mean=14,amplitude=12,period_s=1200,minutes=40,input=100/200,output=100/200,seed={seed}"
    )


def test_the_bill_of_a_schedule_by_hand() -> None:
    # One replica for three minutes; a second for the middle one, asked for 30 s before; requests that last a second.
    given_ = backtests.scenario(backtests.every(1.0, 180))
    found = schedules.replay(given_, SERVICE, np.array([1, 2, 1]))
    assert found.usd == pytest.approx((180 + 30 + 60) * 0.001, abs=0.001)
    assert found.attainment == 1.0


def test_a_replica_that_is_stopped_costs_until_it_has_finished() -> None:
    requests = backtests.trace([59.0, 59.1], output_tokens=3000)  # thirty seconds each
    given_ = backtests.scenario(requests, duration_s=120.0)
    found = schedules.replay(given_, SERVICE, np.array([2, 1]))
    assert found.usd == pytest.approx((120 + 89.1 + 0.01) * 0.001, abs=0.0005)


def test_nobody_serves_without_replicas() -> None:
    given_ = backtests.scenario(backtests.every(1.0, 120), agreed={"min_replicas": 0})
    found = schedules.replay(given_, SERVICE, np.array([0, 1]))
    assert found.attainment == pytest.approx(0.5)
    assert found.usd == pytest.approx(0.090, abs=0.001)


def test_replicas_go_to_the_cheapest_workload_first() -> None:
    given_ = backtests.two_pools(backtests.every(1.0, 120))
    found = schedules.by_workload(given_, "chat", np.array([1, 5, 3]))
    assert {name: counts.tolist() for name, counts in found.items()} == {SPOT: [1, 2, 2], ON_DEMAND: [0, 3, 1]}


@pytest.mark.parametrize("gap_s", [1.0, 0.1, 0.03])
def test_the_cheapest_constant_fleet_is_the_smallest_that_reaches_the_target(gap_s: float) -> None:
    given_ = backtests.scenario(backtests.every(gap_s, 120), agreed={"max_replicas": 12})
    found = schedules.cheapest_constant(given_, SERVICE)
    assert set(found.counts.tolist()) == {fixed_fleets.explore(given_, SERVICE).smallest}


def test_where_no_constant_fleet_reaches_the_target_the_largest_stands_for_them() -> None:
    given_ = backtests.scenario(backtests.every(0.03, 120), agreed={"max_replicas": 2})
    found = schedules.cheapest_constant(given_, SERVICE)
    assert set(found.counts.tolist()) == {2}
    assert found.attainment < 0.95


def test_the_solution_reaches_the_target_for_less_than_constant_fleets_where_there_are_troughs() -> None:
    given_ = backtests.scenario(waves(), agreed={"max_replicas": 10})
    problem = schedules.problem(given_, SERVICE)
    price, found = problem.solve()
    assert price > 0
    assert found.attainment >= 0.95
    assert found.usd < 0.8 * problem.constant.usd
    replayed = schedules.replay(given_, SERVICE, found.counts)
    assert (replayed.attainment, replayed.usd) == (found.attainment, found.usd)


def test_the_class_that_binds_is_kept() -> None:
    requests = traces.load(
        "generate:sine,mean=12,amplitude=8,period_s=600,minutes=20,input=100/200,output=100/200,"
        "classes=chat:0.2+batch:0.8,seed=1"
    )
    objectives = {
        "chat": Objective(target=Decimal("0.99"), ttft_ms=60),
        "batch": Objective(target=Decimal("0.5"), ttft_ms=60),
    }
    given_ = backtests.scenario(requests, agreed={"objectives": objectives, "max_replicas": 10})
    _, found = schedules.problem(given_, SERVICE).solve()
    assert found.attainment >= given_.target(SERVICE)


def test_a_service_without_requests_or_workloads_is_refused() -> None:
    agreed = planning.without_profile(planning.document(), SPOT)
    idle = Scenario(name="idle", document=planning.without_price(agreed, ON_DEMAND), traces={})
    with pytest.raises(
        ValueError,
        match=r"^service chat has 0 requests and 0 workloads with price and profile; "
        r"a schedule needs one or more of each$",
    ):
        schedules.problem(idle, "chat")
