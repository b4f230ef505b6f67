"""Whole decisions that look ahead: hysteresis, surprises, caps and what they leave, scaling to zero."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, warm
from tenbin_planner import decide
from tenbin_planner.decide import capacity, memory

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
