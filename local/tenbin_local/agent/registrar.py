"""Keeps Node objects and their heartbeats as nodes.json wants them, and lets killed nodes be dead."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tenbin_local import errors
from tenbin_local.agent import addresses, api, killed, nodes, records, reflector, settings

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks at the files and the Nodes where nothing else wakes the registrar."""
STATUS_PERIOD_S = 300.0
"""Between two reports of a node's status that nothing else asks for, as a kubelet's."""


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Whom the registrar tells.

    Attributes:
        alive: Told of all living nodes whenever they change; one that is no longer among them loses its processes.
        options: Told of the agent's options whenever nodes.json is read.
    """

    alive: Callable[[Mapping[str, nodes.NodeSpec]], None]
    options: Callable[[settings.AgentOptions], None]


class WatchedFile:
    """A small file that is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version: tuple[int, int, int] | None = (-1, -1, -1)

    def changed(self) -> bool:
        """Whether the file is another one than at the last call, or has come or gone."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            version = None
        else:
            version = stat.st_mtime_ns, stat.st_ino, stat.st_size
        known, self._version = self._version, version
        return version != known


class Registrar:
    """Registers, heartbeats, kills and revives nodes."""

    def __init__(
        self,
        *,
        connection: api.Api,
        environment: settings.Environment,
        node_store: reflector.Reflector,
        pod_store: reflector.Reflector,
        given: addresses.Addresses,
        notices: Notices,
    ) -> None:
        self._api = connection
        self._nodes = node_store
        self._pods = pod_store
        self._addresses = given
        self._notices = notices
        self._nodes_file = WatchedFile(environment.nodes_file)
        self._killed_file = WatchedFile(environment.killed_file)
        self._specs: dict[str, nodes.NodeSpec] = {}
        self._options = settings.AgentOptions()
        self._dead: dict[str, datetime.datetime] = {}
        self._alive: dict[str, nodes.NodeSpec] | None = None
        self._leased: dict[str, float] = {}
        self._reported: dict[str, float] = {}
        self._wake = asyncio.Event()
        node_store.observe(lambda _key, _node: self._wake.set())

    async def run(self) -> None:
        """Register and heartbeat until cancelled.

        Raises:
            LocalError: nodes.json is missing or wrong at the start. Later such a file is logged, and the last good one
                stays in force.
        """
        if self._nodes_file.changed():
            self._read_nodes()
        await self._nodes.synced.wait()
        await self._pods.synced.wait()
        while True:
            self._wake.clear()
            if self._nodes_file.changed():
                try:
                    self._read_nodes()
                except errors.LocalError as error:
                    log.warning("%s; the nodes stay as they are", error)
            self._note_deaths()
            for name in sorted(self._specs.keys() | {name for _, name in self._nodes.objects}):
                try:
                    await self._attend(name)
                except api.ApiError as error:
                    log.warning("node %s: %s", name, error)
                    if error.status == 0:
                        break
            await api.pause(LOOK_S, self._wake)

    def _read_nodes(self) -> None:
        content = settings.load_nodes(self._nodes_file.path)
        specs = nodes.node_specs(content, self._addresses.node)
        self._addresses.forget_nodes(keep=specs)
        self._specs, self._options = specs, content.agent
        self._notices.options(content.agent)

    def _note_deaths(self) -> None:
        """Bring the record of the dead and the living in line with the file and the annotations."""
        if self._killed_file.changed():
            self._dead = killed.load(self._killed_file.path)
        dead = {name: since for name, since in self._dead.items() if name in self._specs}
        for name in self._specs:
            node = self._nodes.get("", name)
            if node and nodes.is_killed(node):
                dead.setdefault(name, records.now())
            elif node:
                dead.pop(name, None)
        if dead != self._dead:
            self._dead = dead
            killed.save(self._killed_file.path, dead)
            self._killed_file.changed()
        alive = {name: spec for name, spec in self._specs.items() if name not in dead}
        if alive != self._alive:
            if self._alive:
                for name in sorted(self._alive.keys() - alive.keys()):
                    log.info("node %s is dead or removed: its processes are killed", name)
            self._alive = alive
            self._notices.alive(alive)

    async def _attend(self, name: str) -> None:
        """Bring one Node in line."""
        spec = self._specs.get(name)
        node = self._nodes.get("", name)
        if spec is None:
            own = node is not None and nodes.OWN_ANNOTATION in (node["metadata"].get("annotations") or {})
            if own:
                await self._delete(name)
        elif name in self._dead:
            age = datetime.datetime.now(datetime.UTC) - self._dead[name]
            if node and age.total_seconds() >= self._options.killed_node_delete_s:
                await self._delete(name)
        elif node is None:
            await self._register(spec)
        else:
            await self._maintain(spec, node)

    async def _register(self, spec: nodes.NodeSpec) -> None:
        try:
            node = await self._api.call("POST", "/api/v1/nodes", body=nodes.node_object(spec, records.now()))
        except api.ApiError as error:
            if error.status != api.CONFLICT:
                raise
            return
        log.info("registered node %s at %s", spec.name, spec.address)
        self._reported[spec.name] = time.monotonic()
        await self._renew(spec.name, node["metadata"]["uid"])

    async def _maintain(self, spec: nodes.NodeSpec, node: api.Json) -> None:
        """Heartbeats of a living node, and its labels, taints and status where they differ."""
        metadata = node["metadata"]
        if time.monotonic() - self._leased.get(spec.name, 0.0) >= self._options.heartbeat_s:
            await self._renew(spec.name, metadata["uid"])
        labels = nodes.node_labels(spec)
        present = (node["spec"].get("taints")) or []
        taints = nodes.merged_taints(present, spec.taints)
        patch: api.Json = {"metadata": {"annotations": {nodes.OWN_ANNOTATION: "true"}, "labels": labels}}
        same_labels = labels.items() <= (metadata.get("labels") or {}).items()
        same_taints = all(taint in present for taint in taints)
        if not same_taints:
            # The list is replaced as a whole, so nobody may have written it since it was read.
            patch["metadata"]["resourceVersion"] = metadata["resourceVersion"]
            patch["spec"] = {"taints": taints}
        if not (same_labels and same_taints and nodes.OWN_ANNOTATION in (metadata.get("annotations") or {})):
            await self._api.call("PATCH", f"/api/v1/nodes/{spec.name}", body=patch, content_type=api.MERGE_PATCH)
        stale = time.monotonic() - self._reported.get(spec.name, 0.0) >= STATUS_PERIOD_S
        if stale or nodes.needs_status(spec, node):
            body = {"status": nodes.node_status(spec, node, records.now())}
            path = f"/api/v1/nodes/{spec.name}/status"
            await self._api.call("PATCH", path, body=body, content_type=api.STRATEGIC_PATCH)
            self._reported[spec.name] = time.monotonic()

    async def _renew(self, name: str, uid: str) -> None:
        body = {"spec": nodes.lease_spec(name)}
        path = f"{nodes.NODE_LEASES}/{name}"
        try:
            await self._api.call("PATCH", path, body=body, content_type=api.MERGE_PATCH)
        except api.ApiError as error:
            if error.status != api.NOT_FOUND:
                raise
            await self._api.call("POST", nodes.NODE_LEASES, body=nodes.lease_object(name, uid))
        self._leased[name] = time.monotonic()

    async def _delete(self, name: str) -> None:
        """Delete a Node and the pods bound to it, whose processes are gone already."""
        await self._ignore_missing("DELETE", f"/api/v1/nodes/{name}")
        log.info("deleted node %s", name)
        for (namespace, pod_name), pod in list(self._pods.objects.items()):
            if pod["spec"].get("nodeName") == name:
                body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
                await self._ignore_missing("DELETE", api.namespaced("pods", namespace, pod_name), body)

    async def _ignore_missing(self, method: str, path: str, body: api.Json | None = None) -> None:
        try:
            await self._api.call(method, path, body=body)
        except api.ApiError as error:
            if error.status not in {api.NOT_FOUND, api.CONFLICT}:
                raise
