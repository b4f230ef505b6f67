"""A pod's status, computed from its containers' records as a kubelet computes it.

Source of the rules: `getPhase` and the `Generate...Condition` functions of kubernetes/pkg/kubelet.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from tenbin_local.agent import api, records

Record = records.Record
OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
"""The conditions that a kubelet owns; all others in a status belong to somebody else and are left alone."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why the agent does not run a pod at all."""

    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a status is computed from.

    Attributes:
        pod: The pod; its own status is looked at only for the conditions of others.
        conditions: The conditions reported before, whose transition times stay where nothing changed.
        init: Records of the init containers, in their order.
        containers: Records of the containers, in their order.
        prepared: Whether the pod has its address and its volumes.
        refusal: Set where the pod is Failed without having run.
        finishing: The pod is being deleted and none of its processes is left.
    """

    pod: api.Json
    conditions: Sequence[api.Json]
    init: Sequence[Record]
    containers: Sequence[Record]
    address: str | None
    host_address: str
    start_time: datetime.datetime
    now: datetime.datetime
    prepared: bool = False
    refusal: Refusal | None = None
    finishing: bool = False


def own_conditions(pod: api.Json) -> list[api.Json]:
    """The conditions of a pod that a kubelet owns."""
    return [item for item in (pod.get("status") or {}).get("conditions") or [] if item["type"] in OWN_CONDITIONS]


def agree(some: Sequence[api.Json], others: Sequence[api.Json]) -> bool:
    """Whether two sets of conditions say the same."""
    return {item["type"]: item["status"] for item in some} == {item["type"]: item["status"] for item in others}


def _is_running(record: Record) -> bool:
    return isinstance(record.state, records.Running)


def _ended(record: Record) -> records.Terminated | None:
    """How the container ended, where it is not running: a container in back-off counts as ended."""
    if isinstance(record.state, records.Terminated):
        return record.state
    return record.last if isinstance(record.state, records.Waiting) else None


def _succeeded(record: Record) -> bool:
    return isinstance(record.state, records.Terminated) and record.state.succeeded


def phase(*, restart_policy: str, init: Sequence[Record], containers: Sequence[Record], finishing: bool = False) -> str:
    """Phase of a pod."""
    endings = [_ended(record) for record in containers]
    if finishing:
        return "Succeeded" if endings and all(end and end.succeeded for end in endings) else "Failed"
    if not all(_succeeded(record) for record in init):
        failed = any(isinstance(record.state, records.Terminated) and not record.state.succeeded for record in init)
        return "Failed" if failed and restart_policy == "Never" else "Pending"
    if any(isinstance(record.state, records.Waiting) and record.last is None for record in containers):
        return "Pending"
    if any(_is_running(record) for record in containers) or restart_policy == "Always":
        return "Running"
    if all(end and end.succeeded for end in endings):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def _not_ready(names: Sequence[str], finished: str | None) -> tuple[str, str]:
    if finished == "Succeeded":
        return "PodCompleted", ""
    if finished == "Failed":
        return "PodFailed", ""
    return "ContainersNotReady", f"containers with unready status: [{' '.join(names)}]"


def _wanted_conditions(facts: Facts, current_phase: str) -> dict[str, tuple[bool, str, str]]:
    """Truth, reason and message by condition type."""
    incomplete = [record.name for record in facts.init if not _succeeded(record)]
    unready = [record.name for record in facts.containers if not record.ready]
    finished = current_phase if current_phase in {"Succeeded", "Failed"} else None
    initialized = (True, "", "")
    if incomplete and finished != "Succeeded":
        initialized = (
            False,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(incomplete)}]",
        )
    containers_ready = (False, *_not_ready(unready, finished)) if unready or finished else (True, "", "")
    ready = containers_ready
    others = {entry["type"]: entry["status"] for entry in facts.pod.get("status", {}).get("conditions") or []}
    gates = [gate["conditionType"] for gate in facts.pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if others.get(gate) != "True"]
    if containers_ready[0] and closed:
        ready = (
            False,
            "ReadinessGatesNotReady",
            f"corresponding condition of pod readiness gate {closed[0]!r} is not true",
        )
    if facts.pod["metadata"].get("deletionTimestamp") and ready[0]:
        ready = (False, "PodTerminating", "the pod is being deleted")
    prepared = facts.prepared and not finished
    return {
        "PodReadyToStartContainers": (prepared, "", ""),
        "Initialized": initialized,
        "ContainersReady": containers_ready,
        "Ready": ready,
    }


def conditions(facts: Facts, current_phase: str) -> list[api.Json]:
    """The kubelet's conditions; a transition time changes only where the truth does.

    Empty reasons are None, so that a merge patch takes an old reason away.
    """
    before = {entry["type"]: entry for entry in facts.conditions}
    result = []
    for kind, (truth, reason, message) in _wanted_conditions(facts, current_phase).items():
        value = "True" if truth else "False"
        old = before.get(kind)
        same = old is not None and old["status"] == value and old.get("lastTransitionTime")
        result.append(
            {
                "type": kind,
                "status": value,
                "reason": reason or None,
                "message": message or None,
                "lastProbeTime": None,
                "lastTransitionTime": old["lastTransitionTime"] if old and same else records.stamp(facts.now),
                "observedGeneration": facts.pod["metadata"].get("generation"),
            }
        )
    return result


def pod_status(facts: Facts) -> api.Json:
    """The status to be merged into the pod."""
    if facts.refusal:
        current = "Failed"
    else:
        current = phase(
            restart_policy=facts.pod["spec"].get("restartPolicy", "Always"),
            init=facts.init,
            containers=facts.containers,
            finishing=facts.finishing,
        )
    status: api.Json = {
        "phase": current,
        "reason": facts.refusal.reason if facts.refusal else None,
        "message": facts.refusal.message if facts.refusal else None,
        "observedGeneration": facts.pod["metadata"].get("generation"),
        "startTime": records.stamp(facts.start_time),
        "hostIP": facts.host_address,
        "hostIPs": [{"ip": facts.host_address}],
        "conditions": conditions(facts, current),
        "containerStatuses": [] if facts.refusal else [record.to_json() for record in facts.containers],
        "initContainerStatuses": [] if facts.refusal else [record.to_json() for record in facts.init],
        "qosClass": facts.pod.get("status", {}).get("qosClass"),
    }
    if facts.address:
        status |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}]}
    return status
