"""Which pods run: one worker for each pod that is bound to a living node of the agent."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping

from tenbin_local.agent import api, nodes, pod_folder, reflector
from tenbin_local.agent.host import Host
from tenbin_local.agent.pod_worker import PodWorker

log = logging.getLogger(__name__)

LOG_CHECK_S = 10.0
SHUT_DOWN_GRACE_S = 3.0
"""What processes get between SIGTERM and SIGKILL when the agent ends."""


class Pods:
    """Starts, feeds and abandons workers as pods and nodes come and go."""

    def __init__(self, host: Host, store: reflector.Reflector) -> None:
        self._host = host
        self._store = store
        self._workers: dict[reflector.Key, PodWorker] = {}
        self._alive: Mapping[str, nodes.NodeSpec] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._running = False
        store.observe(self._pod_changed)
        host.config_maps.observe(lambda key, _: self._object_changed("configMap", key))
        host.secrets.observe(lambda key, _: self._object_changed("secret", key))

    async def run(self) -> None:
        """Start workers once everything that they need is known; bound their logs until cancelled."""
        for needed in (self._store, self._host.config_maps, self._host.secrets):
            await needed.synced.wait()
        self._recover_folders()
        self._running = True
        for key, pod in list(self._store.objects.items()):
            self._pod_changed(key, pod)
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            for worker in self._workers.values():
                worker.bound_logs(self._host.options.log_limit_bytes)

    def nodes_changed(self, alive: Mapping[str, nodes.NodeSpec]) -> None:
        """These nodes live now: pods of others lose their processes, pods of new ones start."""
        self._alive = alive
        for key, worker in list(self._workers.items()):
            node = alive.get(worker.view.node.name)
            if node is None:
                del self._workers[key]
                self._leave(worker)
            else:
                worker.view.node = node
        if self._running:
            for key, pod in list(self._store.objects.items()):
                if key not in self._workers:
                    self._pod_changed(key, pod)

    async def shut_down(self) -> None:
        """End all processes; the API objects stay as they are."""
        self._running = False
        workers = [*self._workers.values()]
        await asyncio.gather(*(worker.shut_down(SHUT_DOWN_GRACE_S) for worker in workers), *self._leaving)

    def _leave(self, worker: PodWorker) -> None:
        worker.kill()
        task = asyncio.create_task(worker.abandon())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _pod_changed(self, key: reflector.Key, pod: api.Json | None) -> None:
        if not self._running:
            return
        worker = self._workers.get(key)
        if worker and (pod is None or pod["metadata"]["uid"] != worker.uid):
            del self._workers[key]
            worker.vanished()
            worker = None
        elif pod is None:
            self._remove_folders(key)
        if pod is None:
            return
        if worker:
            worker.update(pod)
            return
        node = self._alive.get(pod["spec"].get("nodeName", ""))
        if node:
            self._workers[key] = PodWorker(pod, node, self._host)
            self._workers[key].start()

    def _object_changed(self, kind: str, key: reflector.Key) -> None:
        namespace, name = key
        for (pod_namespace, _), worker in self._workers.items():
            if pod_namespace == namespace:
                worker.object_changed(kind, name)

    def _remove_folders(self, key: reflector.Key) -> None:
        """A pod that had no worker, since its node is dead, is gone."""
        namespace, name = key
        for entry in self._host.environment.pods.glob(f"{namespace}_{name}_*"):
            if address := pod_folder.read_address(entry):
                self._host.given.release(address)
            shutil.rmtree(entry, ignore_errors=True)

    def _recover_folders(self) -> None:
        """Keep the folders and addresses of the pods that are still there; remove the others."""
        uids = {pod["metadata"]["uid"] for pod in self._store.objects.values()}
        folder = self._host.environment.pods
        for entry in folder.iterdir() if folder.exists() else ():
            if pod_folder.uid(entry) not in uids:
                shutil.rmtree(entry, ignore_errors=True)
            elif address := pod_folder.read_address(entry):
                self._host.given.reserve(address)
