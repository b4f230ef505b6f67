"""The start of a replica in parts, from its pod, its node and the event of its pull. Pure.

Clocks differ: times of the API server and the scheduler are taken together, and times of the node's kubelet together,
but never one from the other, so that a node's clock that is minutes off changes no part. All of them are whole
seconds. How long a pull took, the kubelet measures itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenbin_spec import contract

from tenbin_planner.controller.pod_states import condition, moment
from tenbin_planner.decide.observation import StartParts, Warmth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_planner.controller.node_states import NodeState

Json = dict[str, Any]
SLACK_S = 2.0
"""Between a pod's binding and its kubelet's notice of it; and what two times in whole seconds may be off."""
_FIELD = f"spec.containers{{{contract.CONTAINER_ENGINE}}}"
_PRESENT = "already present on machine"
_PULLED = re.compile(r"^Successfully pulled image .* in (\S+)(?: \((\S+) including waiting\))?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_SECONDS: Mapping[str, float] = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def read(pod: Json, *, node: NodeState | None, pull: Json | None, was_listed: bool | None) -> StartParts:
    """Read how far the first start of a pod has come.

    Args:
        pod: as the API server lists it.
        node: that it is on; None while it has none, or where nodes cannot be seen.
        pull: event of the pull of its engine's image; None where there is none.
        was_listed: whether its node listed the image before the engine's program ran; None where that is not known.
    """
    status = pod.get("status", {})
    created = moment(pod["metadata"].get("creationTimestamp"))
    scheduled = _true_since(status, "PodScheduled")
    taken = moment(status.get("startTime"))
    begun = _begun(status)
    image, image_s = _image(pull, was_listed)
    container_s = _between(taken, begun)
    return StartParts(
        node=_node(node, created=created, scheduled=scheduled, taken=taken),
        image=image,
        node_s=_between(created, scheduled),
        image_s=image_s,
        container_s=None if container_s is None or image_s is None else max(0.0, container_s - image_s),
        engine_s=_between(begun, _true_since(status, "Ready")),
    )


def image_of(pod: Json) -> str | None:
    """Return the image of a pod's engine."""
    containers = pod.get("spec", {}).get("containers") or []
    return next((item.get("image") for item in containers if item.get("name") == contract.CONTAINER_ENGINE), None)


def has_begun(pod: Json) -> bool:
    """Tell whether the engine's program has ever run."""
    found = _engine(pod.get("status", {}))
    return bool(found.get("restartCount") or found.get("lastState")) or "waiting" not in (
        found.get("state") or {"waiting": {}}
    )


def is_over(pod: Json) -> bool:
    """Tell whether a pod serves."""
    return condition(pod.get("status", {}), "Ready").get("status") == "True"


def pulls(events: Iterable[Json]) -> dict[str, Json]:
    """Return the first event of the pull of an engine's image, by the pod's uid."""
    found: dict[str, Json] = {}
    for event in events:
        subject = event.get("involvedObject") or {}
        if subject.get("fieldPath") == _FIELD and subject.get("uid"):
            found[subject["uid"]] = min(found.get(subject["uid"], event), event, key=_order)
    return found


def _order(event: Json) -> tuple[str, str]:
    metadata = event.get("metadata") or {}
    return (metadata.get("creationTimestamp") or "", metadata.get("name") or "")


def _image(pull: Json | None, was_listed: bool | None) -> tuple[Warmth, float | None]:
    """Return whether the image was there, and what its pull took."""
    message = str((pull or {}).get("message") or "")
    if _PRESENT in message:
        return Warmth.WARM, 0.0
    if took := _PULLED.match(message):
        return Warmth.COLD, duration_s(took[2] or took[1])
    if was_listed is None:
        return Warmth.UNKNOWN, None
    return (Warmth.WARM, 0.0) if was_listed else (Warmth.COLD, None)


def duration_s(text: str) -> float | None:
    """Return a duration as Go writes it in seconds; None for anything else.

    >>> duration_s("1m2.5s")
    62.5
    >>> duration_s("850ms")
    0.85
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _node(node: NodeState | None, *, created: float | None, scheduled: float | None, taken: float | None) -> Warmth:
    """Return whether the node was there, and ready, when the pod was made.

    The node's own clock is set by the moment at which it took the pod, which is that of the binding.
    """
    if node is None or node.created is None or created is None:
        return Warmth.UNKNOWN
    if node.created >= created:
        return Warmth.COLD
    if node.ready_since is None or scheduled is None or taken is None:
        return Warmth.UNKNOWN
    ready = node.ready_since - (taken - scheduled)
    return Warmth.COLD if created + SLACK_S < ready <= scheduled + SLACK_S else Warmth.WARM


def _begun(status: Json) -> float | None:
    """Return when the engine's program began, by the node's clock; None where that was not its first beginning."""
    found = _engine(status)
    running = (found.get("state") or {}).get("running") or {}
    return None if found.get("restartCount") else moment(running.get("startedAt"))


def _engine(status: Json) -> Json:
    containers = status.get("containerStatuses") or []
    return next((item for item in containers if item.get("name") == contract.CONTAINER_ENGINE), {})


def _true_since(status: Json, kind: str) -> float | None:
    found = condition(status, kind)
    return moment(found.get("lastTransitionTime")) if found.get("status") == "True" else None


def _between(start: float | None, end: float | None) -> float | None:
    """Return the seconds between two times of one clock; None where one is missing, or they cannot be true."""
    if start is None or end is None or end < start - SLACK_S:
        return None
    return max(0.0, end - start)
