"""One container: its runs, one after the other, with a kubelet's restart policy, back-off and report."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import uuid
from collections.abc import Callable

from tenbin_local import images
from tenbin_local.agent import api, logs, processes, records, runs, variables

BACKOFF_CAP_FACTOR = 30
"""The longest back-off is this many times the first: a kubelet goes from 10 s to 300 s."""
RETRY_S = 2.0
"""Between two looks for a missing ConfigMap or Secret."""
NEVER, ON_FAILURE = "Never", "OnFailure"


def backoff_s(crashes: int, base_s: float) -> float:
    """Seconds from the end of a container to its next start.

    Args:
        crashes: How often it ended since it last ran well, this time not counted: the first restart comes at once.
        base_s: Wait before the second restart; doubles with each further one, up to 30 times itself.
    """
    if crashes <= 0:
        return 0.0
    # The exponent is bounded first: 2 to the number of crashes need not fit a float.
    return min(base_s * BACKOFF_CAP_FACTOR, base_s * 2.0 ** min(crashes - 1, 10))


def wants_restart(policy: str, ended: records.Terminated) -> bool:
    """Whether a container that ended is to be run again."""
    return policy != NEVER and not (policy == ON_FAILURE and ended.succeeded)


class Container:
    """Runs one container until it need not run again or is told to stop.

    Attributes:
        record: What is reported of it; `changed` is called after each change.
    """

    def __init__(
        self, spec: api.Json, pod: runs.Pod, *, record: records.Record, changed: Callable[[], None], init: bool = False
    ) -> None:
        self.name: str = spec["name"]
        self.record = record
        self._spec = spec
        self._pod = pod
        self._changed = changed
        self._init = init
        # An init container of a pod that always restarts is done once it has succeeded.
        self._policy = ON_FAILURE if init and pod.restart_policy != NEVER else pod.restart_policy
        self._run: runs.Run | None = None
        self._stopping = asyncio.Event()
        self._crashes = 0
        self._ended = record.state if isinstance(record.state, records.Terminated) else None

    @property
    def succeeded(self) -> bool:
        """Whether its last run has ended well."""
        return isinstance(self.record.state, records.Terminated) and self.record.state.succeeded

    async def run(self) -> None:
        """Run, restart with back-off, return when done for good."""
        while not self._stopping.is_set():
            if self._ended:
                if not wants_restart(self._policy, self._ended):
                    return
                await self._back_off(self._ended)
            await self._run_once()

    async def stop(self, grace_s: float, *, cut: asyncio.Event) -> None:
        """End the container gracefully.

        Args:
            grace_s: Grace period in seconds.
            cut: Ends the grace period at once when set.
        """
        self._stopping.set()
        self._update(ready=False)
        run = self._run
        if run is None or run.ended:
            return
        self._pod.event("Normal", "Killing", f"Stopping container {self.name}", self.name)
        # A failed liveness probe may have begun to end it: the hook has run then.
        ending = asyncio.create_task(run.end(grace_s, hooks=not run.ending))
        cutting = asyncio.create_task(cut.wait())
        try:
            await asyncio.wait({ending, cutting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            run.kill()
            ending.cancel()
            cutting.cancel()
            await asyncio.gather(ending, cutting, return_exceptions=True)

    async def terminate(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL when the grace period is over; no hooks and no events."""
        self._stopping.set()
        if self._run:
            await self._run.end(grace_s, hooks=False)

    def kill(self) -> None:
        """SIGKILL, now."""
        self._stopping.set()
        if self._run:
            self._run.kill()

    def show_waiting(self, state: records.Waiting) -> None:
        """Report why the container has not been started yet; one that has run before keeps its report."""
        if isinstance(self.record.state, records.Waiting):
            self._update(state=state)

    def bound_log(self, limit_bytes: int) -> None:
        """Rotate the log where it is longer than the limit."""
        logs.bound(self._pod.folder, self.name, limit_bytes)

    def _update(self, **changes: object) -> None:
        record = dataclasses.replace(self.record, **changes)  # type: ignore[arg-type]
        if record != self.record:
            self.record = record
            self._changed()

    def _wait_as(self, reason: str, message: str) -> None:
        state = records.Waiting(reason=reason, message=message)
        self._update(state=state, last=self._ended or self.record.last, ready=False, started=False)

    async def _back_off(self, ended: records.Terminated) -> None:
        """Wait as long as the container's history asks for, as CrashLoopBackOff."""
        base_s = self._pod.backoff_s
        ran_s = (ended.finished_at - ended.started_at).total_seconds() if ended.started_at else 0.0
        if ended.reason == records.LOST or ran_s > 2 * BACKOFF_CAP_FACTOR * base_s:
            self._crashes = 0
        delay_s = backoff_s(self._crashes, base_s)
        self._crashes += 1
        left_s = delay_s - (datetime.datetime.now(datetime.UTC) - ended.finished_at).total_seconds()
        if delay_s and left_s > 0:
            self._wait_as("CrashLoopBackOff", f"back-off {delay_s:g}s restarting failed container={self.name}")
            self._pod.event("Warning", "BackOff", f"Back-off restarting failed container {self.name}", self.name)
            await api.pause(left_s, self._stopping)

    async def _run_once(self) -> None:
        """One run: start the process, attend to it, see it end."""
        run = await self._start()
        if run is None:
            return
        self._run = run
        started_at = records.now()
        container_id = f"local://{uuid.uuid4().hex}"
        self._count_restart(records.Running(started_at=started_at), container_id)
        self._pod.event("Normal", "Started", f"Started container {self.name}", self.name)
        reports = runs.Reports(
            started=lambda: self._update(started=True),
            ready=lambda ready: self._update(ready=ready and not self._stopping.is_set()),
        )
        code = await run.wait(None if self._init else reports)
        policy = self._spec.get("terminationMessagePolicy")
        self._ended = records.Terminated.from_return_code(
            code,
            started_at=started_at,
            finished_at=records.now(),
            message=logs.tail(self._pod.folder, self.name) if code and policy == "FallbackToLogsOnError" else "",
            container_id=container_id,
        )
        self._update(state=self._ended, ready=self._init and self._ended.succeeded, started=False)

    def _count_restart(self, state: records.State, container_id: str = "") -> None:
        self._update(
            state=state,
            last=self._ended or self.record.last,
            restart_count=self.record.restart_count + (1 if self._ended else 0),
            ready=False,
            started=False,
            container_id=container_id or self.record.container_id,
        )

    async def _start(self) -> runs.Run | None:
        """Start a run; None after the container has been told to stop, or could not be started."""
        image = images.find_image(self._spec["image"], self._pod.images)
        if image is None:
            await self._refuse_image()
            return None
        while not self._stopping.is_set():
            try:
                return runs.start(self._spec, self._pod, image)
            except variables.ConfigurationMissing as error:
                self._wait_as("CreateContainerConfigError", str(error))
                self._pod.event("Warning", "Failed", f"Error: {error}", self.name)
                await api.pause(RETRY_S, self._stopping)
            except processes.StartError as error:
                self._pod.event("Warning", "Failed", f"Error: {error}", self.name)
                ended = records.Terminated(
                    exit_code=128,
                    reason="StartError",
                    message=str(error),
                    started_at=None,
                    finished_at=records.now(),
                )
                self._count_restart(ended)
                self._ended = ended
                return None
        return None

    async def _refuse_image(self) -> None:
        """Say that the image is unknown, as a kubelet says that it cannot be pulled, and wait for the end."""
        reference: str = self._spec["image"]
        message = images.unknown_image_message(reference, self._pod.images)
        self._wait_as("ErrImagePull", message)
        self._pod.event("Warning", "Failed", message, self.name)
        await api.pause(RETRY_S, self._stopping)
        self._wait_as("ImagePullBackOff", f'Back-off pulling image "{reference}": ErrImagePull: {message}')
        self._pod.event("Normal", "BackOff", f'Back-off pulling image "{reference}"', self.name)
        await self._stopping.wait()
