"""Room on nodes that are there: the next start is expected sooner, and a fleet with it misses less."""

from __future__ import annotations

import dataclasses
import math

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, warm, workload
from tenbin_planner import decide
from tenbin_planner.decide import leads, memory
from tenbin_planner.decide.observation import Observation, StartParts, Warmth
from tenbin_planner.decide.plan import Plan
from tenbin_planner.decide.starts import Start

AGREED = planning.document()
WARM = StartParts(node=Warmth.WARM, image=Warmth.WARM)
COLD = StartParts(node=Warmth.COLD, image=Warmth.COLD)
WARM_S, COLD_S = 15.0, 90.0


def remembered() -> memory.Memory:
    """Return the memory of eight starts on each pool: cold ones of 90 s, warm ones of 15 s."""
    starts = tuple(
        Start(at=float(number), from_s=lead_s - 1, until_s=lead_s + 1, parts=parts)
        for number, (lead_s, parts) in enumerate([(COLD_S, COLD), (WARM_S, WARM)] * 4)
    )
    before = planning.accustomed(warm(needed_rps=16), 8)
    return dataclasses.replace(before, leads=leads.LeadMemory(starts={SPOT: starts, ON_DEMAND: starts}))


def seen(room: float | None, rate: float = 30) -> Observation:
    states = (ready(SPOT, 1), workload(ON_DEMAND))
    return observe(*(dataclasses.replace(state, room=room) for state in states), rate=rate, in_flight=60)


def plan(observation: Observation) -> Plan:
    return decide.decide(AGREED, planning.capacities(AGREED), observation, remembered()).plan


@pytest.mark.parametrize(("room", "lead_s"), [(0, COLD_S), (3, WARM_S)])
def test_the_plan_tells_what_the_next_start_takes(room: int, lead_s: float) -> None:
    [service] = plan(seen(room)).services
    assert service.lead_s == {name: pytest.approx(lead_s, rel=0.1) for name in (SPOT, ON_DEMAND)}


def test_while_room_is_not_known_it_tells_what_starts_take_in_all() -> None:
    [service] = plan(seen(None)).services
    assert all(WARM_S < lead_s < COLD_S for lead_s in service.lead_s.values())


def test_the_same_fleet_misses_less_where_its_starts_find_room() -> None:
    misses = []
    for room in (8, 2, 0):
        considered = plan(seen(room)).services[0].considered
        assert considered is not None
        whole = {item.replicas: item.misses for item in considered.candidates if not item.is_partial}
        misses.append(whole)
    common = max(set.intersection(*(set(item) for item in misses)))
    roomy, tight, full = (item[common] for item in misses)
    assert roomy < tight < full


def test_the_horizon_reaches_to_the_starts_that_need_a_node() -> None:
    horizons = {plan(seen(room)).services[0].considered.horizon_s for room in (0, 8)}  # type: ignore[union-attr]
    assert len(horizons) == 1
    assert horizons.pop() > COLD_S


@pytest.mark.parametrize("room", [math.nan, -1, math.inf, 10**12])
def test_a_room_that_is_no_number_is_not_known(room: float) -> None:
    found = plan(seen(room))
    assert {item.where for item in found.ignored} == {f"workload {name} room" for name in (SPOT, ON_DEMAND)}
    assert found.wanted() == plan(seen(None)).wanted()
