"""What is remembered of starts: which replicas wait to serve, and how long those before them took."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenbin_planner.decide.observation import UNTOLD, Phase, StartParts, Warmth
from tenbin_planner.decide.plain import finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenbin_planner.decide.observation import ReplicaState, WorkloadState

WHERE = "memory of starts"
MOST_STARTS = 24
"""Completed starts remembered per pool."""
MOST_ENDED = 8
"""Starts that ended without serving, remembered per pool."""
MOST_WAITING = 512
"""Replicas remembered as starting; of more, the oldest count."""
LONGEST_S = 86_400.0
"""Ages beyond a day count as a day."""
MOST_TIME_S = 1e12
"""Moments beyond this many seconds are no moments."""
PARTS = ("node_s", "image_s", "container_s", "engine_s")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """A replica that was starting when it was seen last."""

    pool: str
    age_s: float
    """Seconds since its start began, then."""
    is_scheduled: bool
    kind: Warmth = Warmth.UNKNOWN
    """Whether what it needs was there, as far as that was known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """A start that is over."""

    at: float
    """When that was seen, in seconds of the planner's clock."""
    from_s: float
    """It took longer than this."""
    until_s: float | None
    """And not longer than this; None when it ended without serving."""
    parts: StartParts = UNTOLD
    """What the cluster told of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeadMemory:
    """What is remembered of starts."""

    at: float | None = None
    """When it was seen; None before anything was."""
    starting: Mapping[str, Waiting] = dataclasses.field(default_factory=dict)
    """By replica."""
    starts: Mapping[str, tuple[Start, ...]] = dataclasses.field(default_factory=dict)
    """By pool, oldest first."""

    def of(self, pool: str) -> tuple[Start, ...]:
        """Return the starts of a pool."""
        return self.starts.get(pool, ())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "at": self.at,
            "starting": {
                name: [item.pool, item.age_s, item.is_scheduled, *_known(item.kind)]
                for name, item in sorted(self.starting.items())
            },
            "starts": {pool: [_to_plain(start) for start in starts] for pool, starts in sorted(self.starts.items())},
        }


def from_plain(plain: Mapping[str, Any]) -> LeadMemory:
    """Read what `LeadMemory.to_plain` wrote.

    Raises:
        ValueError: when it is not of this shape, or holds a number that is not finite.
    """
    try:
        return LeadMemory(
            at=None if plain["at"] is None else finite(plain["at"], WHERE),
            starting={str(name): _waiting(*waiting) for name, waiting in plain["starting"].items()},
            starts={str(pool): tuple(_start(*start) for start in starts) for pool, starts in plain["starts"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"memory of starts is not of the shape that this program writes: {error!r}") from error


def learn(
    memory: LeadMemory, states: Mapping[str, WorkloadState], pools: Mapping[str, str], *, at: float
) -> LeadMemory:
    """Return the memory with what is seen at a moment.

    Args:
        memory: of the moment before.
        states: what is seen of each workload; one that is missing does not exist.
        pools: the pool of each workload that counts, or any other name under which starts are to be learned together.
        at: the moment, in seconds of the planner's clock; one that is no time changes nothing.
    """
    if not 0 <= at <= MOST_TIME_S:
        return memory
    passed_s = 0.0 if memory.at is None else max(0.0, at - memory.at)
    waiting: dict[str, Waiting] = {}
    ended: dict[str, list[Start]] = {}
    for pool, replica in _replicas(states, pools):
        before = memory.starting.get(replica.name)
        if replica.phase is Phase.STARTING:
            waiting[replica.name] = Waiting(
                pool=pool,
                age_s=_age_s(replica, before, passed_s),
                is_scheduled=bool(replica.is_scheduled),
                kind=replica.start.kind,
            )
            continue
        if before is not None:
            start = _ended(replica, before, at, passed_s)
        else:
            start = None if memory.at is None else _unseen(replica, at, passed_s)
        if start is not None:
            ended.setdefault(pool, []).append(start)
    seen = {replica.name for _, replica in _replicas(states, pools)}
    for name, item in sorted(memory.starting.items()):
        if name not in seen and item.is_scheduled and item.pool in pools.values():
            ended.setdefault(item.pool, []).append(Start(at=at, from_s=item.age_s, until_s=None))
    return LeadMemory(
        at=at,
        starting=_oldest(waiting),
        starts={
            pool: _bounded((*memory.of(pool), *ended.get(pool, ())))
            for pool in sorted({*memory.starts, *ended})
            if pool in pools.values()
        },
    )


def _replicas(states: Mapping[str, WorkloadState], pools: Mapping[str, str]) -> Iterator[tuple[str, ReplicaState]]:
    for name in sorted(states):
        if name in pools:
            for replica in states[name].replicas:
                yield pools[name], replica


def _age_s(replica: ReplicaState, before: Waiting | None, passed_s: float) -> float:
    """Return the age of a start: what is told, but time never runs back, also where an engine begins its start anew."""
    told = replica.since_s if _is_age(replica.since_s) else 0.0
    known = 0.0 if before is None else before.age_s + passed_s
    return min(max(told, known), LONGEST_S)


def _ended(replica: ReplicaState, before: Waiting, at: float, passed_s: float) -> Start | None:
    if replica.phase in (Phase.READY, Phase.DRAINING):
        until_s = min(before.age_s + passed_s, LONGEST_S)
        return Start(at=at, from_s=before.age_s, until_s=until_s, parts=_usable(replica.start))
    return Start(at=at, from_s=before.age_s, until_s=None) if before.is_scheduled else None


def _unseen(replica: ReplicaState, at: float, passed_s: float) -> Start | None:
    """Return the start of a replica that began and served between two moments; None for one that was there before."""
    if replica.phase is Phase.READY and _is_age(replica.since_s) and 0 < replica.since_s < passed_s:
        return Start(at=at, from_s=0.0, until_s=min(replica.since_s, LONGEST_S), parts=_usable(replica.start))
    return None


def _usable(parts: StartParts) -> StartParts:
    """Return parts without those that are no times."""
    return dataclasses.replace(
        parts,
        node_s=_age_or_none(parts.node_s),
        image_s=_age_or_none(parts.image_s),
        container_s=_age_or_none(parts.container_s),
        engine_s=_age_or_none(parts.engine_s),
    )


def _age_or_none(value: float | None) -> float | None:
    return value if value is not None and _is_age(value) else None


def _to_plain(start: Start) -> list[Any]:
    plain: list[Any] = [start.at, start.from_s, start.until_s]
    if start.parts == UNTOLD:
        return plain
    return [*plain, [start.parts.node, start.parts.image, *(getattr(start.parts, name) for name in PARTS)]]


def _known(kind: Warmth) -> list[str]:
    return [] if kind is Warmth.UNKNOWN else [kind]


def _waiting(pool: Any, age: Any, is_scheduled: Any, kind: Any = Warmth.UNKNOWN) -> Waiting:
    return Waiting(pool=str(pool), age_s=_seconds(age), is_scheduled=bool(is_scheduled), kind=_warmth(kind))


def _warmth(value: Any) -> Warmth:
    try:
        return Warmth(value)
    except ValueError as error:
        raise ValueError(f"{WHERE}: {error}") from None


def _start(at: Any, from_s: Any, until_s: Any, parts: Any = None) -> Start:
    return Start(
        at=finite(at, WHERE),
        from_s=_seconds(from_s),
        until_s=None if until_s is None else _seconds(until_s),
        parts=UNTOLD if parts is None else _parts(*parts),
    )


def _parts(node: Any, image: Any, *told: Any) -> StartParts:
    warmth = {"node": _warmth(node), "image": _warmth(image)}
    node_s, image_s, container_s, engine_s = _four(told)
    return StartParts(**warmth, node_s=node_s, image_s=image_s, container_s=container_s, engine_s=engine_s)


def _four(told: tuple[Any, ...]) -> tuple[float | None, ...]:
    if len(told) != len(PARTS):
        raise TypeError(f"{len(told)} parts of a start where {len(PARTS)} belong")
    return tuple(None if value is None else _seconds(value) for value in told)


def _is_age(value: float) -> bool:
    return 0 <= value <= LONGEST_S


def _oldest(waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
    kept = sorted(waiting, key=lambda name: (-waiting[name].age_s, name))[:MOST_WAITING]
    return {name: waiting[name] for name in sorted(kept)}


def _bounded(starts: tuple[Start, ...]) -> tuple[Start, ...]:
    """Return the last starts of each kind, oldest first."""
    completed = [index for index, start in enumerate(starts) if start.until_s is not None][-MOST_STARTS:]
    ended = [index for index, start in enumerate(starts) if start.until_s is None][-MOST_ENDED:]
    return tuple(starts[index] for index in sorted([*completed, *ended]))


def _seconds(value: Any) -> float:
    number = finite(value, WHERE)
    if number < 0:
        raise ValueError(f"{WHERE} holds {value!r} where a time of 0 or more belongs")
    return number
