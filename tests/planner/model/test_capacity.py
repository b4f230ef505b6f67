"""Rates within an objective, replicas for a rate, time to drain, and the cheapest fixed fleet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model import capacity, fleet
from tenbin_planner.model.fleet import Arrivals
from tenbin_spec import catalogue, feasibility
from tenbin_spec.objectives import Objective
from tenbin_spec.workload import Lengths

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]

LOCAL = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
CHAT = Objective(target="0.99", ttft_ms=1000, tpot_ms=60)
TRAFFIC = capacity.Traffic(input_tokens=Lengths(mean=300, p95=900), output_tokens=Lengths(mean=60, p95=160))
SHORT = capacity.Traffic(input_tokens=Lengths(mean=30, p95=60), output_tokens=Lengths(mean=5, p95=12))


@pytest.fixture(scope="module")
def table() -> capacity.CapacityTable:
    return capacity.capacity_table(catalogue.profiles()[LOCAL], CHAT, TRAFFIC)


def test_the_local_profile_serves_four_to_six_requests_per_second(table: capacity.CapacityTable) -> None:
    assert 4 <= table.capacity_rps <= 6
    assert table.share_at(table.capacity_rps) >= 0.99


def test_the_share_of_good_requests_falls_with_the_rate(table: capacity.CapacityTable) -> None:
    shares = [table.share_at(rate / 4) for rate in range(1, 200)]
    assert shares == sorted(shares, reverse=True)
    assert 0 <= shares[-1] < 0.2
    assert 0.99 < shares[0] <= 1


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_more_load_never_needs_fewer_replicas(table: capacity.CapacityTable, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert table.replicas_for(low) <= table.replicas_for(high)
    if high:
        assert table.share_at(high / table.replicas_for(high)) >= table.target - 1e-9


def test_capacity_is_remembered(table: capacity.CapacityTable) -> None:
    assert capacity.capacity_table(catalogue.profiles()[LOCAL], CHAT, TRAFFIC) is table


def test_a_tighter_objective_never_has_more_capacity(by_hand: Profiles) -> None:
    objectives = [Objective(target=target, ttft_ms=ttft) for ttft in (20, 40, 100) for target in ("0.99", "0.9")]
    rates = [capacity.capacity_table(by_hand(), objective, SHORT).capacity_rps for objective in objectives]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]


def test_an_impossible_objective_has_no_capacity(by_hand: Profiles) -> None:
    table = capacity.capacity_table(by_hand(), Objective(target="0.99", ttft_ms=5), SHORT)
    assert (table.capacity_rps, table.replicas_for(0)) == (0, 0)
    with pytest.raises(ValueError, match=r"^one replica reaches the objective at no rate: no number of replicas does$"):
        table.replicas_for(1)


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_hostile_rates_are_refused(table: capacity.CapacityTable, rate: float) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        table.replicas_for(rate)
    assert str(caught.value) == f"rate is {rate}; allowed is a finite number of 0 or more"
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        TRAFFIC.arrivals(rate, count=1, seed=0, longest=100)
    assert str(caught.value) == f"rate is {rate}; allowed is a finite number above 0"


def test_arrivals_have_the_rate_and_lengths_that_were_asked_for_and_fit_the_model() -> None:
    arrivals = TRAFFIC.arrivals(5, count=4000, seed=3, longest=2000)
    assert len(arrivals) / arrivals.arrival_s[-1] == pytest.approx(5, rel=0.05)
    assert arrivals.input_tokens.mean() == pytest.approx(300, rel=0.05)
    assert (arrivals.input_tokens + arrivals.output_tokens).max() <= 2000


@pytest.mark.parametrize("name", sorted(catalogue.profiles()))
def test_a_lone_request_takes_the_floor(name: str) -> None:
    profile = catalogue.profiles()[name]
    result = fleet.simulate(Arrivals.of([0.0], [5000], [200]), fleet.fixed(profile, 1))
    floor = feasibility.floor(profile, input_tokens=5000, output_tokens=200)
    times = (result.ttft_ms[0], result.tpot_ms[0], result.e2e_ms[0])
    assert times == pytest.approx((floor.ttft_ms, floor.tpot_ms, floor.e2e_ms), rel=0.02)


def test_the_cheapest_fixed_fleet_reaches_the_targets_and_one_replica_less_does_not() -> None:
    profile = catalogue.profiles()[LOCAL]
    arrivals = TRAFFIC.arrivals(16, count=1500, seed=2, longest=8192, request_class="chat")
    found = capacity.cheapest_fixed_fleet(arrivals, {"chat": CHAT}, profile, max_replicas=16)
    smaller = capacity.fixed_fleet(arrivals, {"chat": CHAT}, profile, found.replicas - 1)
    assert (found.reaches, smaller.reaches) == (True, False)
    assert found.attainment["chat"] >= 0.99 > smaller.attainment["chat"]


def test_a_fleet_that_may_not_be_large_enough_says_so(by_hand: Profiles) -> None:
    arrivals = Arrivals.of([0.0] * 40, [100] * 40, [50] * 40)
    objective = Objective(target="0.99", ttft_ms=100)
    found = capacity.cheapest_fixed_fleet(arrivals, {"": objective}, by_hand(), max_replicas=3)
    assert (found.replicas, found.reaches) == (3, False)


def test_questions_without_an_answer_are_refused(by_hand: Profiles) -> None:
    with pytest.raises(ValueError, match=r"^there are no arrivals: every fleet, and none, serves them$"):
        capacity.cheapest_fixed_fleet(Arrivals.of([], [], []), {}, by_hand(), max_replicas=1)
    with pytest.raises(ValueError, match=r"^max_replicas is 0; allowed is 1 or more$"):
        capacity.cheapest_fixed_fleet(Arrivals.of([0], [1], [1]), {"": CHAT}, by_hand(), max_replicas=0)
