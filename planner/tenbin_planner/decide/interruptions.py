"""What is remembered of spot pools: replicas that went although nobody asked, in batches, and the hours they ran.

A replica of a spot workload that is gone was interrupted unless the cluster had more of them than it was told to run:
so many were removed on our word. The cluster makes another one for each that is interrupted, and the count that it is
told stays. One whose node is about to go counts as gone from the notice on, whatever becomes of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tenbin_planner.decide.observation import Phase
from tenbin_planner.decide.plain import amount

if TYPE_CHECKING:
    from tenbin_planner.decide.observation import WorkloadState

WHERE = "memory of interruptions"
HALF_LIFE_S = 86_400.0
"""What was seen a day ago counts half."""
BATCH_S = 180.0
"""Interruptions of a pool that follow the first one within this time belong to its batch."""
LONGEST_GAP_S = 300.0
"""After more than this without a look it is unknown what was asked for meanwhile: nothing is learned."""
MOST_NAMES = 1000
"""Replicas remembered per workload."""
MOST_TIME_S = 1e12
"""Moments beyond this many seconds are no moments."""
MOST_COUNT = 1_000_000
"""A workload that is told to run more is not believed."""
_SERVING = (Phase.STARTING, Phase.READY, Phase.DRAINING)
_COUNTED = (*_SERVING, Phase.LOST)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Interruptions that began at a moment and may still spread."""

    at: float
    fleet: int
    """Replicas of the pool when it began."""
    lost: int

    @property
    def share(self) -> float | None:
        """Share of the other replicas that it took; None when there were none."""
        return None if self.fleet < 2 else min(1.0, max(0, self.lost - 1) / (self.fleet - 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tally:
    """What is remembered of a pool; amounts count less with age."""

    hours: float = 0.0
    """Replica-hours watched."""
    batches: float = 0.0
    taken: float = 0.0
    """Batches by the share of the other replicas that they took."""
    left: float = 0.0
    """And by the share that they left."""
    recent: Batch | None = None
    """The last batch, while it may still spread."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Present:
    """A workload when it was seen last."""

    wanted: int
    counted: int
    """Replicas that the workload counted."""
    names: tuple[str, ...]
    """Of these, the ones on a node that answers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpotMemory:
    """What is remembered of spot pools."""

    at: float | None = None
    pools: Mapping[str, Tally] = dataclasses.field(default_factory=dict)
    workloads: Mapping[str, Present] = dataclasses.field(default_factory=dict)

    def of(self, pool: str) -> Tally:
        """Return what is remembered of a pool."""
        return self.pools.get(pool, Tally())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "at": self.at,
            "pools": {pool: dataclasses.asdict(tally) for pool, tally in sorted(self.pools.items())},
            "workloads": {
                name: {**dataclasses.asdict(item), "names": list(item.names)}
                for name, item in sorted(self.workloads.items())
            },
        }


def from_plain(plain: Mapping[str, Any]) -> SpotMemory:
    """Read what `SpotMemory.to_plain` wrote.

    Raises:
        ValueError: when it is not of this shape, or holds a number that is negative or not finite.
    """
    try:
        return SpotMemory(
            at=None if plain["at"] is None else amount(plain["at"], WHERE),
            pools={str(pool): _tally(item) for pool, item in plain["pools"].items()},
            workloads={
                str(name): Present(
                    wanted=int(amount(item["wanted"], WHERE)),
                    counted=int(amount(item["counted"], WHERE)),
                    names=tuple(str(replica) for replica in item["names"]),
                )
                for name, item in plain["workloads"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"memory of interruptions is not of the shape that this program writes: {error!r}") from error


def learn(
    memory: SpotMemory, states: Mapping[str, WorkloadState], pools: Mapping[str, str], *, at: float
) -> SpotMemory:
    """Return the memory with what is seen at a moment.

    Args:
        memory: of the moment before.
        states: what is seen of each workload; one that is missing does not exist.
        pools: the pool of each workload on spot.
        at: the moment, in seconds of the planner's clock; one that is no time changes nothing.
    """
    if not 0 <= at <= MOST_TIME_S:
        return memory
    passed_s = 0.0 if memory.at is None else at - memory.at
    known = {name: states[name] for name in sorted(pools) if name in states and _is_count(states[name].wanted)}
    present = {name: _present(state) for name, state in known.items()}
    tallies = {}
    for pool in sorted(set(pools.values())):
        tally = memory.of(pool)
        if 0 < passed_s <= LONGEST_GAP_S:
            own = [name for name in known if pools[name] == pool and name in memory.workloads]
            fleet = sum(len(memory.workloads[name].names) for name in own)
            lost = sum(_lost(memory.workloads[name], known[name]) for name in own)
            tally = _watched(_aged(tally, passed_s), fleet=fleet, lost=lost, at=at, passed_s=passed_s)
        elif passed_s:
            tally = _aged(_closed(tally), max(0.0, passed_s))
        tallies[pool] = tally
    return SpotMemory(at=at, pools=tallies, workloads=present)


def _lost(before: Present, state: WorkloadState) -> int:
    """Return the replicas of a workload that went although nobody asked."""
    there = {replica.name for replica in state.replicas if replica.phase in _SERVING and not replica.is_going}
    gone = sum(name not in there for name in before.names)
    asked = max(0, before.counted - min(before.wanted, int(state.wanted)))
    return max(0, gone - asked)


def _present(state: WorkloadState) -> Present:
    names = sorted(
        item.name for item in state.replicas if item.phase in _SERVING and item.is_scheduled and not item.is_going
    )
    return Present(wanted=int(state.wanted), counted=state.count(*_COUNTED), names=tuple(names[:MOST_NAMES]))


def _watched(tally: Tally, *, fleet: int, lost: int, at: float, passed_s: float) -> Tally:
    tally = dataclasses.replace(tally, hours=tally.hours + fleet * passed_s / 3600)
    if tally.recent is not None and at - tally.recent.at > BATCH_S:
        tally = _closed(tally)
    if lost == 0:
        return tally
    if tally.recent is None:
        return dataclasses.replace(tally, recent=Batch(at=at, fleet=fleet, lost=lost))
    return dataclasses.replace(tally, recent=dataclasses.replace(tally.recent, lost=tally.recent.lost + lost))


def _closed(tally: Tally) -> Tally:
    """Count the last batch, which spreads no more."""
    if tally.recent is None:
        return tally
    share = tally.recent.share
    return dataclasses.replace(
        tally,
        batches=tally.batches + 1,
        taken=tally.taken + (0.0 if share is None else share),
        left=tally.left + (0.0 if share is None else 1 - share),
        recent=None,
    )


def _aged(tally: Tally, passed_s: float) -> Tally:
    kept = 0.5 ** (passed_s / HALF_LIFE_S)
    return dataclasses.replace(
        tally,
        hours=tally.hours * kept,
        batches=tally.batches * kept,
        taken=tally.taken * kept,
        left=tally.left * kept,
    )


def _tally(plain: Mapping[str, Any]) -> Tally:
    recent = plain["recent"]
    return Tally(
        hours=amount(plain["hours"], WHERE),
        batches=amount(plain["batches"], WHERE),
        taken=amount(plain["taken"], WHERE),
        left=amount(plain["left"], WHERE),
        recent=None
        if recent is None
        else Batch(
            at=amount(recent["at"], WHERE),
            fleet=int(amount(recent["fleet"], WHERE)),
            lost=int(amount(recent["lost"], WHERE)),
        ),
    )


def _is_count(value: float) -> bool:
    return 0 <= value <= MOST_COUNT
