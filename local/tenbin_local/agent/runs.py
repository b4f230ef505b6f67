"""One run of a container: its process with its probes and lifecycle hooks, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from tenbin_local import images
from tenbin_local.agent import api, handlers, logs, probes, processes, variables

MIN_GRACE_S = 2.0
"""What is left for SIGTERM after a preStop hook that used up the grace period, as in a kubelet."""
POST_START_TIMEOUT_S = 120.0


class Pod(Protocol):
    """What a container needs of its pod."""

    @property
    def folder(self) -> Path:
        """The pod's folder."""

    @property
    def address(self) -> str:
        """The pod's address."""

    @property
    def restart_policy(self) -> str:
        """Always, OnFailure or Never."""

    @property
    def grace_s(self) -> float:
        """Grace period for ending a container, in seconds."""

    @property
    def backoff_s(self) -> float:
        """First back-off of a restart, in seconds."""

    @property
    def images(self) -> dict[str, images.Image]:
        """The image table."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """HTTP client for probes and hooks."""

    def variables(self, container: api.Json) -> dict[str, str]:
        """Environment of a container; raises ConfigurationMissing."""

    def mounts(self, container: api.Json) -> dict[str, str]:
        """Real path by mount path."""

    def root(self, container: str) -> Path:
        """Folder that stands for `/` in a container."""

    def event(self, kind: str, reason: str, message: str, container: str) -> None:
        """Publish an event about a container."""


@dataclass(frozen=True, kw_only=True)
class Reports:
    """Whom a run tells what its probes find."""

    started: Callable[[], None]
    ready: Callable[[bool], None]


class Run:
    """A started container.

    Attributes:
        ending: Set once its end has been asked for: probes are silent from then on.
    """

    def __init__(self, spec: api.Json, pod: Pod, process: processes.Process, target: handlers.Target) -> None:
        self._spec = spec
        self._name: str = spec["name"]
        self._pod = pod
        self._process = process
        self._target = target
        self.ending = False

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.ended

    def kill(self) -> None:
        """SIGKILL, now."""
        self.ending = True
        self._process.signal(signal.SIGKILL)

    async def wait(self, reports: Reports | None) -> int:
        """Return code of the process, once it has ended; probes and hooks run until then where there are reports."""
        attending = asyncio.create_task(self._attend(reports)) if reports else None
        try:
            return await self._process.wait()
        finally:
            self._process.signal(signal.SIGKILL)
            if attending:
                attending.cancel()
                await asyncio.gather(attending, return_exceptions=True)

    async def end(self, grace_s: float, *, hooks: bool = True) -> None:
        """PreStop hook, SIGTERM, and SIGKILL when the grace period is over."""
        self.ending = True
        clock = asyncio.get_running_loop().time
        begun = clock()
        hook = self._hook("preStop") if hooks and grace_s > 0 else None
        if hook:
            outcome = await handlers.act(hook, self._target, timeout_s=grace_s)
            if not outcome.succeeded:
                self._warn("FailedPreStopHook", f"PreStopHook failed: {outcome.message}")
        left = grace_s - (clock() - begun)
        await self._process.end(max(left, MIN_GRACE_S) if hook else left)

    def _hook(self, moment: str) -> api.Json | None:
        return (self._spec.get("lifecycle") or {}).get(moment)

    def _warn(self, reason: str, message: str) -> None:
        self._pod.event("Warning", reason, message, self._name)

    async def _attend(self, reports: Reports) -> None:
        if hook := self._hook("postStart"):
            outcome = await handlers.act(hook, self._target, timeout_s=POST_START_TIMEOUT_S)
            if not outcome.succeeded:
                self._warn("FailedPostStartHook", f"PostStartHook failed: {outcome.message}")
                await self._process.end(MIN_GRACE_S)
                return
        kind = await self._first_fatal(reports)
        if not self.ending:
            message = f"Container {self._name} failed {kind.value.lower()} probe, will be restarted"
            self._pod.event("Normal", "Killing", message, self._name)
            reports.ready(False)
            probe = self._spec[kind.field]
            await self.end(float(probe.get("terminationGracePeriodSeconds") or self._pod.grace_s))

    async def _first_fatal(self, reports: Reports) -> probes.Kind:
        """Run the probes until one of them says that the container must be restarted."""
        fatal: asyncio.Future[probes.Kind] = asyncio.get_running_loop().create_future()

        def judge(kind: probes.Kind, passing: bool) -> None:
            if kind is probes.Kind.READINESS:
                reports.ready(passing and not self.ending)
            elif not passing and not fatal.done():
                fatal.set_result(kind)
            elif kind is probes.Kind.STARTUP:
                reports.started()

        def complain(kind: probes.Kind, message: str) -> None:
            if not self.ending:
                self._warn("Unhealthy", f"{kind.value} probe failed: {message}")

        prober = probes.Prober(
            container=self._spec,
            act=lambda action, timeout_s: handlers.act(action, self._target, timeout_s=timeout_s),
            verdict=judge,
            complain=complain,
        )
        probing = asyncio.create_task(prober.run())
        try:
            return await fatal
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing


def start(spec: api.Json, pod: Pod, image: images.Image) -> Run:
    """Start a container.

    Raises:
        ConfigurationMissing: Its environment needs something that is not there.
        StartError: Its command cannot be started.
    """
    name: str = spec["name"]
    environment = pod.variables(spec)
    mounts = pod.mounts(spec)
    folder = pod.root(name) / (spec.get("workingDir") or "").strip("/")

    def run(words: Sequence[str], output: int) -> processes.Process:
        argv = image.argv(variables.arguments(words, {}, mounts), ())
        return processes.start(argv, variables=environment, folder=folder, output=output)

    argv = image.argv(
        variables.arguments(spec.get("command"), environment, mounts),
        variables.arguments(spec.get("args"), environment, mounts),
    )
    message = f'Container image "{spec["image"]}" already present on machine'
    pod.event("Normal", "Pulled", message, name)
    try:
        with logs.open_log(pod.folder, name) as output:
            process = processes.start(argv, variables=environment, folder=folder, output=output.fileno())
    except OSError as error:
        raise processes.StartError(f"log of container {name}: {error}") from error
    target = handlers.Target(address=pod.address, ports=handlers.named_ports(spec), session=pod.session, run=run)
    return Run(spec, pod, process, target)
