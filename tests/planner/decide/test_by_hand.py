"""What a person says of a workload's count: paused, at least, at most."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import ByHand, Observation, Phase, WorkloadState
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_spec.reasons import Reason

if TYPE_CHECKING:
    from tenbin_planner.decide.plan import Plan
    from tenbin_spec.document import Document

AGREED = planning.document()
BOTH = pytest.mark.parametrize("recipe", [FULL, planning.STEADY_STATE], ids=["full", "steady-state"])


def by_hand(state: WorkloadState, **said: Any) -> WorkloadState:
    return dataclasses.replace(state, by_hand=ByHand(**said))


def plan(observation: Observation, recipe: Recipe, agreed: Document = AGREED) -> Plan:
    rate = sum(observation.gateway.service("chat")[0].arrivals) / 300
    remembered = planning.accustomed(warm(needed_rps=rate), rate)
    return decide.decide(agreed, planning.capacities(agreed), observation, remembered, recipe).plan


def reason(found: Plan, name: str) -> Reason:
    return next(item.because.reason for item in found.workloads if item.name == name)


@BOTH
@pytest.mark.parametrize("rate", [0, 60])
def test_a_paused_workload_keeps_its_count_and_its_replicas(rate: float, recipe: Recipe) -> None:
    draining = replica("paused-b", Phase.DRAINING, since_s=100.0)
    paused = by_hand(workload(SPOT, replica("paused-a"), draining), is_paused=True)
    seen = observe(paused, ready(ON_DEMAND, 1), rate=rate)
    found = plan(seen, recipe)
    assert found.wanted()[SPOT] == 2
    assert reason(found, SPOT) is Reason.BY_HAND
    assert not [order for order in drain.orders(found, seen) if "paused" in str(order) or SPOT in str(order)]
    if rate:
        assert found.wanted()[ON_DEMAND] > 1, "the others go on"


@BOTH
def test_at_least_so_many_stay_or_come_whatever_the_need(recipe: Recipe) -> None:
    few = plan(observe(by_hand(ready(ON_DEMAND, 3), least=2), ready(SPOT, 1), rate=1), recipe)
    assert few.wanted()[ON_DEMAND] == 2
    assert reason(few, ON_DEMAND) is Reason.BY_HAND
    more = plan(observe(by_hand(ready(ON_DEMAND, 0), least=2), ready(SPOT, 1), rate=1), recipe)
    assert more.wanted()[ON_DEMAND] == 2


@BOTH
def test_at_most_so_many_run_and_other_pools_carry_the_rest(recipe: Recipe) -> None:
    found = plan(observe(by_hand(ready(SPOT, 2), most=1), ready(ON_DEMAND, 1), rate=40), recipe)
    free = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 1), rate=40), recipe)
    assert found.wanted()[SPOT] == 1
    assert reason(found, SPOT) is Reason.BY_HAND
    assert found.wanted()[ON_DEMAND] > free.wanted()[ON_DEMAND]


@BOTH
def test_the_cap_and_the_agreement_stand_above_what_a_person_says(recipe: Recipe) -> None:
    dear = planning.with_cap(AGREED, "1.60")
    found = plan(observe(by_hand(ready(ON_DEMAND, 4), least=4), ready(SPOT, 1), rate=10), recipe, dear)
    assert found.hourly_usd <= 1.6
    wide = plan(observe(by_hand(ready(SPOT, 0), least=50), ready(ON_DEMAND, 1), rate=1), recipe)
    assert wide.wanted()[SPOT] <= 2


@BOTH
def test_what_is_set_by_hand_is_steady(recipe: Recipe) -> None:
    seen = observe(by_hand(ready(ON_DEMAND, 2), least=2), by_hand(ready(SPOT, 0), most=0), rate=12)
    found = plan(seen, recipe)
    assert (found.wanted()[ON_DEMAND], found.wanted()[SPOT]) == (2, 0)
    assert drain.orders(found, seen) == ()


def test_what_cannot_be_followed_is_noted() -> None:
    found = plan(observe(by_hand(ready(SPOT, 1), problems=("told nonsense",)), rate=1), planning.STEADY_STATE)
    assert "told nonsense" in found.notes
