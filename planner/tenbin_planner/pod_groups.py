"""Pods that serve only together: a leader and its workers, as a LeaderWorkerSet makes and labels them. Pure.

Names are those of kubernetes-sigs/lws, api/leaderworkerset/v1. The leader's pod carries the name of its group.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL_SET = "leaderworkerset.sigs.k8s.io/name"
LABEL_GROUP = "leaderworkerset.sigs.k8s.io/group-index"
LABEL_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"
ANNOTATION_SIZE = "leaderworkerset.sigs.k8s.io/size"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Membership:
    """A pod's place in its group."""

    group: str
    """Name of the group and of its leader's pod."""
    index: int
    """Of the group among those of its set, from 0."""
    worker: int
    """Of the pod in its group; 0 is the leader."""
    size: int | None
    """Pods of a whole group, the leader included; None where it is not told."""

    @property
    def is_leader(self) -> bool:
        """Whether it is the pod that takes the group's requests."""
        return self.worker == 0


def membership(metadata: Mapping[str, Any]) -> Membership | None:
    """Return the place that a pod's metadata gives it; None for a pod that serves alone."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    index, worker = number(labels.get(LABEL_GROUP)), number(labels.get(LABEL_WORKER))
    if LABEL_SET not in labels or index is None or worker is None:
        return None
    return Membership(
        group=f"{labels[LABEL_SET]}-{index}",
        index=index,
        worker=worker,
        size=number(annotations.get(ANNOTATION_SIZE)),
    )


def number(text: Any) -> int | None:
    """Return the whole number of 0 or more that a label says; None when it says none.

    >>> number("3"), number("three"), number(None)
    (3, None, None)
    """
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 else None
