"""Notices that a node is about to go, as clouds and autoscalers write them on its Node object. Pure.

A table, since each of them has a sign of its own: AWS Node Termination Handler (`docs/` of its repository, `pkg/node`),
Karpenter (concepts, disruption), Cluster Autoscaler (FAQ), GKE (concepts, Spot VMs) and AKS (node auto-drain); read in
November 2026. A node that is only cordoned is closed to new pods and goes on.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tenbin_planner.controller.pod_states import condition, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
TWO_MINUTES_S = 120.0
"""What AWS gives a spot instance from the notice on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sign:
    """What says that a node is about to go."""

    why: str
    """In words."""
    lasts_s: float
    """From the notice until its pods are gone; where the sign names no time, what the cloud gives at least."""


TAINTS = {
    "aws-node-termination-handler/spot-itn": Sign(why="spot interruption notice", lasts_s=TWO_MINUTES_S),
    "aws-node-termination-handler/asg-lifecycle-termination": Sign(
        why="its scaling group ends it", lasts_s=TWO_MINUTES_S
    ),
    "karpenter.sh/disrupted": Sign(why="Karpenter disrupts it", lasts_s=TWO_MINUTES_S),
    "karpenter.sh/disruption": Sign(why="Karpenter disrupts it", lasts_s=TWO_MINUTES_S),
    "ToBeDeletedByClusterAutoscaler": Sign(why="the cluster autoscaler deletes it", lasts_s=60.0),
    # GKE gives 30 s by default, of which the second half belongs to the system's own pods.
    "cloud.google.com/impending-node-termination": Sign(why="its machine is terminated", lasts_s=15.0),
    "remediator.kubernetes.azure.com/unschedulable": Sign(why="its machine is taken back", lasts_s=30.0),
}
"""By the key of a taint that keeps pods away."""
CONDITIONS = {
    "PreemptScheduled": Sign(why="its machine is taken back", lasts_s=30.0),
    "TerminateScheduled": Sign(why="its machine is terminated", lasts_s=30.0),
}
"""By the type of a condition that is true."""
DELETED = Sign(why="it is being deleted", lasts_s=TWO_MINUTES_S)
_REPELLING = ("NoSchedule", "NoExecute")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """A node is about to go."""

    sign: Sign
    since: float | None
    """Seconds since the epoch by the API server's clock; None where it does not say."""


def read(node: Json) -> Notice | None:
    """Return the notice of a node that leaves least time; None for one that stays."""
    return min(_notices(node), key=lambda notice: (notice.sign.lasts_s, notice.sign.why), default=None)


def _notices(node: Json) -> Iterator[Notice]:
    metadata = node.get("metadata", {})
    if metadata.get("deletionTimestamp"):
        yield Notice(sign=DELETED, since=moment(metadata["deletionTimestamp"]))
    for taint in node.get("spec", {}).get("taints") or []:
        sign = TAINTS.get(taint.get("key", ""))
        if sign is not None and taint.get("effect") in _REPELLING:
            yield Notice(sign=sign, since=_tainted(metadata))
    for kind, sign in CONDITIONS.items():
        # The time of a condition comes from the node's own clock.
        if condition(node.get("status", {}), kind).get("status") == "True":
            yield Notice(sign=sign, since=None)


def _tainted(metadata: Json) -> float | None:
    """Return when the taints were written last, as the API server keeps it of whoever owns the field."""
    times = [
        moment(entry.get("time"))
        for entry in metadata.get("managedFields") or []
        if "f:taints" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    return max((time for time in times if time is not None), default=None)
