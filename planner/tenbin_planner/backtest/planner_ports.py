"""The planner's ports on a world in virtual time: what production has a cluster for."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import ports
from tenbin_planner.backtest import world as worlds
from tenbin_planner.decide import capacity, drain, outlook
from tenbin_planner.decide import memory as memories
from tenbin_planner.decide.observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenbin_spec.document import Document
    from tenbin_spec.profiles import EngineProfile
    from tenbin_spec.reasons import Reason

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.world import World


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reasoned:
    """What the planner wanted from an instant on, and why."""

    at_s: float
    subject: str
    """A service or a workload."""
    wanted: int
    reason: Reason
    detail: str


class PlannerPorts:
    """All ports of the loop: it observes a world, acts on it, remembers and explains."""

    is_leader = True

    def __init__(self, world: World, hears: Callable[[ports.Tick], object] | None = None) -> None:
        """Take a world, and who hears of each tick; a planner that had watched the world's history remembers it."""
        self._world = world
        self._hears = hears
        self._memory = remembered(world.scenario)
        self._said: dict[str, tuple[int, str]] = {}
        self.reasons: list[Reasoned] = []
        """Each count and main reason that differs from the one before."""
        self.failures: list[tuple[float, str, Exception]] = []
        """Steps of the loop that failed: when, which and why."""

    def now(self) -> float:
        """Return seconds of the planner's clock."""
        return worlds.EPOCH_S + self._world.now_s

    async def observe(self) -> ports.Scene:
        """Return the world now."""
        seen = Observation(
            at=self.now(),
            gateway=self._world.observed_demand(),
            workloads={item.name: self._world.state(item.name) for item in self._world.document.workloads},
            lengths=self._world.observed_lengths(),
        )
        return ports.Scene(document=self._world.document, document_problem=None, observation=seen)

    async def capacities(
        self, document: Document, wanted: Mapping[str, capacity.Traffic]
    ) -> Mapping[str, capacity.FleetCapacity]:
        """Return capacities by workload; they are known at once."""
        return {
            item.name: _capacity(item.profile, wanted[item.name])
            for item in document.workloads
            if item.profile is not None and item.name in wanted
        }

    async def carry_out(self, order: drain.Order) -> None:
        """Carry out one order."""
        match order:
            case drain.Mark():
                self._world.mark(order.replica)
            case drain.Unmark():
                self._world.unmark(order.replica)
            case drain.Scale():
                self._world.scale(order.workload, order.wanted)

    async def load(self) -> memories.Memory | None:
        """Return what was saved last."""
        return self._memory

    async def save(self, memory: memories.Memory) -> None:
        """Save."""
        self._memory = memory

    def record(self, tick: ports.Tick) -> None:
        """Take note of what is wanted and why, where it changes."""
        plan = tick.plan
        if self._hears is not None:
            self._hears(tick)
        for service in plan.services:
            because = service.because[0]
            self._say(service.name, service.planned, because.reason, because.detail)
        for workload in plan.workloads:
            self._say(workload.name, workload.wanted, workload.because.reason, workload.because.detail)

    def step(self, name: str, _seconds: float, error: Exception | None) -> None:
        """Take note of a step that failed."""
        if error is not None:
            self.failures.append((self._world.now_s, name, error))

    def _say(self, subject: str, wanted: int, reason: Reason, detail: str) -> None:
        if self._said.get(subject) != (wanted, reason):
            self._said[subject] = (wanted, reason)
            self.reasons.append(
                Reasoned(at_s=self._world.now_s, subject=subject, wanted=wanted, reason=reason, detail=detail)
            )


def remembered(given: Scenario) -> memories.Memory | None:
    """Return what a planner that has watched a scenario's history remembers; None without a history."""
    services = {}
    for service, trace in sorted(given.history.items()):
        seconds = int(np.floor(trace.duration_s)) + 1
        counts = np.bincount(trace.arrival_s.astype(np.int64), minlength=seconds).astype(np.float64)
        services[service] = memories.ServiceMemory(demand=outlook.from_history(counts, ends_at=worlds.EPOCH_S))
    return memories.Memory(services=services) if services else None


@functools.lru_cache(maxsize=256)
def _capacity(profile: EngineProfile, traffic: capacity.Traffic) -> capacity.FleetCapacity:
    return capacity.fleet_capacity(profile, traffic)
