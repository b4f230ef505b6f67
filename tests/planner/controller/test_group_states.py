"""A group of pods is one replica, in the phase that all of it is in."""

from __future__ import annotations

import dataclasses

import pytest
from tenbin_planner import pod_groups
from tenbin_planner.controller import group_states
from tenbin_planner.controller.pod_states import PodState
from tenbin_planner.decide.observation import Phase

SIZE = 3


def pod(worker: int, phase: Phase = Phase.READY, *, group: int = 0, size: int | None = SIZE) -> PodState:
    name = f"chat-{group}" if worker == 0 else f"chat-{group}-{worker}"
    return PodState(
        name=name,
        uid=name,
        workload="chat-serve-h200",
        service="chat",
        phase=phase,
        starting_s=100.0 + worker,
        node=f"node-{worker}",
        host=f"10.0.{group}.{worker}",
        port=8000,
        member=pod_groups.Membership(group=f"chat-{group}", index=group, worker=worker, size=size),
    )


def folded(*pods: PodState) -> PodState:
    [found] = group_states.fold(reversed(pods))
    return found


def test_a_whole_ready_group_is_its_leader() -> None:
    assert folded(pod(0), pod(1), pod(2)) == dataclasses.replace(pod(0), further_nodes=("node-1", "node-2"))


def test_pods_that_serve_alone_are_left_as_they_are() -> None:
    alone = [dataclasses.replace(pod(number), member=None) for number in range(3)]
    assert group_states.fold(alone) == alone


def test_groups_stay_apart() -> None:
    pods = [pod(number, group=group) for group in (0, 1) for number in range(SIZE)]
    assert {state.name: state.phase for state in group_states.fold(pods)} == {
        "chat-0": Phase.READY,
        "chat-1": Phase.READY,
    }


@pytest.mark.parametrize(
    ("pods", "phase"),
    [
        ([pod(0), pod(1), pod(2, Phase.STARTING)], Phase.STARTING),
        ([pod(0, Phase.STARTING), pod(1), pod(2)], Phase.STARTING),
        ([pod(0), pod(1)], Phase.STARTING),  # a worker is missing
        ([pod(1), pod(2)], Phase.STARTING),  # the leader is
        ([pod(0), pod(1), pod(2, Phase.TERMINATING)], Phase.STARTING),
        ([pod(0, Phase.DRAINING), pod(1), pod(2)], Phase.DRAINING),
        ([pod(0), pod(1, Phase.DRAINING), pod(2)], Phase.READY),  # the mark is on the leader
        ([pod(0), pod(1), pod(2, Phase.LOST)], Phase.LOST),
        ([pod(0, Phase.TERMINATING), pod(1), pod(2, Phase.LOST)], Phase.TERMINATING),
    ],
)
def test_one_pod_decides_for_all(pods: list[PodState], phase: Phase) -> None:
    found = folded(*pods)
    assert (found.name, found.phase) == ("chat-0", phase)


def test_a_group_starts_since_the_pod_that_it_waits_for_longest() -> None:
    late = dataclasses.replace(pod(2, Phase.STARTING), starting_s=7.0)
    assert folded(pod(0), pod(1), late).starting_s == 7.0
    assert folded(pod(0), pod(1, Phase.STARTING), late).starting_s == 101.0
    assert folded(pod(0), pod(1), pod(2)).starting_s == 100.0


def test_a_group_has_nodes_once_all_of_its_pods_have() -> None:
    homeless = dataclasses.replace(pod(2, Phase.STARTING), node=None)
    assert folded(pod(0), pod(1), pod(2)).is_scheduled
    assert not folded(pod(0), pod(1), homeless).is_scheduled
    assert not folded(pod(0), pod(1)).is_scheduled
    assert folded(pod(0, Phase.TERMINATING), pod(1)).is_scheduled  # what goes still costs


def test_without_its_leader_a_group_has_no_address() -> None:
    assert folded(pod(1), pod(2)).host is None


def test_a_group_of_untold_size_is_whole_with_its_leader() -> None:
    assert folded(pod(0, size=None)).phase is Phase.READY
