"""What a pod of the API server says about a replica. Pure: plain JSON in, values out."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

from tenbin_spec import contract
from tenbin_spec.services import Role

from tenbin_planner import pod_groups
from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import DocumentWorkload

Json = dict[str, Any]

_LABEL_ORDINAL = "apps.kubernetes.io/pod-index"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodState:
    """A pod of an engine."""

    name: str
    uid: str
    workload: str
    service: str
    phase: Phase
    starting_s: float
    """Seconds since its start began, by the API server's clock; what a node's clock is off is taken out."""
    node: str | None
    """Name of its node; None while it has none."""
    host: str | None
    port: int
    created: float = 0.0
    """When it was made, by the API server's clock, in seconds since the epoch."""
    ordinal: int | None = None
    """Its number where its owner numbers pods, as a StatefulSet does."""
    owner: tuple[str, str] | None = None
    """API group and kind of the object that made it and removes it."""
    member: pod_groups.Membership | None = None
    """Its place in a group of pods that serve together; None where it serves alone."""
    further_nodes: tuple[str, ...] = ()
    """Of a whole group's state, nodes of the pods beside its leader."""

    @property
    def is_scheduled(self) -> bool:
        """Whether it has a node."""
        return self.node is not None


def read(pod: Json, *, server_time: float | None, workload: DocumentWorkload | None = None) -> PodState | None:
    """Read a pod.

    Args:
        pod: as the API server lists it.
        server_time: the API server's time when it did, in seconds since the epoch; the planner's own clock may differ.
        workload: whose rule found the pod; None where the pod's own labels say to which one it belongs.

    Returns:
        None for a pod that is over, or whose labels do not say to which workload it belongs.
    """
    metadata, status = pod.get("metadata", {}), pod.get("status", {})
    belongs = _by_labels(metadata.get("labels") or {}) if workload is None else (workload.name, workload.service)
    if belongs is None:
        return None
    if status.get("phase") in ("Succeeded", "Failed") and not metadata.get("deletionTimestamp"):
        return None
    started = _started(pod)
    return PodState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        workload=belongs[0],
        service=belongs[1],
        phase=_phase(pod),
        starting_s=max(0.0, server_time - started) if server_time is not None and started is not None else 0.0,
        node=pod.get("spec", {}).get("nodeName") or None,
        host=status.get("podIP") or None,
        port=_port(pod),
        created=moment(metadata.get("creationTimestamp")) or 0.0,
        ordinal=_ordinal(metadata),
        owner=_owner(metadata),
        member=pod_groups.membership(metadata),
    )


def _by_labels(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the workload and service that labels name."""
    try:
        service, pool = labels[contract.LABEL_SERVICE], labels[contract.LABEL_POOL]
        return contract.workload_name(service, Role(labels[contract.LABEL_ROLE]), pool), service
    except (KeyError, ValueError):
        return None


def _owner(metadata: Json) -> tuple[str, str] | None:
    for item in metadata.get("ownerReferences") or []:
        if item.get("controller"):
            return str(item.get("apiVersion", "")).rpartition("/")[0], str(item.get("kind", ""))
    return None


def _ordinal(metadata: Json) -> int | None:
    """Return a pod's number: its label, which StatefulSets set since Kubernetes 1.28, else the end of its name."""
    told = pod_groups.number((metadata.get("labels") or {}).get(_LABEL_ORDINAL))
    if told is None and _owner(metadata) == ("apps", "StatefulSet"):
        return pod_groups.number(metadata["name"].rpartition("-")[2])
    return told


def _phase(pod: Json) -> Phase:
    metadata, status = pod["metadata"], pod.get("status", {})
    ready = condition(status, "Ready")
    annotations = metadata.get("annotations") or {}
    if metadata.get("deletionTimestamp"):
        return Phase.TERMINATING
    if status.get("reason") == "NodeLost" or _is_lost(status, ready):
        return Phase.LOST
    if annotations.get(contract.ANNOTATION_DRAINING) == "true":
        return Phase.DRAINING
    return Phase.READY if ready.get("status") == "True" else Phase.STARTING


def _is_lost(status: Json, ready: Json) -> bool:
    """Tell whether the node does not answer: the cluster then says that the pod is not ready, its containers not."""
    containers = status.get("containerStatuses") or []
    is_reported_ready = bool(containers) and all(item.get("ready") for item in containers)
    is_past_gates = not any(item.get("status") != "True" for item in _gates(status))
    return ready.get("status") == "Unknown" or (ready.get("status") == "False" and is_reported_ready and is_past_gates)


def _gates(status: Json) -> list[Json]:
    known = ("PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers", "DisruptionTarget")
    return [item for item in status.get("conditions") or [] if item.get("type") not in known]


def _started(pod: Json) -> float | None:
    """Return when the start of a pod began: its creation, or when it stopped being ready after that.

    The second is told by the node's clock. What that is off, the node's taking of the pod says: it follows the binding,
    which is told by the cluster's, within a moment.
    """
    status = pod.get("status", {})
    created = moment(pod["metadata"].get("creationTimestamp"))
    again = moment(condition(status, "Ready").get("lastTransitionTime"))
    if again is None or not any(item.get("restartCount") for item in status.get("containerStatuses") or []):
        return created
    bound, taken = moment(condition(status, "PodScheduled").get("lastTransitionTime")), moment(status.get("startTime"))
    if bound is not None and taken is not None:
        again -= taken - bound
    return again if created is None else max(created, again)


def condition(status: Json, kind: str) -> Json:
    """Return a condition of a pod's or node's status by its type; empty where there is none."""
    return next((item for item in status.get("conditions") or [] if item.get("type") == kind), {})


def moment(text: str | None) -> float | None:
    """Return a time of the API in seconds since the epoch; None for none, or for one that is no time."""
    try:
        return None if text is None else datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _port(pod: Json) -> int:
    for container in pod.get("spec", {}).get("containers") or []:
        if container.get("name") == contract.CONTAINER_ENGINE:
            for port in container.get("ports") or []:
                if port.get("name") == contract.PORT_NAME_HTTP:
                    return int(port["containerPort"])
    return contract.PORT_ENGINE
