"""Whole decisions that look ahead: hysteresis, surprises, caps and what they leave, scaling to zero."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide
from tenbin_planner.decide import budget, capacity, interruptions, memory, spot
from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from tenbin_planner.decide.observation import Observation
    from tenbin_spec.document import Document

AGREED = planning.document()
SEVEN = capacity.FleetCapacity(
    sizes=(1, 8), rates=(5.3, 7.0), edges=(5.6, 7.2), bound_rps=8.3, slots=24, binding="interactive", infeasible=()
)


def decided(observation: Observation, remembered: memory.Memory, agreed: Document = AGREED) -> decide.Decision:
    return decide.decide(agreed, planning.capacities(agreed, SEVEN), observation, remembered)


def reason(found: decide.Decision) -> str:
    return str(found.plan.services[0].because[0])


def total(found: decide.Decision) -> int:
    return sum(found.plan.wanted().values())


def test_demand_that_the_fleet_serves_changes_nothing() -> None:
    found = decided(observe(ready(SPOT, 2), rate=9), planning.accustomed(warm(), 9))
    assert total(found) == 2
    assert reason(found).startswith("steady: ")
    assert "requests are expected to miss" in reason(found)


def test_demand_that_grew_is_bought_for_in_one_jump() -> None:
    found = decided(observe(ready(SPOT, 1), rate=30), planning.accustomed(warm(), 30))
    assert total(found) >= 5
    assert reason(found).startswith("forecast: ")
    assert "fewer than with what runs" in reason(found)


def test_nothing_is_bought_back_just_after_a_stop_unless_demand_is_a_surprise() -> None:
    remembered = planning.accustomed(warm(), 20)
    for expected, counts in ((1000.0, 2), (10.0, None)):
        stop = memory.Stop(at=planning.NOW - 10, rate=expected, output_tokens=60.0)
        services = {"chat": dataclasses.replace(remembered.service("chat"), stop=stop)}
        found = decided(observe(ready(SPOT, 2), rate=20), dataclasses.replace(remembered, services=services))
        if counts is not None:
            assert total(found) == counts
            assert reason(found).startswith("hold: ")
            assert "demand is as was expected then" in reason(found)
        else:
            assert total(found) > 2
            assert reason(found).startswith("forecast-miss: ")


def test_what_is_given_up_is_remembered() -> None:
    services = {"chat": dataclasses.replace(warm().service("chat"), spare_since=planning.NOW - 3600)}
    remembered = planning.accustomed(memory.Memory(at=planning.NOW - 5, services=services), 1)
    found = decided(observe(ready(SPOT, 2), ready(ON_DEMAND, 3), rate=1), remembered)
    assert total(found) < 5
    assert reason(found).startswith("scale-down: ")
    assert found.memory.service("chat").stop is not None


def test_a_cap_that_makes_the_target_impossible_names_the_nearest_objective() -> None:
    agreed = planning.with_cap(AGREED, "0.75")
    found = decided(observe(ready(SPOT, 2), rate=30), planning.accustomed(warm(), 30), agreed)
    assert found.plan.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert reason(found).startswith("hourly-cap: the cap is 0.75 USD per hour for the stack: 2 replicas where ")
    assert "nearest feasible: interactive 0." in reason(found)


def test_the_month_is_paced() -> None:
    cost = AGREED.cost.model_copy(update={"monthly_usd": Decimal("300.00")})
    agreed = AGREED.model_copy(update={"cost": cost})
    found = decided(observe(ready(SPOT, 1), rate=30), planning.accustomed(warm(), 30), agreed)
    assert reason(found).startswith("monthly-cap: the month's cap is 300.00 USD for the stack: ")
    assert found.plan.hourly_usd < Decimal("3.00")


def test_a_service_that_may_have_none_has_none_until_it_is_asked_for() -> None:
    agreed = planning.document(services={"chat": planning.service(replicas={"min": 0, "max": 8})})
    idle = planning.accustomed(warm(), 0)
    services = {"chat": dataclasses.replace(idle.service("chat"), spare_since=planning.NOW - 3600)}
    quiet = decided(observe(ready(SPOT, 1), rate=0), dataclasses.replace(idle, services=services), agreed)
    assert total(quiet) == 0
    assert total(decided(observe(rate=0, in_flight=1), idle, agreed)) == 1


def test_nothing_is_judged_anew_while_all_stands() -> None:
    observation = observe(ready(SPOT, 2), rate=9)
    first = decided(observation, planning.accustomed(warm(), 9))
    assert first.memory.service("chat").standing is not None
    later = observe(ready(SPOT, 2), rate=9, at=planning.NOW + 5)
    second = decided(later, first.memory)
    assert second.memory.service("chat").standing == first.memory.service("chat").standing
    assert second.plan.wanted() == first.plan.wanted()
    grown = observe(ready(SPOT, 2), rate=18, at=planning.NOW + 5)
    assert decided(grown, first.memory).memory.service("chat").standing != first.memory.service("chat").standing


def after_a_stop(rate: float, *, expected: float, output_tokens: float = 60.0) -> memory.Memory:
    stop = memory.Stop(at=planning.NOW - 10, rate=expected, output_tokens=output_tokens)
    remembered = planning.accustomed(warm(), rate)
    return dataclasses.replace(
        remembered, services={"chat": dataclasses.replace(remembered.service("chat"), stop=stop)}
    )


def test_a_lost_replica_and_longer_answers_are_surprises_too() -> None:
    held = after_a_stop(20, expected=1000.0)
    lost = workload(SPOT, replica("a"), replica("b", Phase.LOST))
    assert total(decided(observe(lost, rate=20), held)) > 2
    longer = after_a_stop(20, expected=1000.0, output_tokens=30.0)
    found = decided(observe(ready(SPOT, 2), rate=20), longer)
    assert total(found) > 2
    assert reason(found).startswith("forecast-miss: ")


def test_a_stop_of_long_ago_holds_nothing() -> None:
    remembered = after_a_stop(20, expected=1000.0)
    late = observe(ready(SPOT, 2), rate=20, at=planning.NOW + 60)
    assert total(decided(late, planning.accustomed(remembered, 20, at=planning.NOW + 60))) > 2


def test_the_minimum_comes_back_whatever_was_given_up() -> None:
    agreed = planning.document(services={"chat": planning.service(replicas={"min": 3, "max": 8})})
    assert total(decided(observe(ready(SPOT, 2), rate=20), after_a_stop(20, expected=1000.0), agreed)) >= 3


def told_misses(found: decide.Decision) -> tuple[int, float]:
    match = re.search(r"with (\d+) replicas ([0-9.]+) of", reason(found))
    assert match
    return int(match[1]), float(match[2])


def test_the_misses_that_are_told_are_those_of_the_count_that_is_told() -> None:
    held = decided(observe(ready(SPOT, 2), rate=20), after_a_stop(20, expected=1000.0))
    grown = decided(observe(ready(SPOT, 2), rate=20), planning.accustomed(warm(), 20))
    saved = re.search(r"([0-9.]+) fewer than with what runs", reason(grown))
    assert saved
    assert told_misses(held)[0] == 2
    assert told_misses(held)[1] == pytest.approx(told_misses(grown)[1] + float(saved[1]), abs=0.2)


def test_an_overload_beyond_all_bounds_gets_all_that_is_allowed() -> None:
    found = decided(observe(ready(SPOT, 1), rate=200), planning.accustomed(warm(), 200))
    assert total(found) == 8


def in_debt(remembered: memory.Memory, debt: float, *names: str) -> memory.Memory:
    """Return a memory whose services, or some of them, have missed so many requests more than they may."""
    known = budget.ClassBudget(debt=debt, counted=100_000.0)
    spent = budget.BudgetMemory(at=planning.NOW - 5, seconds=7200.0, classes={"interactive": known})
    services = {
        name: dataclasses.replace(item, budget=spent) if name in (names or (name,)) else item
        for name, item in remembered.services.items()
    }
    return dataclasses.replace(remembered, services=services)


def risky(remembered: memory.Memory, batches: float) -> memory.Memory:
    tally = interruptions.Tally(hours=20.0, batches=batches, taken=0.0, left=batches)
    return dataclasses.replace(remembered, spot=spot.SpotMemory(at=planning.NOW - 5, pools={"l4-spot": tally}))


def test_where_spot_replicas_are_lost_often_more_are_held() -> None:
    pools = planning.configuration()["pools"]
    agreed = planning.document(pools={**pools, "l4-spot": {**pools["l4-spot"], "nodes": {"max": 8}}})
    remembered = planning.accustomed(warm(), 18)
    totals = [
        total(decided(observe(ready(SPOT, 3), rate=18), risky(remembered, batches), agreed))
        for batches in (0.0, 1000.0)
    ]
    assert totals[0] < totals[1]


def test_a_service_behind_its_error_budget_gets_more() -> None:
    remembered = planning.accustomed(warm(), 22)
    totals = [
        total(decided(observe(ready(SPOT, 2), rate=22), in_debt(remembered, debt))) for debt in (-5000.0, 0.0, 5000.0)
    ]
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


def test_under_one_cap_the_service_behind_its_budget_comes_first() -> None:
    agreed = planning.document(
        services={name: planning.service(pools=["l4"]) for name in ("aaa", "zzz")}, cost={"hourly_usd": "5.60"}
    )
    names = ("aaa-serve-l4", "zzz-serve-l4")
    observation = dataclasses.replace(
        observe(arrivals={name: planning.steady(20) for name in agreed.services}),
        workloads={name: ready(name, 1) for name in names},
    )
    known = planning.accustomed(warm(), 20).service("chat")
    remembered = memory.Memory(at=planning.NOW - 5, services=dict.fromkeys(agreed.services, known))
    for behind in agreed.services:
        found = decided(observation, in_debt(remembered, 5000.0, behind), agreed)
        counts = found.plan.wanted()
        first, other = f"{behind}-serve-l4", next(name for name in names if not name.startswith(behind))
        assert counts[first] > counts[other] >= 1
        assert found.plan.hourly_usd <= Decimal("5.60")
        assert any(str(item).startswith("hourly-cap: ") for service in found.plan.services for item in service.because)


def test_one_that_moves_to_a_cheaper_pool_is_no_growth() -> None:
    found = decided(observe(ready(ON_DEMAND, 2), rate=9), planning.accustomed(warm(), 9))
    assert found.plan.wanted() == {SPOT: 1, ON_DEMAND: 2}
    assert reason(found).startswith("steady: ")
    assert {item.because.reason.value for item in found.plan.workloads} == {"cheaper-pool"}
