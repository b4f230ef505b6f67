"""One pod, from its binding to its deletion, driven as a kubelet drives it.

The worker is level-triggered: it is given the pod's latest state and asked for nothing else. Its status is computed
from the containers' records whenever one of them changes.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import shutil

from tenbin_local import errors
from tenbin_local.agent import (
    api,
    containers,
    nodes,
    pod_folder,
    publisher,
    records,
    status,
    unimplemented,
    variables,
    volumes,
)
from tenbin_local.agent.host import Host
from tenbin_local.agent.pod_view import PodView

log = logging.getLogger(__name__)

FINISHED = ("Succeeded", "Failed")
REFUSAL_REASON = "UnimplementedField"
RETRY_S = 1.0


class PodWorker:
    """Runs one pod.

    Attributes:
        view: The pod as its containers see it.
    """

    def __init__(self, pod: api.Json, node: nodes.NodeSpec, host: Host) -> None:
        self.view = PodView(pod, node, host)
        self.uid: str = pod["metadata"]["uid"]
        self._host = host
        self._volumes: volumes.Volumes | None = None
        self._prepared = False
        self._finishing = False
        self._gone = False
        self._deleting = asyncio.Event()
        self._cut = asyncio.Event()
        self._refusal: status.Refusal | None = None
        before = pod.get("status") or {}
        self._finished_before = before.get("phase") in FINISHED
        self._start_time = records.parse_time(before["startTime"]) if before.get("startTime") else records.now()
        self._conditions = status.own_conditions(pod)
        self._publisher = publisher.Publisher(host.connection, pod, self._compute)
        self._init = self._containers("initContainers", "initContainerStatuses")
        self._main = self._containers("containers", "containerStatuses")
        self._task: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._runs: list[asyncio.Task[None]] = []
        if pod["metadata"].get("deletionTimestamp"):
            self._deleting.set()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._guarded(), name=f"pod {self.view.name}")

    def update(self, pod: api.Json) -> None:
        """The pod has a new state."""
        before, grace_before = self.view.pod, self.view.grace_s
        self.view.pod = pod
        if self._volumes:
            self._volumes.pod = pod
            if any(before["metadata"].get(field) != pod["metadata"].get(field) for field in ("labels", "annotations")):
                self._volumes.changed.set()
        if self._deleting.is_set() and self.view.grace_s < grace_before:
            # Deleted again, with a shorter grace period.
            asyncio.get_running_loop().call_later(self.view.grace_s, self._cut.set)
        if pod["metadata"].get("deletionTimestamp"):
            self._deleting.set()
        if not self._finished_before:
            if not status.agree(status.own_conditions(pod), self._conditions):
                # Somebody else wrote them: the node controller does while a node seems lost.
                self._publisher.forget()
            self._publisher.mark()

    def object_changed(self, kind: str, name: str) -> None:
        """A ConfigMap (`configMap`) or Secret (`secret`) of the pod's namespace has changed."""
        if self._volumes and name in self._volumes.names(kind):
            self._volumes.changed.set()

    def vanished(self) -> None:
        """The pod is no longer in the API: its processes end at once."""
        self._gone = True
        self.kill()
        self._cut.set()
        self._deleting.set()

    async def abandon(self) -> None:
        """The node is dead: kill the processes and say nothing to anybody; the pod's folder stays."""
        self.kill()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def shut_down(self, grace_s: float) -> None:
        """The agent ends: end the processes within a short time and without hooks, and leave the API alone."""
        if self._publishing:
            self._publishing.cancel()
        await asyncio.gather(*(container.terminate(grace_s) for container in self._all()))
        await self.abandon()

    def bound_logs(self, limit_bytes: int) -> None:
        """Rotate logs that are too long."""
        for container in self._all():
            container.bound_log(limit_bytes)

    def _containers(self, field: str, status_field: str) -> list[containers.Container]:
        pod = self.view.pod
        statuses = {entry["name"]: entry for entry in (pod.get("status") or {}).get(status_field) or []}
        return [
            containers.Container(
                spec,
                self.view,
                record=records.recover(spec, statuses.get(spec["name"]), finished_at=records.now()),
                changed=self._publisher.mark,
                init=field == "initContainers",
            )
            for spec in pod["spec"].get(field) or []
        ]

    def _all(self) -> list[containers.Container]:
        return [*self._init, *self._main]

    def kill(self) -> None:
        """SIGKILL all processes, now."""
        for container in self._all():
            container.kill()

    def _show_waiting(self, state: records.Waiting) -> None:
        for container in self._all():
            container.show_waiting(state)

    def _compute(self) -> api.Json:
        result = status.pod_status(
            status.Facts(
                pod=self.view.pod,
                conditions=self._conditions,
                init=[container.record for container in self._init],
                containers=[container.record for container in self._main],
                address=self.view.address or None,
                host_address=self.view.node.address,
                start_time=self._start_time,
                now=records.now(),
                prepared=self._prepared,
                refusal=self._refusal,
                finishing=self._finishing,
            )
        )
        self._conditions = result["conditions"]
        return result

    async def _guarded(self) -> None:
        try:
            await self._life()
        except Exception:
            # A fault in one pod must not end all others.
            log.exception("pod %s", self.view.name)
            self.kill()

    async def _life(self) -> None:
        """Run, wait for the deletion, terminate, delete."""
        self._publishing = asyncio.create_task(self._publisher.run())
        living = asyncio.create_task(self._live())
        deleting = asyncio.create_task(self._deleting.wait())
        try:
            await asyncio.wait({living, deleting}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
            await deleting
            await self._terminate()
            if not self._gone:
                await self._delete()
            if self.view.address:
                self._host.given.release(self.view.address)
            shutil.rmtree(self.view.folder, ignore_errors=True)
        finally:
            tasks = [self._publishing, living, deleting, *self._runs]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self) -> None:
        """Everything up to the end of all containers."""
        if self._finished_before or self._deleting.is_set():
            return
        self._publisher.mark()
        if await self._is_refused():
            return
        prepared = await self._prepare()
        keeping = asyncio.create_task(prepared.keep_up())
        try:
            await self._wait_for_node()
            for container in self._init:
                await self._run(container)
                if self._deleting.is_set() or not container.succeeded:
                    return
            for container in self._main:
                container.show_waiting(records.CREATING)
            await asyncio.gather(*(self._run(container) for container in self._main))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _run(self, container: containers.Container) -> None:
        task = asyncio.create_task(container.run())
        self._runs.append(task)
        await asyncio.shield(task)

    async def _is_refused(self) -> bool:
        """Fail the pod where it asks for something that the agent cannot do."""
        fields = unimplemented.unimplemented_fields(self.view.pod)
        if not fields:
            return False
        message = f"the local node agent does not implement {', '.join(fields)}"
        self._show_waiting(records.Waiting(reason=REFUSAL_REASON, message=message))
        self.view.event("Warning", REFUSAL_REASON, message)
        await asyncio.sleep(self._host.refusals.delay_s(self.view.pod))
        self._refusal = status.Refusal(reason=REFUSAL_REASON, message=message)
        self._publisher.mark()
        return True

    async def _prepare(self) -> volumes.Volumes:
        """Address and volumes; a missing object is waited for, as in a kubelet."""
        view = self.view
        if not view.address:
            view.address = self._host.given.allocate()
            pod_folder.write_address(view.folder, view.address)
        self._volumes = prepared = volumes.Volumes(
            pod=view.pod,
            folder=view.folder,
            placement=view.placement,
            lookup=self._host.objects_of(view.pod["metadata"]["namespace"]),
            tokens=volumes.Tokens(self._host.connection, view.pod),
        )
        while not self._prepared:
            prepared.changed.clear()
            try:
                await prepared.prepare()
                self._prepared = True
            except (variables.ConfigurationMissing, errors.LocalError, OSError) as error:
                self._show_waiting(records.Waiting(reason="ContainerCreating", message=str(error)))
                view.event("Warning", "FailedMount", f"MountVolume.SetUp failed: {error}")
                await api.pause(RETRY_S, prepared.changed)
        self._publisher.mark()
        return prepared

    async def _wait_for_node(self) -> None:
        """The simulated part of a lead time; over for good once a container has been started."""
        if any(container.record.container_id for container in self._all()):
            return
        ready_at = self.view.starts_at()
        left_s = (ready_at - datetime.datetime.now(datetime.UTC)).total_seconds()
        if self.view.node.start_delay_s and left_s > 0:
            what = (
                f"simulated node of pool {self.view.node.pool}: image and weights arrive at {records.stamp(ready_at)}"
            )
            self._show_waiting(records.Waiting(reason="ContainerCreating", message=what))
            await asyncio.sleep(left_s)
        self._show_waiting(records.INITIALIZING if self._init else records.CREATING)

    async def _terminate(self) -> None:
        """End all containers within the grace period and report their end."""
        if not self._finished_before:
            self._publisher.mark()
        grace_s = 0.0 if self._gone else self.view.grace_s
        await asyncio.gather(*(container.stop(grace_s, cut=self._cut) for container in self._all()))
        await asyncio.gather(*self._runs, return_exceptions=True)
        if not (self._gone or self._finished_before):
            self._finishing = True
            self._publisher.mark()
            await self._publisher.flush()

    async def _delete(self) -> None:
        """The last step of a graceful deletion: the object itself."""
        metadata = self.view.pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        while not self._gone:
            try:
                await self._host.connection.call(
                    "DELETE", api.namespaced("pods", metadata["namespace"], metadata["name"]), body=body
                )
            except api.ApiError as error:
                if error.status in {api.NOT_FOUND, api.CONFLICT}:
                    return
                log.warning("pod %s: %s", self.view.name, error)
                await asyncio.sleep(RETRY_S)
            else:
                return
