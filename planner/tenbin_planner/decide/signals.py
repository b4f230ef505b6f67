"""Which numbers of an observation can be used.

NaN, infinities, negative numbers and numbers beyond all reason are dropped, each with a word about it; they never
reach a formula. What is dropped is absent, which is not 0.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import Absent, EngineReading, ObservedLengths, Phase
from tenbin_planner.decide.plan import Ignored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenbin_planner.decide.observation import Notice, Observation, WorkloadState
    from tenbin_planner.demand import AnswerCounts, ClassObservation, Quantiles, RunningSample

MOST_PER_SECOND = 1_000_000
MOST_IN_FLIGHT = 10_000_000
MOST_TOKENS = 10_000_000
MOST_REPLICAS = 100_000
MOST_REQUESTS = 10**11
"""Of a counter that runs since the planner began."""
LONGEST_AGE_S = 1e10
WIDEST = 10**15
"""Integers beyond are written by their size."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demand:
    """A service's demand at the gateway, all classes together."""

    arrivals: tuple[int | None, ...]
    """Requests in each whole second, oldest first; None is unknown."""
    known_until: float
    """Instant in the second after the last of these, in seconds of the planner's clock."""
    in_flight: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signals:
    """The usable part of an observation for one service."""

    demand: Demand | Absent
    waiting: int | None
    """Requests that wait in the service's engines; None when none of them says so."""
    lengths: ObservedLengths | Absent
    classes: tuple[ClassObservation, ...] = ()
    """What the gateway says of each class, in the order of their names, with only numbers that can be used: a second
    whose arrivals are unknown has none, an answer of unknown length has not begun, and quantiles or counts of answers
    that have no meaning are missing. Only `cumulative` is as it was told."""


class Reader:
    """Reads numbers and keeps a list of those that cannot be used."""

    def __init__(self) -> None:
        self.ignored: list[Ignored] = []

    def number(self, where: str, value: float | None, most: float) -> float | None:
        """Return a finite number between 0 and `most`; None, and a line in `ignored`, for anything else."""
        if value is None:
            return None
        if isinstance(value, int | float) and 0 <= value <= most:
            return value
        self.ignored.append(Ignored(where=where, value=_text(value), why=_why(value, most)))
        return None

    def all_usable(self, where: str, values: Sequence[float], most: float) -> bool:
        """Tell whether all are finite numbers between 0 and `most`; the first one that is not is in `ignored`."""
        return all(value is not None and self.number(where, value, most) is not None for value in values)


def _why(value: float, most: float) -> str:
    if isinstance(value, int | float):
        if value < 0:
            return "negative"
        if value > most:
            return f"beyond {most:g}"
    return "not a number"


def _text(value: float) -> str:
    if isinstance(value, int) and abs(value) > WIDEST:
        return f"an integer of {value.bit_length()} bits"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(observation: Observation, service: str, workloads: Iterable[str], reader: Reader) -> Signals:
    """Read what an observation says about one service."""
    states = [observation.workloads[name] for name in workloads if name in observation.workloads]
    demand = _demand(observation, service, reader)
    classes = () if isinstance(demand, Absent) else observation.gateway.service(service)
    return Signals(
        demand=demand,
        waiting=_waiting(states, reader),
        lengths=_lengths(observation, service, reader),
        classes=tuple(_class(item, reader) for item in classes),
    )


def workload(state: WorkloadState, reader: Reader) -> WorkloadState | None:
    """Return a workload with numbers that can be used; None when its count cannot be believed.

    A replica whose age cannot be used counts as new, one whose notice names no usable time goes now.
    """
    told = reader.number(f"workload {state.name} replicas", state.wanted, MOST_REPLICAS)
    if told is None:
        return None
    replicas = tuple(
        dataclasses.replace(
            replica,
            since_s=reader.number(f"replica {replica.name} age", replica.since_s, LONGEST_AGE_S) or 0.0,
            notice=None if replica.notice is None else _notice(replica.name, replica.notice, reader),
            marked_s=None
            if replica.marked_s is None
            else reader.number(f"replica {replica.name} time since its mark", replica.marked_s, LONGEST_AGE_S) or 0.0,
        )
        for replica in state.replicas
    )
    room = reader.number(f"workload {state.name} room", state.room, MOST_REPLICAS)
    return dataclasses.replace(state, wanted=int(told), replicas=replicas, room=None if room is None else int(room))


def _notice(name: str, notice: Notice, reader: Reader) -> Notice:
    left_s = reader.number(f"replica {name} time until its node goes", notice.left_s, LONGEST_AGE_S)
    return dataclasses.replace(notice, left_s=left_s or 0.0)


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
    return Demand(arrivals=arrivals, known_until=gateway.known_until, in_flight=int(sum(usable)) if usable else None)


def _arrivals(item: ClassObservation, reader: Reader) -> list[int | None]:
    values: list[int | None] = []
    for value in item.arrivals:
        usable = reader.number(f"{item.service}/{item.class_name} arrivals", value, MOST_PER_SECOND)
        values.append(None if usable is None else int(usable))
    return values


def _class(item: ClassObservation, reader: Reader) -> ClassObservation:
    """Return what is seen of a class with only numbers that can be used; arrivals are read with the demand."""
    where = f"{item.service}/{item.class_name}"
    reader.all_usable(f"{where} counts", (item.cumulative.good, item.cumulative.total), MOST_REQUESTS)
    return dataclasses.replace(
        item,
        arrivals=_or_none(item.arrivals, MOST_PER_SECOND),
        e2e_ms=_quantiles(f"{where} E2E time", item.e2e_ms, reader),
        running=_running(f"{where} running answers", item.running, reader),
        answers=_answers(f"{where} answers", item.answers, reader),
    )


def _quantiles(where: str, seen: Quantiles | None, reader: Reader) -> Quantiles | None:
    usable = seen is not None and reader.all_usable(where, (seen.p50, seen.p90, seen.p99), LONGEST_AGE_S)
    return seen if usable else None


def _running(where: str, seen: RunningSample, reader: Reader) -> RunningSample:
    tokens, ages = seen.output_tokens, seen.age_s
    if not reader.all_usable(where, tokens, MOST_TOKENS):
        tokens = _or_none(tokens, MOST_TOKENS)
    if not reader.all_usable(where, ages, LONGEST_AGE_S):
        ages = _or_none(ages, LONGEST_AGE_S)
    count = reader.number(where, seen.count, MOST_IN_FLIGHT)
    return dataclasses.replace(
        seen, count=len(tokens) if count is None else int(count), age_s=ages, output_tokens=tokens
    )


def _or_none(values: Iterable[float], most: float) -> tuple[int, ...]:
    """Return whole numbers, with 0 for each that cannot be used."""
    return tuple(int(Reader().number("", value, most) or 0) for value in values)


def _answers(where: str, seen: AnswerCounts | None, reader: Reader) -> AnswerCounts | None:
    usable = seen is not None and reader.all_usable(where, (seen.since, *seen.ended, *seen.passed), MOST_REQUESTS)
    return seen if usable else None


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
    requests = reader.number(f"{service} requests", seen.requests, MOST_REQUESTS)
    if requests is None or not given or not taken:
        return Absent(why="the engines' numbers cannot be used")
    return ObservedLengths(input_tokens=given, output_tokens=taken, requests=int(requests))
