"""Startup, readiness and liveness probes of one running container, with a kubelet's counting and timing."""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tenbin_local.agent import api, handlers


class Kind(enum.StrEnum):
    """The three probes; the values begin a kubelet's messages."""

    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"

    @property
    def field(self) -> str:
        """Field of the container that declares the probe."""
        return f"{self.value.lower()}Probe"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Verdict of a probe so far.

    Attributes:
        passing: The verdict; it changes only after enough equal results in a row.
        run: Length of the present row of equal results.
        last: The result of that row.
    """

    passing: bool
    run: int = 0
    last: bool | None = None

    def after(self, *, succeeded: bool, success_threshold: int, failure_threshold: int) -> Tally:
        """The verdict after one more result."""
        run = self.run + 1 if succeeded == self.last else 1
        decisive = run >= (success_threshold if succeeded else failure_threshold)
        return Tally(passing=succeeded if decisive else self.passing, run=run, last=succeeded)


Verdict: TypeAlias = Callable[[Kind, bool], None]
Complaint: TypeAlias = Callable[[Kind, str], None]
Act: TypeAlias = Callable[[api.Json, float], Awaitable[handlers.Outcome]]


@dataclass(frozen=True, kw_only=True)
class Prober:
    """Runs the probes of one container from its start until it is cancelled.

    Attributes:
        act: Does an action within a time limit.
        verdict: Told of each verdict that differs from the one before (at first: not ready, not started, alive).
        complain: Told of each failed probe.
    """

    container: api.Json
    act: Act
    verdict: Verdict
    complain: Complaint

    async def run(self) -> None:
        """Startup probe first; then readiness and liveness side by side."""
        begun = asyncio.get_running_loop().time()
        if Kind.STARTUP.field in self.container:
            await self._watch(Kind.STARTUP, begun, until_passing=True)
        else:
            self.verdict(Kind.STARTUP, True)
        if Kind.READINESS.field not in self.container:
            self.verdict(Kind.READINESS, True)
        async with asyncio.TaskGroup() as group:
            for kind in (Kind.READINESS, Kind.LIVENESS):
                if kind.field in self.container:
                    group.create_task(self._watch(kind, begun))

    async def _watch(self, kind: Kind, begun: float, *, until_passing: bool = False) -> None:
        probe = self.container[kind.field]
        clock = asyncio.get_running_loop().time
        period_s = float(probe.get("periodSeconds") or 10)
        failure_threshold = int(probe.get("failureThreshold") or 3)
        tally = Tally(passing=kind is Kind.LIVENESS)
        failed = False
        await asyncio.sleep(max(0.0, begun + float(probe.get("initialDelaySeconds") or 0) - clock()))
        # Pods that start together must not be probed together for ever; readiness is not delayed by that.
        due = clock() + (0.0 if kind is Kind.READINESS else random.uniform(0, min(1.0, period_s / 2)))  # noqa: S311
        while True:
            await asyncio.sleep(max(0.0, due - clock()))
            due = max(due + period_s, clock())
            outcome = await self.act(probe, float(probe.get("timeoutSeconds") or 1))
            if not outcome.succeeded:
                self.complain(kind, outcome.message)
            before = tally.passing
            tally = tally.after(
                succeeded=outcome.succeeded,
                success_threshold=int(probe.get("successThreshold") or 1),
                failure_threshold=failure_threshold,
            )
            if tally.passing != before:
                self.verdict(kind, tally.passing)
            if until_passing and tally.passing:
                return
            if kind is Kind.STARTUP and not failed and tally.last is False and tally.run >= failure_threshold:
                failed = True
                self.verdict(kind, False)
