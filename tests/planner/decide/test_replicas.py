"""Counting replicas by what may be expected of them."""

from __future__ import annotations

import dataclasses

import pytest
from support.planning import PROFILE, replica, workload
from tenbin_planner.decide import leads, playing, replicas
from tenbin_planner.decide.observation import Phase, StartParts, Warmth, WorkloadState
from tenbin_planner.decide.starts import Start
from tenbin_spec import catalogue

LEAD = leads.belief(leads.LeadMemory(), "w", 20.0)


def counted(state: WorkloadState) -> replicas.Counts:
    return replicas.count(state, state.wanted, lead=LEAD)


def test_ready_and_starting_replicas_are_current() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.STARTING, since_s=5)))
    assert (found.ready, found.current) == (1, 2)
    assert found.starting_s == (LEAD.left_s(5.0),)


def test_replicas_that_the_cluster_is_still_to_make_start_now() -> None:
    found = counted(workload("w", replica("a"), told=3))
    assert found.starting_s == (LEAD.median_s, LEAD.median_s)


def test_the_later_a_replica_is_the_longer_it_is_expected_to_take() -> None:
    late, later = (counted(workload("w", replica("a", Phase.STARTING, since_s=age))) for age in (22, 35))
    assert 0 < late.starting_s[0] < later.starting_s[0]


def test_a_replica_that_has_not_come_for_three_lead_times_is_stuck() -> None:
    found = counted(workload("w", replica("a", Phase.STARTING, since_s=61, is_scheduled=False)))
    assert (found.stuck, found.current, found.existing) == (1, 0, 0)


def test_replicas_that_the_cluster_refuses_to_make_do_not_come() -> None:
    refused = dataclasses.replace(workload("w", replica("a"), told=3), refused="exceeded quota")
    found = counted(refused)
    assert (found.current, found.stuck, found.starting_s, found.refused) == (1, 2, (), "exceeded quota")
    assert counted(dataclasses.replace(refused, wanted=1)).refused is None


def test_a_draining_replica_is_neither_current_nor_leaving() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.DRAINING)))
    assert (found.current, found.draining, found.leaving, found.existing) == (1, 1, 0, 2)


def test_a_draining_replica_that_the_cluster_no_longer_counts_is_on_its_way_out() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.DRAINING), told=1))
    assert (found.current, found.draining) == (1, 0)


def test_a_terminating_replica_costs_and_does_not_serve() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.TERMINATING), told=1))
    assert (found.current, found.leaving) == (1, 1)


def test_a_lost_replica_counts_for_nothing_and_stays_told() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.LOST)))
    assert (found.current, found.lost, found.existing) == (1, 1, 1)


def test_scaled_to_zero_nothing_counts() -> None:
    found = counted(workload("w", replica("a"), replica("b", Phase.STARTING, since_s=1), told=0))
    assert (found.current, found.existing) == (0, 2)


WARM = StartParts(node=Warmth.WARM, image=Warmth.WARM)
COLD = StartParts(node=Warmth.COLD, image=Warmth.COLD)
TWO_KINDS = leads.belief(
    leads.LeadMemory(
        starts={
            "w": tuple(
                Start(at=float(number), from_s=lead_s - 1, until_s=lead_s + 1, parts=parts)
                for number, (lead_s, parts) in enumerate([(300.0, COLD), (60.0, WARM)] * 4)
            )
        }
    ),
    "w",
    300.0,
)
"""Cold starts take five minutes, warm ones one."""


def with_room(room: int | None, *of: object, told: int) -> replicas.Counts:
    state = dataclasses.replace(workload("w", *of, told=told), room=room)  # type: ignore[arg-type]
    return replicas.count(state, told, lead=TWO_KINDS)


def test_replicas_still_to_be_made_start_sooner_as_long_as_there_is_room() -> None:
    found = with_room(1, told=3)
    assert found.starting_s == pytest.approx((60, 300, 300), rel=0.1)
    assert found.room == 0
    assert with_room(5, told=3).room == 2
    assert with_room(5, replica("p", Phase.STARTING, since_s=1, is_scheduled=False), told=1).room == 4


def test_where_room_is_not_known_all_starts_are_alike() -> None:
    found = with_room(None, told=2)
    assert found.starting_s == (TWO_KINDS.median_s, TWO_KINDS.median_s)
    assert found.room is None


def test_a_starting_replica_is_waited_for_by_its_kind() -> None:
    soon = dataclasses.replace(replica("a", Phase.STARTING, since_s=30), start=WARM)
    late = dataclasses.replace(replica("b", Phase.STARTING, since_s=30), start=COLD)
    assert with_room(0, soon, late, told=2).starting_s == pytest.approx((30, 270), rel=0.15)


@pytest.mark.parametrize(("room", "ready_s"), [(0, [300.0] * 3), (2, [60.0, 60.0, 300.0]), (9, [60.0] * 3)])
def test_a_future_starts_replicas_where_there_is_room_first(room: int, ready_s: list[float]) -> None:
    group = playing.Group(
        name="w",
        profile=catalogue.profiles()[PROFILE],
        usd_per_s=1e-4,
        ready=0,
        starting_s=(),
        lead_s=(300.0,),
        warm_s=(60.0,) if room else (),
        room=room,
    )
    assert [life.ready_s for life in playing._lives(group, 3, 0, None)] == ready_s
