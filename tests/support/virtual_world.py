"""A small cluster in virtual time behind the loop's ports.

Engines by the model, a least-request router, pods with a lead time, a bill: it shows what decisions lead to, minutes of
traffic within a second of real time.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from tenbin_planner import demand, loop, ports
from tenbin_planner.decide import capacity, drain, memory, observation
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_planner.model import stepwise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenbin_planner.model import fleet
    from tenbin_spec.document import Document, DocumentWorkload
    from tenbin_spec.profiles import EngineProfile

EPOCH = 1_000_000.0
"""Seconds at which virtual time begins."""
NOTICE_S = 1.0
"""Until the router knows of a mark."""
TOLD_S = 10.0
"""Between two times that the gateway says what still runs."""


@dataclasses.dataclass(kw_only=True, eq=False)
class Pod:
    """A replica."""

    name: str
    workload: DocumentWorkload
    engine: stepwise.Replica
    asked_s: float
    ready_s: float
    """Infinite while it finds no node."""
    marked_s: float = math.inf
    stopped_s: float = math.inf
    gone_s: float = math.inf

    def phase(self, now: float) -> observation.Phase:
        if self.stopped_s <= now:
            return observation.Phase.TERMINATING
        if self.marked_s <= now:
            return observation.Phase.DRAINING
        return observation.Phase.READY if self.ready_s <= now else observation.Phase.STARTING

    def takes(self, now: float) -> bool:
        return self.ready_s <= now < min(self.marked_s + NOTICE_S, self.stopped_s)


class World:
    """All ports but the recorder's are here; drive it with `run`."""

    def __init__(
        self, document: Document, arrivals: fleet.Arrivals, *, class_name: str, lead_s: Mapping[str, float]
    ) -> None:
        self.document = document
        self.now_s = 0.0
        self.is_leader = True
        self.saved: memory.Memory | None = None
        self.ticks: list[ports.Tick] = []
        self.failures: list[tuple[str, Exception]] = []
        self.pools_without_nodes: set[str] = set()
        self.is_blind = False
        self._arrivals = arrivals
        self._class = class_name
        self._lead_s = lead_s
        self._log = demand.DemandLog()
        self._log.configure({name: service.slo for name, service in document.services.items()})
        self._service = next(iter(document.services))
        self._pods: list[Pod] = []
        self._names = 0
        self._next_row = 0
        self._sequences: list[tuple[int, stepwise.Sequence | None]] = []
        self._unfinished: dict[int, stepwise.Sequence] = {}
        self._told_s = 0.0

    # --- ports
    def now(self) -> float:
        return EPOCH + self.now_s

    async def observe(self) -> ports.Scene:
        log = self._log.snapshot(self.now())
        if self.is_blind:
            log = dataclasses.replace(log, gateways={})
        seen = observation.Observation(
            at=self.now(),
            gateway=log,
            workloads={item.name: self._state(item.name) for item in self.document.workloads},
            lengths={},
        )
        return ports.Scene(document=self.document, document_problem=None, observation=seen)

    async def capacities(
        self, document: Document, wanted: Mapping[str, capacity.Traffic]
    ) -> Mapping[str, capacity.FleetCapacity]:
        profiles = {item.name: item.profile for item in document.workloads if item.profile is not None}
        return {name: _capacity(profiles[name], traffic) for name, traffic in wanted.items()}

    async def carry_out(self, order: drain.Order) -> None:
        match order:
            case drain.Mark():
                self._pod(order.replica).marked_s = self.now_s
            case drain.Unmark():
                self._pod(order.replica).marked_s = math.inf
            case drain.Scale():
                self._scale(order.workload, order.wanted)

    async def load(self) -> memory.Memory | None:
        return None if self.saved is None else memory.from_plain(self.saved.to_plain())

    async def save(self, remembered: memory.Memory) -> None:
        self.saved = remembered

    def record(self, tick: ports.Tick) -> None:
        self.ticks.append(tick)

    def step(self, name: str, _seconds: float, error: Exception | None) -> None:
        if error is not None:
            self.failures.append((name, error))

    # --- the cluster
    def start(self, counts: Mapping[str, int]) -> None:
        """Have replicas ready from the beginning."""
        for workload, count in counts.items():
            self._scale(workload, count)
        for pod in self._pods:
            pod.ready_s = 0.0

    def new_loop(self, recipe: Recipe = FULL) -> loop.Loop:
        return loop.Loop(
            observer=self,
            modeller=self,
            actuator=self,
            store=self,
            leadership=self,
            recorder=self,
            clock=self,
            recipe=recipe,
        )

    def run(self, until_s: float, planner: loop.Loop | None, *, interval_s: float) -> None:
        """Go on until `until_s`, with a tick of the planner each `interval_s`; without a planner counts stay."""
        next_tick = self.now_s
        while self.now_s < until_s:
            if planner is not None and self.now_s >= next_tick:
                asyncio.run(planner.tick())
                next_tick += interval_s
            self._advance(min(self.now_s + 0.25, until_s))

    def ready(self) -> int:
        return sum(pod.takes(self.now_s) for pod in self._pods)

    def told(self, workload: str) -> int:
        return sum(pod.workload.name == workload and pod.stopped_s == math.inf for pod in self._pods)

    def _advance(self, to_s: float) -> None:
        for row in self._rows_until(to_s):
            self._arrive(row)
        self.now_s = to_s
        for pod in self._pods:
            self._drive(pod, to_s)
        for row in [row for row, sequence in self._unfinished.items() if sequence.finished]:
            self._finish(row, self._unfinished.pop(row))
        for pod in self._pods:
            if pod.stopped_s <= to_s and pod.engine.in_flight == 0:
                pod.gone_s = min(pod.gone_s, to_s)
        self._log.heard("gateway", at=EPOCH + to_s)
        if to_s - self._told_s >= TOLD_S:
            self._tell_of_running()
            self._told_s = to_s

    def _tell_of_running(self) -> None:
        for row, sequence in self._unfinished.items():
            came_ms = float(self._arrivals.arrival_s[row]) * 1000
            self._log.running(
                demand.Running(
                    request=str(row),
                    service=self._service,
                    class_name=self._class,
                    is_streamed=True,
                    output_bytes=sequence.emitted * 230,
                    age_ms=self.now_s * 1000 - came_ms,
                    ttft_ms=sequence.first_token_ms - came_ms if sequence.emitted else None,
                ),
                at=self.now(),
            )

    def _rows_until(self, to_s: float) -> Iterator[int]:
        while self._next_row < len(self._arrivals) and self._arrivals.arrival_s[self._next_row] < to_s:
            yield self._next_row
            self._next_row += 1

    def _arrive(self, row: int) -> None:
        at = float(self._arrivals.arrival_s[row])
        self._log.started(
            demand.Started(request=str(row), service=self._service, class_name=self._class), at=EPOCH + at
        )
        ready = [pod for pod in self._pods if pod.takes(at)]
        if not ready:
            self._sequences.append((row, None))
            self._end(row, demand.Outcome.FAILED, at)
            return
        for pod in ready:
            self._drive(pod, at)
        pod = min(ready, key=lambda item: (item.engine.in_flight, item.name))
        request = stepwise.Request(
            id=row,
            arrival_ms=at * 1000,
            input_tokens=int(self._arrivals.input_tokens[row]),
            output_tokens=int(self._arrivals.output_tokens[row]),
        )
        sequence = pod.engine.add(request)
        self._sequences.append((row, sequence))
        if sequence is not None:
            self._unfinished[row] = sequence

    @staticmethod
    def _drive(pod: Pod, to_s: float) -> None:
        while pod.engine.next_ms < to_s * 1000:
            pod.engine.step()

    def _finish(self, row: int, sequence: stepwise.Sequence) -> None:
        at = float(self._arrivals.arrival_s[row])
        self._end(
            row,
            demand.Outcome.ANSWERED,
            sequence.last_token_ms / 1000,
            ttft_ms=sequence.first_token_ms - at * 1000,
            e2e_ms=sequence.last_token_ms - at * 1000,
            tokens=sequence.emitted,
        )

    def _end(
        self,
        row: int,
        outcome: demand.Outcome,
        at: float,
        *,
        ttft_ms: float | None = None,
        e2e_ms: float | None = None,
        tokens: int = 0,
    ) -> None:
        self._log.ended(
            demand.Ended(
                request=str(row),
                service=self._service,
                class_name=self._class,
                outcome=outcome,
                ttft_ms=ttft_ms,
                e2e_ms=e2e_ms,
                is_streamed=True,
                output_bytes=tokens * 230,
                output_tokens=tokens or None,
            ),
            at=EPOCH + at,
        )

    def _scale(self, name: str, wanted: int) -> None:
        workload = next(item for item in self.document.workloads if item.name == name)
        own = [pod for pod in self._pods if pod.workload.name == name and pod.stopped_s == math.inf]
        has_nodes = workload.pool not in self.pools_without_nodes
        for _ in range(wanted - len(own)):
            self._names += 1
            assert workload.profile is not None
            self._pods.append(
                Pod(
                    name=f"{name}-{self._names:03d}",
                    workload=workload,
                    engine=stepwise.Replica(workload.profile),
                    asked_s=self.now_s,
                    ready_s=self.now_s + self._lead_s[workload.pool] if has_nodes else math.inf,
                )
            )
        order = (observation.Phase.STARTING, observation.Phase.DRAINING, observation.Phase.READY)
        own.sort(key=lambda pod: (order.index(pod.phase(self.now_s)), pod.name))
        for pod in own[: max(0, len(own) - wanted)]:
            pod.stopped_s = self.now_s
            if pod.ready_s > self.now_s:
                pod.gone_s = self.now_s

    def _pod(self, name: str) -> Pod:
        return next(pod for pod in self._pods if pod.name == name)

    def _state(self, name: str) -> observation.WorkloadState:
        now = self.now_s
        own = [pod for pod in self._pods if pod.workload.name == name and pod.gone_s > now]
        return observation.WorkloadState(
            name=name,
            wanted=self.told(name),
            replicas=tuple(
                observation.ReplicaState(
                    name=pod.name,
                    phase=pod.phase(now),
                    since_s=now - (pod.marked_s if pod.marked_s <= now else pod.asked_s),
                    is_scheduled=pod.ready_s < math.inf,
                    engine=observation.EngineReading(
                        running=float(pod.engine.running),
                        waiting=float(pod.engine.waiting),
                        kv_usage=pod.engine.kv_usage,
                    ),
                )
                for pod in own
            ),
        )

    # --- what came of it
    def usd(self, until_s: float) -> float:
        return sum(
            max(0.0, min(pod.gone_s, until_s) - pod.asked_s) / 3600 * float(pod.workload.hourly_usd or 0)
            for pod in self._pods
            if pod.ready_s < math.inf
        )

    def usd_per_hour(self, at_s: float) -> float:
        """Return what all pods that exist at a moment cost per hour."""
        return sum(
            float(pod.workload.hourly_usd or 0)
            for pod in self._pods
            if pod.asked_s <= at_s < pod.gone_s and pod.ready_s < math.inf
        )

    def good(self) -> np.ndarray:
        objective = self.document.services[self._service].slo.classes[self._class]
        result = []
        for row, sequence in self._sequences:
            if sequence is None or not sequence.finished:
                result.append(False)
                continue
            at = float(self._arrivals.arrival_s[row]) * 1000
            ttft, e2e = sequence.first_token_ms - at, sequence.last_token_ms - at
            tokens = sequence.emitted
            tpot = (e2e - ttft) / (tokens - 1) if tokens > 1 else None
            result.append(objective.is_good(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=e2e))
        return np.array(result)


_CAPACITIES: dict[tuple[str, capacity.Traffic], capacity.FleetCapacity] = {}


def _capacity(profile: EngineProfile, traffic: capacity.Traffic) -> capacity.FleetCapacity:
    key = (profile.model_dump_json(), traffic)
    if key not in _CAPACITIES:
        _CAPACITIES[key] = capacity.fleet_capacity(profile, traffic)
    return _CAPACITIES[key]
