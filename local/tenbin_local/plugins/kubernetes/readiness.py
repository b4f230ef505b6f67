"""Whether an object is ready for use, and why not, as pure functions of what the API server shows.

The conditions are those of pulumi-kubernetes 4, except that a Service looks at the pods which it selects instead of
EndpointSlices: those refuse the loopback addresses of a local environment. Kinds that are not listed in `CHECKS` are
ready once they exist.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]

_REVISION = "deployment.kubernetes.io/revision"

SERVICE_WITHOUT_PODS = (
    "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match labels "
    "on any Pods"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Readiness:
    """The verdict on one object at one moment."""

    ready: bool
    progress: str = ""
    """One line on what is being waited for."""
    reasons: tuple[str, ...] = ()
    """Why it is not ready."""
    failed: bool = False
    """Whether waiting longer cannot help."""


READY = Readiness(ready=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Check:
    """How one kind is judged."""

    judge: Callable[[Object, Sequence[Object], Sequence[Object]], Readiness]
    """The verdict on (object, ReplicaSets of its namespace, Pods of its namespace)."""
    needs_pods: bool = False
    needs_replica_sets: bool = False
    timeout_s: float = 600.0
    """Seconds to wait where neither annotation nor option say otherwise."""


def _owned(objects: Sequence[Object], owner: Object) -> list[Object]:
    uid = owner["metadata"].get("uid")
    return [
        one
        for one in objects
        if any(reference.get("uid") == uid for reference in one["metadata"].get("ownerReferences") or [])
    ]


def _condition(obj: Object, name: str) -> Object:
    for condition in obj.get("status", {}).get("conditions") or []:
        if condition.get("type") == name:
            return dict(condition)
    return {}


def _is_true(condition: Object) -> bool:
    return condition.get("status") == "True"


def _observed(obj: Object) -> bool:
    return int(obj.get("status", {}).get("observedGeneration", 0)) >= int(obj["metadata"].get("generation", 0))


def pod_problems(pod: Object) -> Iterator[str]:
    """What keeps a pod from being ready, one sentence each."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Failed":
        yield f"Pod {name} failed: {_said(status)}"
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"Pod {name} is not scheduled: {_said(scheduled)}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        where = f"container {container['name']} of Pod {name}"
        if waiting := state.get("waiting"):
            yield f"{where} is waiting: {_said(waiting)}"
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            yield f"{where} ended with exit code {ended['exitCode']}: {_said(ended)}"


def _said(place: Object) -> str:
    return ": ".join(str(place[key]) for key in ("reason", "message") if place.get(key)) or "no reason given"


def _deployment(deployment: Object, replica_sets: Sequence[Object], pods: Sequence[Object]) -> Readiness:
    if not _observed(deployment):
        return Readiness(
            ready=False,
            progress="Waiting for the Deployment controller",
            reasons=("The Deployment controller has not seen the Deployment yet",),
        )
    revision = (deployment["metadata"].get("annotations") or {}).get(_REVISION, "")
    current = [
        one
        for one in _owned(replica_sets, deployment)
        if (one["metadata"].get("annotations") or {}).get(_REVISION) == revision
    ]
    wanted = int(current[0]["spec"].get("replicas", 1)) if current else 0
    available = int(current[0].get("status", {}).get("readyReplicas", 0)) if current else 0
    conditions = {name: _condition(deployment, name) for name in ("Available", "Progressing")}
    rolled_out = revision == "1" or (
        _is_true(conditions["Progressing"]) and conditions["Progressing"].get("reason") == "NewReplicaSetAvailable"
    )
    if current and available >= wanted and _is_true(conditions["Available"]) and rolled_out:
        return READY
    reasons = [
        f"[{one.get('reason')}] {one.get('message')}" for one in conditions.values() if one.get("status") == "False"
    ]
    reasons.append(f"{available} of {wanted} Pods of the newest ReplicaSet are ready")
    for pod in _owned(pods, current[0]) if current else []:
        reasons.extend(pod_problems(pod))
    return Readiness(
        ready=False,
        progress=f"Waiting for app ReplicaSet to be available ({available}/{wanted} Pods available)",
        reasons=tuple(reasons),
    )


def _stateful_set(obj: Object, _: Sequence[Object], pods: Sequence[Object]) -> Readiness:
    status, wanted = obj.get("status", {}), int(obj["spec"].get("replicas", 1))
    ready = int(status.get("readyReplicas", 0))
    rolled_out = status.get("currentRevision") == status.get("updateRevision")
    return _counted(obj, pods, ready, wanted, rolled_out=rolled_out)


def _daemon_set(obj: Object, _: Sequence[Object], pods: Sequence[Object]) -> Readiness:
    status = obj.get("status", {})
    wanted = int(status.get("desiredNumberScheduled", 0))
    rolled_out = int(status.get("updatedNumberScheduled", 0)) >= wanted
    return _counted(obj, pods, int(status.get("numberReady", 0)), wanted, rolled_out=rolled_out)


def _counted(obj: Object, pods: Sequence[Object], ready: int, wanted: int, *, rolled_out: bool) -> Readiness:
    if _observed(obj) and ready >= wanted and rolled_out:
        return READY
    counted = f"{ready} of {wanted} Pods are ready"
    problems = [problem for pod in _owned(pods, obj) for problem in pod_problems(pod)]
    return Readiness(ready=False, progress=f"Waiting for Pods ({ready}/{wanted})", reasons=(counted, *problems))


def _pod(pod: Object, _: Sequence[Object], __: Sequence[Object]) -> Readiness:
    phase = pod.get("status", {}).get("phase")
    if phase == "Succeeded" or _is_true(_condition(pod, "Ready")):
        return READY
    problems = tuple(pod_problems(pod)) or (f"Pod is {phase or 'not seen yet'}",)
    return Readiness(ready=False, progress="Waiting for Pod to be ready", reasons=problems, failed=phase == "Failed")


def _job(job: Object, _: Sequence[Object], pods: Sequence[Object]) -> Readiness:
    failed = _condition(job, "Failed")
    if _is_true(_condition(job, "Complete")):
        return READY
    problems = [problem for pod in _owned(pods, job) for problem in pod_problems(pod)]
    said = [f"Job failed: {_said(failed)}"] if _is_true(failed) else ["Job has not completed"]
    return Readiness(
        ready=False, progress="Waiting for Job to succeed", reasons=(*said, *problems), failed=_is_true(failed)
    )


def _service(service: Object, _: Sequence[Object], pods: Sequence[Object]) -> Readiness:
    spec = service["spec"]
    kind = spec.get("type", "ClusterIP")
    reasons = []
    selector = spec.get("selector") or {}
    if kind != "ExternalName" and spec.get("clusterIP") != "None" and selector:
        selected = [pod for pod in pods if selector.items() <= (pod["metadata"].get("labels") or {}).items()]
        if not any(_is_true(_condition(pod, "Ready")) for pod in selected):
            reasons.append(SERVICE_WITHOUT_PODS)
    if kind == "LoadBalancer" and not service.get("status", {}).get("loadBalancer", {}).get("ingress"):
        reasons.append("Service was not allocated an IP address; does your cloud provider support this?")
    if not reasons:
        return READY
    return Readiness(ready=False, progress="Finding Pods to direct traffic to", reasons=tuple(reasons))


CHECKS: dict[tuple[str, str], Check] = {
    ("apps/v1", "Deployment"): Check(judge=_deployment, needs_pods=True, needs_replica_sets=True),
    ("apps/v1", "StatefulSet"): Check(judge=_stateful_set, needs_pods=True),
    ("apps/v1", "DaemonSet"): Check(judge=_daemon_set, needs_pods=True),
    ("batch/v1", "Job"): Check(judge=_job, needs_pods=True),
    ("v1", "Pod"): Check(judge=_pod),
    ("v1", "Service"): Check(judge=_service, needs_pods=True),
}
"""How each kind is judged, by API version and kind."""
