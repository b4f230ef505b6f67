"""A schedule sent through a trace: who starts when, who stops, what it costs, and who misses, minute by minute.

A replica is asked for a lead time before the minute that needs it. One that is not needed is stopped only when it would
be empty before its successor had to be asked for, and of all that serve the one goes whose requests end first; both
need foresight. `policies.clairvoyant` does the same in the world.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import minutes, searching
from tenbin_planner.model.lives import ReplicaLife
from tenbin_planner.model.results import Outcome
from tenbin_planner.model.simulation import FleetSimulation, Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.document import DocumentWorkload

    from tenbin_planner.backtest import scenario
    from tenbin_planner.model.results import FleetResult

LONGEST_S = 1800.0
"""Requests that came longer ago than this are taken to have ended when the next to stop is chosen."""

FIRST_TOKEN_MS = 20.0
"""Time per token that is taken while no answer has ended."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """What a schedule comes to when every start is on time."""

    attainment: float
    """Share of good requests of the class that binds."""
    usd: float
    """Bill."""
    usd_by_minute: NDArray[np.float64]
    """Of that, shape (minutes,)."""
    missed: NDArray[np.float64]
    """Requests that came in each minute and missed, shape (minutes,); those of a class count more the smaller its
    error budget, so that all of the error budgets together are (1 - target) * requests."""


def play(given: scenario.Scenario, service: str, counts: Mapping[str, NDArray[np.int64]]) -> Replay:
    """Send a service's trace through a schedule.

    Args:
        given: the scenario.
        service: whose.
        counts: replicas that serve, by workload and minute, each of shape (minutes,).
    """
    workloads = [item for item in given.workloads(service) if item.profile is not None]
    drive = _Drive(given, service, workloads)
    total = max((counts[item.name].size for item in workloads), default=0)
    changing = np.zeros(total, dtype=np.bool_)
    changing[:1] = True
    for item in workloads:
        changing[1:] |= np.diff(counts[item.name]) != 0
    held = False
    for minute in range(total):
        if changing[minute] or held:
            drive.advance(minute * minutes.STEP_S)
            held = sum(drive.bring(item, counts[item.name], minute) for item in workloads) > 0
    return drive.finish(total)


class _Drive:
    """A fleet on its way through the trace."""

    def __init__(self, given: scenario.Scenario, service: str, workloads: list[DocumentWorkload]) -> None:
        self._given, self._service = given, service
        self._arrivals = given.arrivals(service)
        self._workloads = workloads
        self._simulation = FleetSimulation(
            self._arrivals, [], Service(routing=given.routing, max_queued=given.max_queued)
        )
        self._serving: dict[str, list[int]] = {item.name: [] for item in workloads}
        self._owners: list[DocumentWorkload] = []
        self._ready_s: list[float] = []
        self._stop_s: list[float] = []

    def advance(self, to_s: float) -> None:
        self._simulation.advance(to_s)

    def bring(self, item: DocumentWorkload, counts: NDArray[np.int64], minute: int) -> int:
        """Bring a workload to its count, and return how many more it keeps."""
        now_s, serving = minute * minutes.STEP_S, self._serving[item.name]
        assert item.profile is not None  # noqa: S101 - others are left out
        for _ in range(int(counts[minute]) - len(serving)):
            serving.append(self._simulation.add(ReplicaLife(profile=item.profile, ready_s=now_s)))
            self._owners.append(item)
            self._ready_s.append(now_s)
            self._stop_s.append(math.inf)
        lead_s = self._given.lead(item.pool).median_s
        if len(serving) > counts[minute] and until_s(counts, minute, len(serving)) - lead_s > now_s:
            ends_s = expected_ends_s(self._simulation, serving)
            for _ in range(len(serving) - int(counts[minute])):
                place = int(np.argmin(ends_s))
                if until_s(counts, minute, len(serving)) - lead_s <= ends_s[place]:
                    break
                index = serving.pop(place)
                ends_s = np.delete(ends_s, place)
                self._stop_s[index] = now_s
                self._simulation.change(index, stop_s=now_s)
        return max(len(serving) - int(counts[minute]), 0)

    def finish(self, total: int) -> Replay:
        self.advance(math.inf)
        result = self._simulation.result()
        usd = self._bill(result, total)
        objectives = self._given.objectives(self._service)
        targets = {name: float(objective.target) for name, objective in objectives.items()}
        target = self._given.target(self._service)
        return Replay(
            attainment=searching.binding(result.attainment(objectives), targets, target),
            usd=float(usd.sum()),
            usd_by_minute=usd,
            missed=self._missed(result, targets, target, total),
        )

    def _bill(self, result: FleetResult, total: int) -> NDArray[np.float64]:
        arrival_s, end_s = self._arrivals.arrival_s, self._given.end_s
        last_s = np.zeros(len(self._owners))
        finished = (result.outcome == Outcome.FINISHED) & (result.replica >= 0)
        np.maximum.at(last_s, result.replica[finished], (arrival_s + result.e2e_ms / 1000)[finished])
        edges = np.arange(total + 1) * minutes.STEP_S
        usd = np.zeros(total)
        for owner, ready_s, stop_s, last in zip(
            self._owners, self._ready_s, self._stop_s, last_s.tolist(), strict=True
        ):
            lead_s = self._given.lead(owner.pool).median_s - self._given.node_lead_s.get(owner.pool, 0.0)
            asked_s = max(ready_s - max(lead_s, 0.0), 0.0) if ready_s > 0 else 0.0
            gone_s = min(max(stop_s, last), end_s) if stop_s < math.inf else end_s
            first, stop = int(asked_s // minutes.STEP_S), min(math.ceil(gone_s / minutes.STEP_S), total)
            within = np.clip(edges[first : stop + 1], asked_s, gone_s)
            usd[first:stop] += np.diff(within) * float(owner.hourly_usd or 0) / 3600
        return usd

    def _missed(
        self, result: FleetResult, targets: Mapping[str, float], target: float, total: int
    ) -> NDArray[np.float64]:
        classes = self._arrivals.classes
        budgets = np.array([max(1 - targets[name], 1e-12) for name in classes])
        weights = (1 - target) / budgets
        missed = ~result.good(self._given.objectives(self._service))
        minute = np.minimum((self._arrivals.arrival_s // minutes.STEP_S).astype(np.int64), total - 1)
        rows = np.flatnonzero(missed)
        found = np.zeros(total)
        np.add.at(found, minute[rows], weights[self._arrivals.class_index[rows]])
        return found


def expected_ends_s(simulation: FleetSimulation, replicas: Sequence[int]) -> NDArray[np.float64]:
    """Return when the last request of each replica ends, by its length and the time per token of those that ended.

    Args:
        simulation: at the present.
        replicas: positions in it.

    Returns:
        Instants in seconds, shape (replicas,); the present for a replica without requests.
    """
    arrivals, now_s = simulation.arrivals, simulation.now_s
    first, stop = np.searchsorted(arrivals.arrival_s, [now_s - LONGEST_S, now_s]).tolist()
    fates = simulation.fates(slice(first, stop))
    tokens = arrivals.output_tokens[first:stop]
    ended = fates.outcome == Outcome.FINISHED
    known = float((tokens[ended] - 1).sum())
    token_ms = np.nansum((fates.last_ms - fates.first_ms)[ended]) / known if known else FIRST_TOKEN_MS
    open_ = np.flatnonzero(fates.outcome == Outcome.IN_FLIGHT)
    latest = np.full(len(simulation.lives) + 1, now_s)
    np.maximum.at(latest, fates.replica[open_], arrivals.arrival_s[first + open_] + tokens[open_] * token_ms / 1000)
    return latest[np.asarray(replicas, dtype=np.int64)]


def until_s(counts: NDArray[np.int64], minute: int, level: int) -> float:
    """Return when so many replicas are needed next, in seconds; infinite when never again."""
    later = np.flatnonzero(counts[minute:] >= level)
    return float((minute + later[0]) * minutes.STEP_S) if later.size else math.inf
