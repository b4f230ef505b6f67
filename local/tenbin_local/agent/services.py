"""Which ready pods stand behind each Service's address, and the listeners that forward to them.

The stand-in for kube-proxy: EndpointSlices refuse loopback addresses, so the pods are found by the Service's selector.
A port without a ready pod has no listener, so that a connection to it is refused, as kube-proxy does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from tenbin_local.agent import api, forwarder, reflector

log = logging.getLogger(__name__)

Address: TypeAlias = tuple[str, int]
"""IP address and port."""
SETTLE_S = 0.02
"""Changes that come together are handled together."""
RETRY_S = 1.0


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _target_port(port: api.Json, pod: api.Json) -> int | None:
    """Number of a Service port's target in a pod; None where the pod has no port of that name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for declared in container.get("ports") or []:
            if declared.get("name") == target and declared.get("protocol", "TCP") == "TCP":
                return int(declared["containerPort"])
    return None


def _serves(pod: api.Json, *, unready_too: bool) -> bool:
    if pod["metadata"].get("deletionTimestamp") or not (pod.get("status") or {}).get("podIP"):
        return False
    return unready_too or api.is_ready(pod)


def targets(services: Iterable[api.Json], pods: Iterable[api.Json]) -> dict[Address, tuple[Address, ...]]:
    """Addresses of ready pods by address of a Service, sorted; only TCP ports with at least one pod."""
    known = list(pods)
    result: dict[Address, tuple[Address, ...]] = {}
    for service in services:
        spec = service["spec"]
        cluster_ip, selector = spec.get("clusterIP"), spec.get("selector")
        if not selector or cluster_ip in {None, "", "None"}:
            continue
        unready_too = bool(spec.get("publishNotReadyAddresses"))
        behind = [
            pod
            for pod in known
            if pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            and _selects(selector, pod["metadata"].get("labels") or {})
            and _serves(pod, unready_too=unready_too)
        ]
        for port in spec.get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                found = [(pod["status"]["podIP"], _target_port(port, pod)) for pod in behind]
                if addresses := sorted((address, number) for address, number in found if number):
                    result[cluster_ip, port["port"]] = tuple(addresses)
    return result


class ServiceProxy:
    """Keeps one listener for each Service port that has a ready pod."""

    def __init__(self, services: reflector.Reflector, pods: reflector.Reflector) -> None:
        self._services = services
        self._pods = pods
        self._listeners: dict[Address, forwarder.Listener] = {}
        self._changed = asyncio.Event()
        for store in (services, pods):
            store.observe(lambda _key, _thing: self._changed.set())

    async def run(self) -> None:
        """Follow Services and pods until cancelled; running connections are closed then."""
        await self._services.synced.wait()
        await self._pods.synced.wait()
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(SETTLE_S)
                self._changed.clear()
                wanted = targets(self._services.objects.values(), self._pods.objects.values())
                if not await self._apply(wanted):
                    await asyncio.sleep(RETRY_S)
                    self._changed.set()
        finally:
            for listener in self._listeners.values():
                listener.close()

    async def _apply(self, wanted: Mapping[Address, tuple[Address, ...]]) -> bool:
        for address in self._listeners.keys() - wanted.keys():
            self._listeners.pop(address).stop()
        complete = True
        for address, behind in wanted.items():
            if address in self._listeners:
                self._listeners[address].targets = behind
                continue
            try:
                self._listeners[address] = await forwarder.Listener.open(address, behind)
            except OSError as error:
                log.warning("cannot listen on %s:%d: %s", *address, error)
                complete = False
        return complete
