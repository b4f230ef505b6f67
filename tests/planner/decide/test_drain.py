"""From plan to orders: gently, in the cluster's own order, idempotent."""

from __future__ import annotations

from decimal import Decimal

from support.planning import observe, replica, workload
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import Absent, Phase, WorkloadState
from tenbin_planner.decide.plan import Because, Plan, PlannedWorkload
from tenbin_spec.reasons import Reason
from tenbin_spec.services import Role

NAME = "chat-serve-l4"


def orders(state: WorkloadState, wanted: int) -> tuple[drain.Order, ...]:
    planned = PlannedWorkload(
        name=NAME,
        service="chat",
        role=Role.SERVE,
        pool="l4",
        hourly_usd=Decimal("0.80"),
        wanted=wanted,
        because=Because(reason=Reason.STEADY, detail=""),
    )
    plan = Plan(
        at=0.0,
        services=(),
        workloads=(planned,),
        hourly_usd=Decimal(0),
        hourly_cap_usd=Decimal(1),
        month_usd=Decimal(0),
        monthly_cap_usd=None,
        notes=(),
        ignored=(),
    )
    return drain.orders(plan, observe(state))


def scale(expected: int, wanted: int) -> drain.Scale:
    return drain.Scale(workload=NAME, expected=expected, wanted=wanted)


def test_what_is_as_planned_needs_no_order() -> None:
    assert orders(workload(NAME, replica("a"), replica("b")), 2) == ()


def test_more_replicas_are_asked_for_at_once() -> None:
    assert orders(workload(NAME, replica("a")), 4) == (scale(1, 4),)


def test_a_ready_replica_is_marked_before_the_count_is_lowered() -> None:
    state = workload(NAME, replica("a", running=5.0), replica("b", running=2.0))
    assert orders(state, 1) == (drain.Mark(replica="b", deletion_cost=-998),)


def test_the_count_is_lowered_once_the_mark_had_time_to_take_effect() -> None:
    fresh = workload(NAME, replica("a"), replica("b", Phase.DRAINING, since_s=1))
    settled = workload(NAME, replica("a"), replica("b", Phase.DRAINING, since_s=4))
    assert orders(fresh, 1) == ()
    assert orders(settled, 1) == (scale(2, 1),)


def test_a_marked_replica_stays_the_victim_though_another_has_less_work_now() -> None:
    state = workload(NAME, replica("a", running=0.0), replica("b", Phase.DRAINING, since_s=4, running=9.0))
    assert orders(state, 1) == (scale(2, 1),)


def test_a_mark_that_is_no_longer_wanted_is_taken_off() -> None:
    state = workload(NAME, replica("a"), replica("b", Phase.DRAINING))
    assert orders(state, 2) == (drain.Unmark(replica="b"),)
    assert orders(state, 3) == (drain.Unmark(replica="b"), scale(2, 3))


def test_replicas_that_serve_nothing_go_first_and_at_once() -> None:
    state = workload(
        NAME, replica("a", running=0.0), replica("b", Phase.STARTING), replica("c", Phase.STARTING, is_scheduled=False)
    )
    assert orders(state, 2) == (scale(3, 2),)
    assert orders(state, 1) == (scale(3, 1),)


def test_of_several_victims_those_that_may_go_go() -> None:
    state = workload(NAME, replica("a", running=3.0), replica("b"), replica("c", Phase.STARTING))
    assert orders(state, 1) == (scale(3, 2), drain.Mark(replica="b", deletion_cost=-999))


def test_replicas_that_were_never_made_are_taken_back_without_a_victim() -> None:
    assert orders(workload(NAME, replica("a"), told=3), 1) == (scale(3, 1),)


def test_an_engine_that_does_not_say_its_work_is_spared() -> None:
    silent = replica("a")
    silent = type(silent)(name="a", phase=silent.phase, since_s=9.0, is_scheduled=True, engine=Absent(why="timeout"))
    state = workload(NAME, silent, replica("b", running=50.0))
    assert orders(state, 1) == (drain.Mark(replica="b", deletion_cost=-950),)


def test_deletion_costs_stay_below_those_of_all_others() -> None:
    state = workload(NAME, replica("a", running=1e9), replica("b", running=1e9))
    assert orders(state, 0) == (drain.Mark(replica="a", deletion_cost=-1), drain.Mark(replica="b", deletion_cost=-1))
