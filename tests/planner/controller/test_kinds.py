"""Which replica goes first, by kind."""

from __future__ import annotations

from typing import Any

import pytest
from tenbin_planner import pod_groups
from tenbin_planner.controller import kinds
from tenbin_planner.controller.pod_states import PodState
from tenbin_planner.decide.observation import Phase, Removal
from tenbin_spec.scale_target import ScaleTarget

DEPLOYMENT = ScaleTarget(name="chat")
STATEFUL_SET = ScaleTarget(kind="StatefulSet", name="chat")
GROUPS = ScaleTarget(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="chat")
ADAPTER = ScaleTarget(api_version="nvidia.com/v1alpha1", kind="DynamoGraphDeploymentScalingAdapter", name="chat")


def pod(name: str, **changes: Any) -> PodState:
    plain: dict[str, Any] = {
        "name": name,
        "uid": name,
        "workload": "w",
        "service": "chat",
        "phase": Phase.READY,
        "starting_s": 0.0,
        "node": "node",
        "host": None,
        "port": 8000,
    }
    return PodState(**{**plain, **changes})


def removal(target: ScaleTarget, *pods: PodState, first: int = 0) -> tuple[Removal, dict[str, int]]:
    return kinds.removal(target, pods, first_index=first)


def test_a_deployment_heeds_deletion_costs() -> None:
    assert removal(DEPLOYMENT, pod("a"), pod("b", ordinal=3)) == (Removal.DELETION_COST, {})


def test_a_stateful_set_removes_its_highest_number() -> None:
    found = removal(STATEFUL_SET, pod("a", ordinal=0), pod("b", ordinal=1))
    assert found == (Removal.HIGHEST_RANK, {"a": 0, "b": 1})
    assert removal(STATEFUL_SET) == (Removal.HIGHEST_RANK, {})


def test_numbers_count_from_the_first() -> None:
    found = removal(STATEFUL_SET, pod("a", ordinal=5), pod("b", ordinal=6), first=5)
    assert found == (Removal.HIGHEST_RANK, {"a": 0, "b": 1})


def test_a_set_of_groups_removes_its_highest_group() -> None:
    members = [pod_groups.Membership(group=f"chat-{index}", index=index, worker=0, size=2) for index in (0, 1)]
    found = removal(GROUPS, pod("chat-0", member=members[0], ordinal=9), pod("chat-1", member=members[1]))
    assert found == (Removal.HIGHEST_RANK, {"chat-0": 0, "chat-1": 1})


@pytest.mark.parametrize("ordinals", [(None, 1), (1, 1), (4, 7)])
def test_numbers_that_say_nothing_of_the_order_are_not_believed(ordinals: tuple[int | None, int]) -> None:
    old, young = pod("z", ordinal=ordinals[0], created=10.0), pod("a", ordinal=ordinals[1], created=20.0)
    assert removal(STATEFUL_SET, young, old, first=6) == (Removal.YOUNGEST, {"z": 0, "a": 1})


def test_a_replica_that_goes_already_spoils_no_order() -> None:
    gone = pod("c", phase=Phase.TERMINATING)
    assert removal(STATEFUL_SET, pod("a", ordinal=0), gone) == (Removal.HIGHEST_RANK, {"a": 0})


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (("apps", "ReplicaSet"), Removal.DELETION_COST),
        (("apps", "StatefulSet"), Removal.HIGHEST_RANK),
        (("grove.io", "PodClique"), Removal.YOUNGEST),
        (("example.com", "Unheard"), Removal.YOUNGEST),
        (None, Removal.YOUNGEST),
    ],
)
def test_a_kind_that_leaves_its_pods_to_others_removes_as_their_owner_does(
    owner: tuple[str, str] | None, expected: Removal
) -> None:
    assert removal(ADAPTER, pod("a", owner=owner, ordinal=0), pod("b", owner=owner, ordinal=1))[0] is expected


def test_pods_of_several_owners_are_removed_in_an_order_that_nobody_tells() -> None:
    mixed = pod("a", owner=("apps", "ReplicaSet")), pod("b", owner=("apps", "StatefulSet"), ordinal=0)
    assert removal(ADAPTER, *mixed)[0] is Removal.YOUNGEST
