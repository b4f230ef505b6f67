"""What the objects that are scaled say: their counts, and what a person says on them.

An object that is missing, has no scale or may not be read costs the plan that one workload: it is told why, and read
again at the next tick. An API server that answers nothing costs the tick, as everywhere.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.controller import by_hand
from tenbin_planner.controller.cluster import ForbiddenError, RefusedError
from tenbin_planner.decide.observation import Absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_spec.document import DocumentWorkload
    from tenbin_spec.scale_target import ScaleTarget

    from tenbin_planner.controller.cluster import Cluster, Json
    from tenbin_planner.decide.observation import ByHand

STALE_S = 60.0
"""What was read last holds for so long while the API server fails to answer for one kind, as a broken webhook does."""
_LONGEST_TEXT = 300
_DEPLOYMENT = ("apps", "Deployment")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """What the cluster is told of a workload."""

    wanted: int
    """Replicas that it is told to run."""
    by_hand: ByHand
    first_index: int = 0
    """Number of its first replica, where its kind numbers them."""
    refused: str | None = None
    """Why the cluster makes no more of its replicas, in the cluster's words; None where it does not say so."""


class TargetReader:
    """Reads the objects that are scaled."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._last: dict[str, tuple[float, Told]] = {}

    async def read(
        self, workloads: Iterable[DocumentWorkload], *, at: float
    ) -> tuple[dict[str, Told], dict[str, Absent]]:
        """Return what each workload is told to run, or else why it cannot be scaled, by workload.

        Args:
            workloads: of the document in force.
            at: now, in seconds of the planner's clock.

        Raises:
            ClusterError: when the API server cannot be reached.
        """
        items = list(workloads)
        listed = await self._deployments(items)
        answers = await asyncio.gather(*(self._told(item, listed, at=at) for item in items))
        found = {item.name: answer for item, answer in zip(items, answers, strict=True)}
        told = {name: answer for name, answer in found.items() if isinstance(answer, Told)}
        self._last = {name: self._last[name] for name in told}
        return told, {name: answer for name, answer in found.items() if isinstance(answer, Absent)}

    async def _deployments(self, workloads: Iterable[DocumentWorkload]) -> Mapping[str, Json]:
        """Return the engines' Deployments by name: one call for what most workloads are."""
        if not any((item.scaled.group, item.scaled.kind) == _DEPLOYMENT for item in workloads):
            return {}
        try:
            return {item["metadata"]["name"]: item for item in await self._cluster.engine_deployments()}
        except RefusedError:
            return {}  # each is then asked for by its name, and says for itself why it cannot be read

    async def _told(self, item: DocumentWorkload, listed: Mapping[str, Json], *, at: float) -> Told | Absent:
        target = item.scaled
        if (target.group, target.kind) == _DEPLOYMENT and target.name in listed:
            found = listed[target.name]
            return self._fresh(item.name, found, found.get("spec", {}).get("replicas", 1), at=at)
        try:
            found = await self._cluster.read(target)
        except RefusedError as error:
            return self._refused(item.name, _why_not_read(target, error), error, at=at)
        try:
            scale = await self._cluster.read_scale(target)
        except RefusedError as error:
            why = f"{_text(target)} has no scale" if error.is_absence else f"{_text(target)}: {error}"
            return self._refused(item.name, why, error, at=at)
        replicas = scale.get("spec", {}).get("replicas", 0)
        if not isinstance(replicas, int):
            return Absent(why=f"the scale of {_text(target)} says {str(replicas)[:40]!r} where a number belongs")
        return self._fresh(item.name, found, replicas, at=at)

    def _fresh(self, name: str, found: Json, replicas: int, *, at: float) -> Told:
        told = Told(
            wanted=replicas,
            by_hand=by_hand.read(name, found["metadata"].get("annotations") or {}),
            first_index=_first_index(found),
            refused=_refusal(found),
        )
        self._last[name] = (at, told)
        return told

    def _refused(self, name: str, why: str, error: RefusedError, *, at: float) -> Told | Absent:
        """Return what was read last where the API server only fails to answer for now; else what is wrong."""
        is_final = error.is_absence or isinstance(error, ForbiddenError)
        last_at, last = self._last.get(name, (at, None))
        return last if last is not None and not is_final and at - last_at < STALE_S else Absent(why=why)


def _first_index(found: Json) -> int:
    """Return where a StatefulSet begins to number its pods; all others begin with 0."""
    ordinals = found.get("spec", {}).get("ordinals")
    start = ordinals.get("start") if isinstance(ordinals, dict) else None
    return start if isinstance(start, int) else 0


def _refusal(found: Json) -> str | None:
    """Return what a Deployment says where its replicas cannot be made: by a quota, or by an admission rule."""
    conditions = (found.get("status") or {}).get("conditions") or []
    failures = [item for item in conditions if (item.get("type"), item.get("status")) == ("ReplicaFailure", "True")]
    return str(failures[0].get("message") or failures[0].get("reason"))[:_LONGEST_TEXT] if failures else None


def _why_not_read(target: ScaleTarget, error: RefusedError) -> str:
    if not error.is_absence:
        return f"{_text(target)}: {error}"
    if error.about == target.name:
        return f"{_text(target)} does not exist"
    return f"the cluster serves no {target.plural} of {target.api_version}"


def _text(target: ScaleTarget) -> str:
    return f"{target} of {target.api_version}"
