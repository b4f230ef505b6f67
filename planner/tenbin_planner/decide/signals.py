"""Which numbers of an observation can be used.

NaN, infinities, negative numbers and numbers beyond all reason are dropped, each with a word about it; they never
reach a formula. What is dropped is absent, which is not 0.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import Absent, EngineReading, ObservedLengths, Phase
from tenbin_planner.decide.plan import Ignored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenbin_planner.decide.observation import Observation, WorkloadState
    from tenbin_planner.demand import ClassObservation

MOST_PER_SECOND = 1_000_000
MOST_IN_FLIGHT = 10_000_000
MOST_TOKENS = 10_000_000
MOST_REPLICAS = 100_000
LONGEST_AGE_S = 1e10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demand:
    """A service's demand at the gateway, all classes together."""

    arrivals: tuple[int | None, ...]
    """Requests in each whole second, oldest first; the last is the last complete second. None is unknown."""
    in_flight: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signals:
    """The usable part of an observation for one service."""

    demand: Demand | Absent
    waiting: int | None
    """Requests that wait in the service's engines; None when none of them says so."""
    lengths: ObservedLengths | Absent


class Reader:
    """Reads numbers and keeps a list of those that cannot be used."""

    def __init__(self) -> None:
        self.ignored: list[Ignored] = []

    def number(self, where: str, value: float | None, most: float) -> float | None:
        """Return a finite number between 0 and `most`; None, and a line in `ignored`, for anything else."""
        if value is None:
            return None
        if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= most:
            return value
        text = f"{value:g}" if isinstance(value, float) else str(value)
        self.ignored.append(Ignored(where=where, value=text, why=_why(value, most)))
        return None


def _why(value: float, most: float) -> str:
    if isinstance(value, int | float):
        if math.isnan(value):
            return "not a number"
        if value < 0:
            return "negative"
        if value > most:
            return f"beyond {most:g}"
    return "not a number"


def read(observation: Observation, service: str, workloads: Iterable[str], reader: Reader) -> Signals:
    """Read what an observation says about one service."""
    states = [observation.workloads[name] for name in workloads if name in observation.workloads]
    return Signals(
        demand=_demand(observation, service, reader),
        waiting=_waiting(states, reader),
        lengths=_lengths(observation, service, reader),
    )


def workload(state: WorkloadState, reader: Reader) -> WorkloadState | None:
    """Return a workload with numbers that can be used; None when its count cannot be believed.

    A replica whose age cannot be used counts as new.
    """
    told = reader.number(f"workload {state.name} replicas", state.wanted, MOST_REPLICAS)
    if told is None:
        return None
    replicas = tuple(
        dataclasses.replace(
            replica, since_s=reader.number(f"replica {replica.name} age", replica.since_s, LONGEST_AGE_S) or 0.0
        )
        for replica in state.replicas
    )
    return dataclasses.replace(state, wanted=int(told), replicas=replicas)


def _demand(observation: Observation, service: str, reader: Reader) -> Demand | Absent:
    gateway = observation.gateway
    if gateway.is_blind:
        return Absent(why="no gateway was heard" if not gateway.gateways else "no gateway was heard lately")
    classes = gateway.service(service)
    if not classes:
        return Absent(why="the gateway knows no such service yet")
    columns = [_arrivals(item, reader) for item in classes]
    length = min(len(column) for column in columns)
    seconds = zip(*(column[len(column) - length :] for column in columns), strict=True)
    arrivals = tuple(_sum(second) for second in seconds)
    in_flight = [
        reader.number(f"{service}/{item.class_name} in flight", item.in_flight, MOST_IN_FLIGHT) for item in classes
    ]
    usable = [value for value in in_flight if value is not None]
    if length and all(value is None for value in arrivals) and not usable:
        return Absent(why="no number of the gateway can be used")
    return Demand(arrivals=arrivals, in_flight=int(sum(usable)) if usable else None)


def _arrivals(item: ClassObservation, reader: Reader) -> list[int | None]:
    values: list[int | None] = []
    for value in item.arrivals:
        usable = reader.number(f"{item.service}/{item.class_name} arrivals", value, MOST_PER_SECOND)
        values.append(None if usable is None else int(usable))
    return values


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _waiting(states: Iterable[WorkloadState], reader: Reader) -> int | None:
    total, known = 0.0, False
    for state in states:
        for replica in state.replicas:
            if replica.phase is Phase.READY and isinstance(replica.engine, EngineReading):
                value = reader.number(f"replica {replica.name} waiting", replica.engine.waiting, MOST_IN_FLIGHT)
                if value is not None:
                    total, known = total + value, True
    return int(total) if known else None


def _lengths(observation: Observation, service: str, reader: Reader) -> ObservedLengths | Absent:
    seen = observation.lengths.get(service)
    if seen is None:
        return Absent(why="engines did not tell")
    given = reader.number(f"{service} input tokens", seen.input_tokens, MOST_TOKENS)
    taken = reader.number(f"{service} output tokens", seen.output_tokens, MOST_TOKENS)
    if given is None or taken is None or not given or not taken:
        return Absent(why="the engines' numbers cannot be used")
    return ObservedLengths(input_tokens=given, output_tokens=taken, requests=seen.requests)
