"""The virtual cluster: who serves when, who goes, what it costs, and what a policy can read."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import backtests, planning
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import bill, faults
from tenbin_planner.backtest.world import MetricsMissing, World
from tenbin_planner.decide.observation import Absent, EngineReading, Phase
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tenbin_planner.backtest.scenario import Scenario

READY, STARTING, DRAINING, TERMINATING, LOST = (
    Phase.READY,
    Phase.STARTING,
    Phase.DRAINING,
    Phase.TERMINATING,
    Phase.LOST,
)


def world(given: Scenario | None = None, *, ready: int = 1, seed: int = 0, **more: Any) -> World:
    """Return a world with ready replicas and two requests per second for 300 s."""
    given = given or backtests.scenario(backtests.every(0.5, 300), **more)
    return World(given, {given.document.workloads[0].name: ready}, seed=seed)


def phases(made: World, workload: str = WORKLOAD) -> list[str]:
    return [str(replica.phase) for replica in made.state(workload).replicas]


def came_to(made: World, index: int) -> NDArray[np.float64]:
    """Return when the requests came that a replica got, once all have ended."""
    result = made.finish()[SERVICE]
    came_s: NDArray[np.float64] = result.arrivals.arrival_s[result.replica == index]
    return came_s


def test_a_replica_serves_a_lead_time_after_it_was_asked_for() -> None:
    made = world()
    made.advance(10)
    made.scale(WORKLOAD, 2)
    made.advance(39.9)
    assert (made.told(WORKLOAD), phases(made)) == (2, ["ready", "starting"])
    made.advance(40)
    assert phases(made) == ["ready", "ready"]
    made.advance(300)
    assert came_to(made, 1).min() == 40.25


def test_one_that_is_cancelled_never_serves_and_costs_until_then() -> None:
    made = world()
    made.advance(10)
    made.scale(WORKLOAD, 2)
    made.advance(25)
    made.scale(WORKLOAD, 1)
    assert phases(made) == ["ready"]
    made.advance(300)
    assert not came_to(made, 1).size
    assert bill.bill(bill.of_replicas(made.replicas, end_s=300), minimum_billed_s={}).usd == Decimal("0.315")


def test_the_ones_that_serve_nothing_go_first_then_marked_ones_then_the_newest() -> None:
    made = world(ready=2)
    for at_s in (10, 20):
        made.advance(at_s)
        made.scale(WORKLOAD, made.told(WORKLOAD) + 1)
    made.advance(60)
    made.scale(WORKLOAD, 5)
    made.mark(made.replicas[0].name)
    order = []
    for wanted in (4, 3, 2, 1, 0):
        made.scale(WORKLOAD, wanted)
        order += [number for number, item in enumerate(made.replicas) if not item.is_counted and number not in order]
    assert order == [4, 0, 3, 2, 1]


def test_a_marked_replica_gets_no_requests_until_the_mark_is_taken_back() -> None:
    made = world(ready=2)
    made.advance(100)
    name = made.replicas[0].name
    made.mark(name)
    made.advance(150)
    state = made.state(WORKLOAD).replicas[0]
    assert (state.phase, state.since_s, made.engines(SERVICE, DRAINING).name) == (DRAINING, 50.0, (name,))
    made.unmark(name)
    made.advance(300)
    came_s = came_to(made, 0)
    assert not ((came_s >= 100) & (came_s < 150)).any()
    assert (came_s > 150).any()


def test_a_replica_that_is_removed_ends_its_requests_and_costs_until_then() -> None:
    given = backtests.scenario(backtests.trace([0.0, 50.0, 55.0], output_tokens=2000), duration_s=100.0)
    made = world(given, ready=2)
    made.advance(56)
    made.scale(WORKLOAD, 1)
    assert made.count(SERVICE, READY, TERMINATING) == 2
    made.advance(70)
    assert phases(made) == ["ready", "terminating"]
    made.advance(80)
    assert phases(made) == ["ready"]
    assert made.finish()[SERVICE].count(Outcome.FINISHED) == 3
    # 20 ms for the prompt and 1,999 times 10 ms: the one that came at 55 s ends at 75.01 s.
    assert made.replicas[1].gone_s == pytest.approx(75.01)
    assert bill.bill(bill.of_replicas(made.replicas, end_s=100), minimum_billed_s={}).usd == Decimal("0.176")


def test_an_idle_replica_is_gone_at_once() -> None:
    made = world(backtests.scenario(backtests.every(5, 300)), ready=2)
    made.advance(100.1)
    made.scale(WORKLOAD, 1)
    made.advance(105)
    assert made.replicas[1].gone_s == 100.1


def test_the_grace_period_ends_what_takes_longer() -> None:
    given = backtests.scenario(
        backtests.trace([0.0, 50.0, 55.0], output_tokens=2000), duration_s=100.0, grace_s={SERVICE: 10.0}
    )
    made = world(given, ready=2)
    made.advance(56)
    made.scale(WORKLOAD, 1)
    made.advance(80)
    assert made.replicas[1].gone_s == 66.0
    assert made.finish()[SERVICE].outcome.tolist() == [Outcome.FINISHED, Outcome.FINISHED, Outcome.FAILED]


def test_without_a_ready_replica_requests_fail() -> None:
    made = world(ready=0)
    made.scale(WORKLOAD, 1)
    made.advance(300)
    result = made.finish()[SERVICE]
    assert result.count(Outcome.FAILED) == 2 * backtests.LEAD_S


def test_a_pool_gives_no_more_nodes_than_it_has() -> None:
    given = backtests.two_pools(backtests.every(0.5, 200), grace_s={"chat": 40.0})
    made = World(given, {planning.SPOT: 2})
    made.advance(50)
    made.scale(planning.SPOT, 3)
    made.advance(100)
    assert phases(made, planning.SPOT) == ["ready", "ready", "starting"]
    last = made.state(planning.SPOT).replicas[-1]
    assert (last.is_scheduled, last.since_s) == (False, 50.0)
    made.mark(made.replicas[0].name)
    made.scale(planning.SPOT, 2)
    assert phases(made, planning.SPOT) == ["draining", "ready"], "one without a node goes before a marked one"
    made.scale(planning.SPOT, 1)
    made.scale(planning.SPOT, 2)
    assert phases(made, planning.SPOT) == ["terminating", "ready", "starting"]
    for at_s in np.arange(100, 150, 0.5):
        made.advance(at_s)
    gone_s = made.replicas[0].gone_s
    assert 100 < gone_s < 140
    assert [item.node_s for item in made.replicas] == [0, 0, math.inf, math.ceil(2 * gone_s) / 2]


def test_lead_times_are_drawn_anew_for_each_start_and_the_same_for_the_same_seed() -> None:
    given = backtests.scenario(backtests.every(0.5, 300), leads={"pool": LeadTime(median_s=30, p95_s=60)})
    ready = []
    for seed in (1, 1, 2):
        made = world(given, seed=seed)
        made.scale(WORKLOAD, 4)
        ready.append([item.ready_s for item in made.replicas])
    assert ready[0] == ready[1] != ready[2]
    assert len(set(ready[0])) == 4


def test_an_interrupted_replica_drains_for_the_notice_and_is_replaced() -> None:
    market = {"pool": SpotMarket(interruptions_per_hour=60, notice_s=20.0)}
    made = world(backtests.scenario(backtests.every(0.5, 600), spot=market), ready=2)
    made.advance(600)
    first = made.replicas[0]
    assert first.removed_s < 600
    assert first.removed_s <= first.gone_s <= first.removed_s + 20
    replacement = next(item for item in made.replicas if item.asked_s == first.removed_s)
    assert replacement.ready_s == first.removed_s + backtests.LEAD_S
    assert made.told(WORKLOAD) == 2
    assert made.changes == 0, "the market's doing is none of the policy"


def test_metrics_are_those_of_the_requests_themselves() -> None:
    rng = np.random.default_rng(3)
    requests = backtests.trace(np.sort(rng.uniform(0, 200, 3000)))
    made = world(backtests.scenario(requests, max_queued=6))
    for at_s in np.arange(0, 200, 7.0):
        made.advance(at_s)
        made.scale(WORKLOAD, int(rng.integers(1, 4)))
    read = {window: (made.finished(SERVICE, window), made.first_tokens_ms(SERVICE, window)) for window in (5, 60, 1e4)}
    came = made.arrived(SERVICE, 60)
    counts = (made.arrivals(SERVICE, 60), made.in_flight(SERVICE), made.failed(SERVICE, 60))
    by_second = made.arrivals_by_second(SERVICE, 1000)
    engines = made.engines(SERVICE)
    now_s, result = made.now_s, made.finish()[SERVICE]
    arrival_s = result.arrivals.arrival_s
    first_s, last_s = arrival_s + result.ttft_ms / 1000, arrival_s + result.e2e_ms / 1000
    for window, (finished, first) in read.items():
        rows = np.flatnonzero((last_s >= now_s - window) & (last_s < now_s))
        begun = (first_s >= now_s - window) & (first_s < now_s)
        assert (np.diff(finished.ended_s) >= 0).all()
        assert np.sort(finished.e2e_ms) == pytest.approx(np.sort(result.e2e_ms[rows]))
        assert np.sort(finished.ttft_ms) == pytest.approx(np.sort(result.ttft_ms[rows]))
        assert finished.good.tolist() == (finished.ttft_ms <= 100).tolist()
        assert np.sort(first) == pytest.approx(np.sort(result.ttft_ms[begun]))
    lately = (arrival_s >= now_s - 60) & (arrival_s < now_s)
    shed = result.outcome == Outcome.SHED
    assert came.arrival_s.tolist() == arrival_s[lately].tolist()
    open_ = (arrival_s < now_s) & ~shed & ~(last_s < now_s)
    assert counts == (lately.sum(), open_.sum(), (lately & shed).sum())
    assert counts[2] > 0
    assert by_second.tolist() == np.bincount(arrival_s.astype(int), minlength=200)[: int(now_s)].tolist()
    assert (engines.in_flight == engines.running + engines.waiting).all()
    assert len(engines.name) == made.count(SERVICE, READY)
    assert made.rate(SERVICE, 60) == counts[0] / 60


def test_while_it_is_blind_metrics_are_missing_and_the_cluster_is_seen() -> None:
    made = world(faults=(faults.Blind(at_s=50, for_s=20),))
    made.advance(60)
    assert made.is_blind
    assert made.count(SERVICE, READY) == 1
    assert made.state(WORKLOAD).replicas[0].engine == Absent(why="not read")
    for read in (
        lambda: made.rate(SERVICE, 10),
        lambda: made.in_flight(SERVICE),
        lambda: made.finished(SERVICE, 10),
        lambda: made.engines(SERVICE),
    ):
        with pytest.raises(MetricsMissing, match=r"^no metrics at 60 s$"):
            read()
    made.advance(70)
    assert made.rate(SERVICE, 10) == 2.0
    assert isinstance(made.state(WORKLOAD).replicas[0].engine, EngineReading)


def test_lost_replicas_fail_their_requests_and_are_replaced_once_given_up() -> None:
    given = backtests.scenario(
        backtests.every(0.1, 200), faults=(faults.Loss(at_s=50, share=0.34, noticed_s=10, evicted_s=30),)
    )
    made = world(given, ready=3)
    made.advance(50)
    assert phases(made) == ["ready"] * 3, "nobody has noticed yet"
    assert len(made.engines(SERVICE).name) == 2
    made.advance(60)
    assert sorted(phases(made)) == ["lost", "ready", "ready"]
    made.advance(80)
    assert phases(made) == ["ready", "ready", "starting"]
    lost = next(item for item in made.replicas if item.lost_s < math.inf)
    assert (lost.lost_s, lost.gone_s, made.replicas[-1].ready_s) == (50, 80, 110)
    result = made.finish()[SERVICE]
    came_s = result.arrivals.arrival_s[result.outcome == Outcome.FAILED]
    assert came_s.size > 0
    assert ((came_s > 48) & (came_s < 50)).all()


def test_slow_starts_take_a_multiple_of_their_lead_time() -> None:
    made = world(faults=(faults.SlowStarts(at_s=50, factor=3, for_s=50),))
    for at_s in (40, 60, 110):
        made.advance(at_s)
        made.scale(WORKLOAD, made.told(WORKLOAD) + 1)
    assert [item.ready_s - item.asked_s for item in made.replicas[1:]] == [30, 90, 30]


def test_without_nodes_replicas_wait_until_there_are_some() -> None:
    made = world(faults=(faults.NoNodes(at_s=50, for_s=50, pool="pool"),))
    made.advance(60)
    made.scale(WORKLOAD, 2)
    made.advance(99)
    assert not made.state(WORKLOAD).replicas[1].is_scheduled
    made.advance(120)
    assert (made.replicas[1].node_s, made.replicas[1].ready_s) == (100, 130)


def test_counts_that_mean_nothing_are_refused() -> None:
    made = world()
    with pytest.raises(ValueError, match=r"^service-serve-pool: -1 replicas; allowed is 0 or more$"):
        made.scale(WORKLOAD, -1)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_each_request_ends_once_and_nothing_depends_on_the_steps(seed: int) -> None:
    given = backtests.scenario(
        backtests.every(0.05, 300),
        agreed={"max_replicas": 40},
        spot={"pool": SpotMarket(interruptions_per_hour=20, notice_s=3.0)},
        leads={"pool": LeadTime(median_s=20, p95_s=40)},
        grace_s={SERVICE: 2.0},
        max_queued=20,
        faults=(
            faults.Loss(at_s=100, share=0.5, noticed_s=10, evicted_s=30),
            faults.NoNodes(at_s=120, for_s=40, pool="pool"),
            faults.SlowStarts(at_s=200, factor=2),
        ),
    )
    outcomes = []
    for steps in (1, 4):  # instants that policies see alike
        rng = np.random.default_rng(seed)
        made = world(given, ready=2, seed=seed)
        for at_s in np.arange(0, 300, 10.0):
            for step in range(steps):
                made.advance(at_s - 10.0 * (steps - 1 - step) / steps)
            made.scale(WORKLOAD, int(rng.integers(0, 6)))
            ready = made.state(WORKLOAD).replicas
            if ready:
                made.mark(ready[int(rng.integers(len(ready)))].name)
        made.advance(300)
        result = made.finish()[SERVICE]
        counts = [result.count(outcome) for outcome in Outcome]
        assert sum(counts) == 6000
        assert result.count(Outcome.IN_FLIGHT) == 0
        for item in made.replicas:
            assert item.asked_s <= item.node_s
            assert item.node_s <= item.ready_s
            assert item.removed_s <= item.gone_s
        lives = [(item.node_s, item.ready_s, item.removed_s, item.gone_s) for item in made.replicas]
        outcomes.append((counts, result.outcome.tolist(), np.nan_to_num(result.e2e_ms).tolist(), lives))
    assert outcomes[0] == outcomes[1]
