"""From plan to orders: gently, in the cluster's own order, idempotent."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from support.planning import observe, replica, workload
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import Absent, Phase, Removal, WorkloadState
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


def ranked(*replicas: Any, removal: Removal, told: int | None = None) -> WorkloadState:
    """Return a workload whose replicas have the ranks of their places."""
    placed = [dataclasses.replace(item, rank=rank) for rank, item in enumerate(replicas)]
    return dataclasses.replace(workload(NAME, *placed, told=told), removal=removal)


def mark(name: str) -> drain.Mark:
    return drain.Mark(replica=name, deletion_cost=None)


def test_a_kind_that_removes_by_rank_drains_the_highest_however_much_it_has_to_do() -> None:
    state = ranked(replica("a", running=0.0), replica("b", running=90.0), removal=Removal.HIGHEST_RANK)
    assert orders(state, 1) == (mark("b"),)


def test_a_replica_of_a_high_rank_is_never_pulled_down_for_one_below_it_that_may_go() -> None:
    state = ranked(replica("a"), replica("b", Phase.STARTING), replica("c"), removal=Removal.HIGHEST_RANK)
    assert orders(state, 1) == (mark("c"),)
    drained = ranked(replica("a"), replica("b"), replica("c", Phase.DRAINING, since_s=4), removal=Removal.HIGHEST_RANK)
    assert orders(drained, 1) == (scale(3, 2), mark("b"))


def test_ranks_that_do_not_exist_are_given_up_at_once() -> None:
    state = ranked(replica("a"), replica("b"), told=5, removal=Removal.HIGHEST_RANK)
    assert orders(state, 2) == (scale(5, 2),)
    assert orders(state, 1) == (scale(5, 2), mark("b"))


def test_a_rank_that_is_made_anew_does_not_save_the_ones_above_it() -> None:
    state = ranked(replica("a"), replica("b", Phase.TERMINATING), replica("c"), removal=Removal.HIGHEST_RANK)
    assert orders(state, 2) == (mark("c"),)


def test_a_mark_stays_until_the_replica_that_the_count_has_left_behind_is_gone() -> None:
    left = ranked(replica("a"), replica("b", Phase.DRAINING), told=1, removal=Removal.HIGHEST_RANK)
    assert orders(left, 1) == ()
    assert orders(left, 2) == (drain.Unmark(replica="b"), scale(1, 2))


def test_a_group_beside_the_count_of_a_roll_out_is_left_alone() -> None:
    state = ranked(replica("a"), replica("b"), replica("surge"), told=2, removal=Removal.HIGHEST_RANK)
    assert orders(state, 2) == ()
    assert orders(state, 1) == (mark("b"), mark("surge"))


def test_of_a_kind_that_knows_no_cost_those_that_do_not_serve_go_first_and_then_the_youngest() -> None:
    state = ranked(replica("a", Phase.STARTING), replica("b"), replica("c", running=9.0), removal=Removal.YOUNGEST)
    assert orders(state, 2) == (scale(3, 2),)
    assert orders(state, 1) == (scale(3, 2), mark("c"))


def test_of_a_kind_that_knows_no_cost_none_is_removed_before_the_youngest_may_go() -> None:
    state = ranked(
        replica("a"), replica("b", Phase.DRAINING, since_s=9), replica("c", Phase.DRAINING, since_s=1),
        removal=Removal.YOUNGEST,
    )  # fmt: skip
    assert orders(state, 1) == ()
    assert orders(state, 2) == (drain.Unmark(replica="b"),)
