"""Which replica a kind removes when its count goes down, and so which one is to be drained before. Plain data.

A Deployment's ReplicaSet follows `controller.kubernetes.io/pod-deletion-cost`; nothing else does. A StatefulSet removes
its highest ordinal, and a LeaderWorkerSet's leaders are the pods of a StatefulSet. Grove's PodClique removes the
youngest (operator/internal/controller/podclique/components/pod/deletionsort.go).

A kind that is not in the table leaves its pods to others, as Dynamo's scaling adapter does: what owns the pods tells.
Where that is not known either, the youngest is taken to go first, as with most controllers that know no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import Phase, Removal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_spec.scale_target import ScaleTarget

    from tenbin_planner.controller.pod_states import PodState

REMOVALS: Mapping[tuple[str, str], Removal] = {
    ("apps", "Deployment"): Removal.DELETION_COST,
    ("apps", "ReplicaSet"): Removal.DELETION_COST,
    ("apps", "StatefulSet"): Removal.HIGHEST_RANK,
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): Removal.HIGHEST_RANK,
    ("grove.io", "PodClique"): Removal.YOUNGEST,
}
"""By API group and kind, of what is scaled or of what owns the pods."""


def removal(target: ScaleTarget, replicas: Sequence[PodState], *, first_index: int) -> tuple[Removal, dict[str, int]]:
    """Return how a kind removes, and the rank of each replica where it goes by one.

    Args:
        target: what is scaled.
        replicas: of the workload, groups folded.
        first_index: number of its first replica.
    """
    found = REMOVALS.get((target.group, target.kind)) or _of_owners(replicas)
    if found is Removal.DELETION_COST:
        return found, {}
    if found is Removal.HIGHEST_RANK and (indices := _indices(replicas, first_index)) is not None:
        return found, indices
    by_age = sorted(replicas, key=lambda replica: (replica.created, replica.name))
    return Removal.YOUNGEST, {replica.name: rank for rank, replica in enumerate(by_age)}


def _of_owners(replicas: Sequence[PodState]) -> Removal | None:
    found = {None if replica.owner is None else REMOVALS.get(replica.owner) for replica in replicas}
    return found.pop() if len(found) == 1 else None


def _indices(replicas: Sequence[PodState], first_index: int) -> dict[str, int] | None:
    """Return the number of each replica; None unless each has one of its own, which then says nothing of the order."""
    found = {}
    for replica in replicas:
        index = replica.ordinal if replica.member is None else replica.member.index
        if index is not None and index >= first_index:
            found[replica.name] = index - first_index
    counted = [replica for replica in replicas if replica.phase is not Phase.TERMINATING]
    numbers = [found.get(replica.name) for replica in counted]
    return found if None not in numbers and len(set(numbers)) == len(numbers) else None
