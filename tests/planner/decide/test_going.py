"""Replicas whose node is about to go: others are asked for at once, they serve on, and they leave in time."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide, demand
from tenbin_planner.decide import drain, leads, playing, replicas, spot
from tenbin_planner.decide.interruptions import SpotMemory
from tenbin_planner.decide.observation import Observation, Phase, Removal, ReplicaState, WorkloadState
from tenbin_planner.decide.plan import Because, Plan, PlannedWorkload
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_spec import catalogue
from tenbin_spec.reasons import Reason
from tenbin_spec.services import Role

AGREED = planning.document()
LEAD = leads.belief(leads.LeadMemory(), SPOT, 20.0)


def going(name: str, phase: Phase = Phase.READY, *, left_s: float = 90.0, since_s: float = 100.0) -> ReplicaState:
    return replica(name, phase, left_s=left_s, since_s=since_s)


def plan(seen: Observation, recipe: Recipe = planning.STEADY_STATE) -> Plan:
    remembered = planning.accustomed(warm(needed_rps=16), 15)
    return decide.decide(AGREED, planning.capacities(AGREED), seen, remembered, recipe).plan


def orders(state: WorkloadState, wanted: int, *, e2e_p99_ms: float | None = None) -> tuple[drain.Order, ...]:
    """Return the orders of a plan for one workload, with answers that take so long."""
    planned = PlannedWorkload(
        name=SPOT,
        service="chat",
        role=Role.SERVE,
        pool="l4-spot",
        hourly_usd=Decimal("0.36"),
        wanted=wanted,
        because=Because(reason=Reason.STEADY, detail=""),
    )
    told = None
    if e2e_p99_ms is not None:
        told = {"e2e_ms": demand.Quantiles(p50=1.0, p90=2.0, p99=e2e_p99_ms, count=100)}
    seen = observe(state, told=told)
    return drain.orders(dataclasses.replace(plan(seen), workloads=(planned,)), seen)


def scale(expected: int, wanted: int) -> drain.Scale:
    return drain.Scale(workload=SPOT, expected=expected, wanted=wanted)


def test_a_going_replica_serves_for_a_while_and_counts_for_nothing_else() -> None:
    state = workload(SPOT, replica("a"), going("b", left_s=90), going("c", Phase.STARTING), told=3)
    found = replicas.count(state, state.wanted, lead=LEAD)
    assert (found.ready, found.current, found.starting_s, found.draining) == (1, 1, (), 0)
    assert (found.going_s, found.absent, found.existing, found.leaving) == ((0.0, 90.0), 2, 1, 0)


def test_one_that_starts_on_a_going_node_is_not_waited_for_and_closes_no_pool() -> None:
    state = workload(SPOT, going("b", Phase.STARTING, since_s=500), told=1)
    found = replicas.count(state, state.wanted, lead=LEAD)
    assert (found.stuck, found.starting_s, found.going_s) == (0, (), (0.0,))


def test_one_that_the_count_no_longer_makes_up_for_costs_until_it_is_gone() -> None:
    found = replicas.count(workload(SPOT, replica("a"), going("b"), told=1), 1, lead=LEAD)
    assert (found.going_s, found.leaving) == ((), 1)


def test_another_is_asked_for_at_once_where_a_pool_has_room() -> None:
    found = plan(observe(workload(SPOT, replica("a"), going("b")), rate=15))
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 1}  # the pool of spot holds two, and the going one is there yet
    assert found.services[0].because[0].reason is Reason.INTERRUPTED
    assert found.services[0].because[0].detail.startswith("nodes of 1 replicas are about to go, the first in 90 s; ")
    assert found.notes == ("b is on a node that is about to go: spot interruption notice",)


@pytest.mark.parametrize("left_s", [0.0, 90.0])
def test_looking_ahead_plans_for_as_many_as_if_nothing_went(left_s: float) -> None:
    seen = observe(workload(SPOT, replica("a"), going("b", left_s=left_s)), rate=8)
    found = plan(seen, FULL)
    assert found.services[0].planned == plan(observe(ready(SPOT, 2), rate=8), FULL).services[0].planned == 2
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 1}
    assert found.services[0].because[0].reason is Reason.INTERRUPTED


def test_where_the_rest_carries_the_need_nothing_is_bought_and_the_plan_says_what_goes() -> None:
    found = plan(observe(ready(SPOT, 2), workload(ON_DEMAND, going("b")), rate=15))
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 1}
    main, remark = found.services[0].because
    assert main.reason is Reason.STEADY
    assert str(remark) == "interrupted: nodes of 1 replicas are about to go, the first in 90 s"


def test_the_cap_is_kept_while_going_replicas_cost() -> None:
    agreed = planning.with_cap(AGREED, "1.20")  # 2 x 0.36 + 0.80 is more
    seen = observe(workload(SPOT, replica("a"), going("b")), rate=15)
    found = decide.decide(agreed, planning.capacities(agreed), seen, warm(needed_rps=16), planning.STEADY_STATE).plan
    assert found.hourly_usd <= Decimal("1.20")
    assert found.wanted()[ON_DEMAND] == 0
    assert Reason.HOURLY_CAP in {because.reason for because in found.services[0].because}


def test_nothing_that_was_given_up_keeps_a_place_from_being_filled() -> None:
    """Right after a stop nothing is bought again, unless something goes."""
    remembered = planning.accustomed(warm(needed_rps=16), 15)
    first = decide.decide(AGREED, planning.capacities(AGREED), observe(ready(SPOT, 2), rate=15), remembered)
    seen = observe(workload(SPOT, replica("a"), going("b")), rate=15, at=planning.NOW + 5, seconds=305)
    then = decide.decide(AGREED, planning.capacities(AGREED), seen, first.memory)
    assert sum(then.plan.wanted().values()) >= 3


def test_it_is_marked_when_its_answers_need_the_rest_of_the_notice() -> None:
    def marks(left_s: float, e2e_p99_ms: float | None = None) -> tuple[drain.Order, ...]:
        state = workload(SPOT, replica("a"), replica("b", Phase.STARTING), going("c", left_s=left_s))
        return orders(state, 3, e2e_p99_ms=e2e_p99_ms)

    mark = (drain.Mark(replica="c", deletion_cost=-1001),)
    assert marks(31) == ()
    assert marks(30) == mark
    assert marks(31, e2e_p99_ms=32_000) == mark
    assert marks(31, e2e_p99_ms=5_000) == ()
    assert marks(91, e2e_p99_ms=1e9) == ()
    assert marks(91, e2e_p99_ms=math.nan) == ()
    assert marks(0) == mark


def test_it_is_marked_at_once_when_others_have_taken_its_place() -> None:
    assert orders(workload(SPOT, replica("a"), replica("b"), going("c")), 3) == (
        drain.Mark(replica="c", deletion_cost=-1001),
    )


def test_its_mark_stays_and_its_count_goes_once_nothing_else_could_be_removed() -> None:
    marked = going("c", Phase.DRAINING, left_s=10, since_s=4)
    assert orders(workload(SPOT, replica("a"), replica("b", Phase.STARTING), marked), 3) == ()
    assert orders(workload(SPOT, replica("a"), replica("b"), marked), 3) == (scale(3, 2),)
    fresh = going("c", Phase.DRAINING, left_s=10, since_s=1)
    assert orders(workload(SPOT, replica("a"), replica("b"), fresh), 3) == ()
    assert orders(workload(SPOT, replica("a"), marked, told=3), 3) == ()  # one is still to be made


def test_once_its_count_is_gone_the_next_plan_asks_for_no_more() -> None:
    seen = observe(workload(SPOT, replica("a"), replica("b"), going("c", Phase.DRAINING), told=2), rate=15)
    found = plan(seen)
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert drain.orders(found, seen) == ()


def test_kinds_that_remove_by_rank_are_left_to_the_node() -> None:
    state = workload(SPOT, replica("a"), replica("b"), going("c", Phase.DRAINING, since_s=9))
    for removal in (Removal.YOUNGEST, Removal.HIGHEST_RANK):
        assert orders(dataclasses.replace(state, removal=removal), 3) == ()


def test_of_those_that_serve_a_going_one_is_the_first_victim() -> None:
    state = workload(SPOT, replica("a", running=0.0), going("b"), replica("c"), told=3)
    assert orders(state, 2)[0] == drain.Mark(replica="b", deletion_cost=-1001)


def test_a_paused_workload_is_left_alone() -> None:
    by_hand = dataclasses.replace(workload(SPOT).by_hand, is_paused=True)
    state = dataclasses.replace(workload(SPOT, replica("a"), going("b", left_s=0)), by_hand=by_hand)
    assert orders(state, 2) == ()


def test_a_notice_is_an_interruption_once_whatever_becomes_of_the_replica() -> None:
    pools = {SPOT: "l4-spot"}

    def seen(memory: SpotMemory, at: float, *of: ReplicaState, told: int) -> SpotMemory:
        return spot.learn(memory, {SPOT: workload(SPOT, *of, told=told)}, pools, at=at)

    memory = seen(SpotMemory(), 1000, replica("a"), replica("b"), told=2)
    memory = seen(memory, 1005, replica("a"), going("b"), told=2)
    noticed = memory.of("l4-spot").recent
    assert noticed is not None
    assert (noticed.fleet, noticed.lost) == (2, 1)
    memory = seen(memory, 1010, replica("a"), going("b"), replica("c", Phase.STARTING), told=3)
    memory = seen(memory, 1015, replica("a"), replica("c"), told=2)  # we sent it away
    assert memory.of("l4-spot").recent == noticed


def test_futures_count_on_it_until_its_node_goes() -> None:
    profile = catalogue.profiles()[planning.PROFILE]
    group = playing.Group(
        name=SPOT, profile=profile, usd_per_s=1e-4, ready=1, starting_s=(), lead_s=(20.0,), going_s=(0.0, 90.0)
    )
    lives = playing._lives(group, 2, 0, None)
    assert [(life.ready_s, life.stop_s) for life in lives] == [
        (0.0, math.inf),
        (20.0, math.inf),
        (0.0, playing.DRAIN_S),
        (0.0, 90.0),
    ]


@pytest.mark.parametrize("left_s", [math.nan, math.inf, -1.0, 1e300])
def test_a_notice_without_a_usable_time_counts_as_now(left_s: float) -> None:
    seen = observe(workload(SPOT, replica("a"), going("b", left_s=left_s)), rate=15)
    found = plan(seen)
    assert [item.where for item in found.ignored] == ["replica b time until its node goes"]
    assert "the first in 0 s" in found.services[0].because[0].detail
    assert drain.Mark(replica="b", deletion_cost=-1001) in drain.orders(found, seen)
