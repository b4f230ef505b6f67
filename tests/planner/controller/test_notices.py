"""Nodes that are about to go, by the signs of clouds and autoscalers."""

from __future__ import annotations

from typing import Any

import pytest
from tenbin_planner.controller import notices

WRITTEN = "2026-11-24T12:00:00Z"


def node(
    *taints: tuple[str, str], conditions: dict[str, str] | None = None, cordoned: bool = False, deleted: bool = False
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": key, "effect": effect} for key, effect in taints]},
        "status": {"conditions": [{"type": kind, "status": status} for kind, status in (conditions or {}).items()]},
    }
    if cordoned:
        found["spec"] |= {"unschedulable": True}
        found["spec"]["taints"].append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    if deleted:
        found["metadata"]["deletionTimestamp"] = WRITTEN
    return found


@pytest.mark.parametrize(
    ("key", "why", "lasts_s"),
    [
        ("aws-node-termination-handler/spot-itn", "spot interruption notice", 120),
        ("aws-node-termination-handler/asg-lifecycle-termination", "its scaling group ends it", 120),
        ("karpenter.sh/disrupted", "Karpenter disrupts it", 120),
        ("karpenter.sh/disruption", "Karpenter disrupts it", 120),
        ("ToBeDeletedByClusterAutoscaler", "the cluster autoscaler deletes it", 60),
        ("cloud.google.com/impending-node-termination", "its machine is terminated", 15),
        ("remediator.kubernetes.azure.com/unschedulable", "its machine is taken back", 30),
    ],
)
@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_taints_tell(key: str, effect: str, why: str, lasts_s: float) -> None:
    found = notices.read(node(("tenbin.dev/pool", "NoSchedule"), (key, effect)))
    assert found == notices.Notice(sign=notices.Sign(why=why, lasts_s=lasts_s), since=None)


@pytest.mark.parametrize(
    "stays",
    [
        node(),
        node(("tenbin.dev/pool", "NoSchedule"), ("nvidia.com/gpu", "NoSchedule")),
        node(cordoned=True),
        node(("DeletionCandidateOfClusterAutoscaler", "PreferNoSchedule")),
        node(("aws-node-termination-handler/rebalance-recommendation", "NoSchedule")),
        node(("karpenter.sh/disrupted", "PreferNoSchedule")),
        node(conditions={"Ready": "True", "PreemptScheduled": "False", "TerminateScheduled": "Unknown"}),
        {"metadata": {"name": "n"}},
    ],
)
def test_a_node_that_is_cordoned_or_only_a_candidate_stays(stays: dict[str, Any]) -> None:
    assert notices.read(stays) is None


def test_conditions_tell_and_their_time_which_is_the_nodes_own_does_not_count() -> None:
    found = notices.read(node(conditions={"PreemptScheduled": "True"}))
    assert found is not None
    assert (found.sign.lasts_s, found.since) == (30.0, None)


def test_a_node_that_is_being_deleted_goes_from_then_on() -> None:
    found = notices.read(node(deleted=True, cordoned=True))
    assert found == notices.Notice(sign=notices.DELETED, since=1_795_521_600.0)


def test_of_several_signs_the_one_that_leaves_least_time_counts() -> None:
    both = node(("karpenter.sh/disrupted", "NoSchedule"), ("cloud.google.com/impending-node-termination", "NoSchedule"))
    found = notices.read(both)
    assert found is not None
    assert found.sign.lasts_s == 15.0
