"""Counting replicas by what may be expected of them."""

from __future__ import annotations

from support.planning import replica, workload
from tenbin_planner.decide import leads, replicas
from tenbin_planner.decide.observation import Phase, WorkloadState

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
