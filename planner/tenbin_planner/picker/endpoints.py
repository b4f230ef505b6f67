"""From pods to endpoints: which engines may get requests now. Pure.

A pod is an endpoint when it is ready, is not being deleted and is not marked as draining. Of pods that serve only
together, the leader is the endpoint, and only while all of its group are ready. Whoever is in doubt is out: a pod that
lacks an address or a port is left out, and never spoils the others.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenbin_spec import contract

from tenbin_planner import pod_groups

if TYPE_CHECKING:
    from collections.abc import Iterable

Pod = dict[str, Any]
"""A pod as the Kubernetes API writes it in JSON."""
Endpoints = Mapping[str, "tuple[Endpoint, ...]"]
"""Endpoints by service, in order, without doubles."""

SELECTOR = f"{contract.LABEL_NAME}={contract.NAME_ENGINE}"
"""Label selector of the pods that may be endpoints."""


@dataclasses.dataclass(frozen=True, order=True)
class Endpoint:
    """Where an engine listens."""

    address: str
    port: int


def endpoint_of(pod: Pod) -> tuple[str, Endpoint] | None:
    """Return the service and endpoint of a pod, None when it shall get no requests."""
    metadata, spec, status = (pod.get(part) or {} for part in ("metadata", "spec", "status"))
    service = (metadata.get("labels") or {}).get(contract.LABEL_SERVICE)
    is_draining = (metadata.get("annotations") or {}).get(contract.ANNOTATION_DRAINING) == "true"
    address = _address(status.get("podIP"))
    port = _port(spec.get("containers") or ())
    if not service or is_draining or metadata.get("deletionTimestamp") or not _is_ready(status):
        return None
    if port is None or address is None:
        return None
    return service, Endpoint(address=address, port=port)


def _is_ready(status: Mapping[str, Any]) -> bool:
    conditions = status.get("conditions") or ()
    return any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)


def _address(written: Any) -> str | None:
    """Return an IP address in its one spelling; a gateway refuses a whole list for one that is none."""
    try:
        return str(ipaddress.ip_address(str(written)))
    except ValueError:
        return None


def _port(containers: Iterable[Mapping[str, Any]]) -> int | None:
    for container in containers:
        if container.get("name") != contract.CONTAINER_ENGINE:
            continue
        for port in container.get("ports") or ():
            number = port.get("containerPort")
            if port.get("name") == contract.PORT_NAME_HTTP and isinstance(number, int) and 0 < number < 65_536:
                return number
    return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of a pod."""

    endpoint: tuple[str, Endpoint] | None
    """Its service and where it listens, if it may get requests for its own part."""
    member: pod_groups.Membership | None
    is_ready: bool


def _known(pod: Pod) -> _Known:
    metadata = pod.get("metadata") or {}
    return _Known(
        endpoint=endpoint_of(pod),
        member=pod_groups.membership(metadata),
        is_ready=_is_ready(pod.get("status") or {}) and not metadata.get("deletionTimestamp"),
    )


class PodTable:
    """The pods known by now, and the endpoints that follow from them."""

    def __init__(self) -> None:
        self._pods: dict[str, _Known] = {}

    def replace(self, pods: Iterable[Pod]) -> None:
        """Take a complete list of pods in the place of all that was known."""
        self._pods = {pod["metadata"]["name"]: _known(pod) for pod in pods}

    def apply(self, kind: str, pod: Pod) -> None:
        """Take one event of a watch: `ADDED`, `MODIFIED` or `DELETED`; any other kind says nothing about a pod."""
        name = pod["metadata"]["name"]
        if kind in ("ADDED", "MODIFIED"):
            self._pods[name] = _known(pod)
        elif kind == "DELETED":
            self._pods.pop(name, None)

    def endpoints(self) -> Endpoints:
        """Return the endpoints by service. Two pods with one address, as when it is reused, give one endpoint."""
        by_service: dict[str, set[Endpoint]] = {}
        ready = Counter(known.member.group for known in self._pods.values() if known.member and known.is_ready)
        for known in self._pods.values():
            if known.endpoint is not None and _serves(known.member, ready):
                by_service.setdefault(known.endpoint[0], set()).add(known.endpoint[1])
        return {service: tuple(sorted(by_service[service])) for service in sorted(by_service)}


def _serves(member: pod_groups.Membership | None, ready: Mapping[str, int]) -> bool:
    """Tell whether a pod that may get requests for its own part may get them as a member of its group."""
    return member is None or (member.is_leader and ready[member.group] >= (member.size or 1))
