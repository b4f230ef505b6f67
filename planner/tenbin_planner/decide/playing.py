"""A fleet played through one future: what becomes of each request.

A fleet of more than `EXACT` replicas is represented by `SMALL` of them, each with the load that it would have: of the
requests that come while some replicas serve, those that are represented get their share. Each request that is played
stands for as many as its chance to be played says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model import fleet
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import ReplicaLife

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.decide.futures import Future
    from tenbin_planner.model.results import FleetResult

EXACT = 16
"""Replicas up to which a fleet is simulated as it is."""
SMALL = 8
"""Replicas that stand for a larger fleet."""
DRAIN_S = 0.005
"""A replica that stops now takes what is in flight, and nothing that comes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Replicas of one workload, as a future needs them."""

    name: str
    profile: EngineProfile
    usd_per_s: float
    """Rent of one replica."""
    ready: int
    starting_s: tuple[float, ...]
    """Seconds until each serves, shortest first."""
    lead_s: tuple[float, ...]
    """Lead time of a start in each future, in the futures' order."""
    warm_s: tuple[float, ...] = ()
    """The same, of a start for which there is room on a node that is there."""
    room: int = 0
    """Replicas for which there is."""
    going_s: tuple[float, ...] = ()
    """Seconds after which each replica whose node is about to go takes no more requests; no fleet counts them."""
    losses: Callable[[int], NDArray[np.float64]] | None = None
    """Chances that of so many replicas 0, 1 ... all are lost within the horizon; None: none ever is."""

    @property
    def current(self) -> int:
        """Replicas that serve or will."""
        return self.ready + len(self.starting_s)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """What becomes of the requests of a future with a fleet."""

    weight: float
    """Chance of the future."""
    result: FleetResult
    present: int
    """Requests in flight from the beginning; they come first, and are not judged."""
    stands_for: NDArray[np.float64]
    """Requests that each of `result` stands for, 1 or more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """Replicas that are lost, and asked for again at once."""

    group: str
    future: int
    chance: float
    count: int
    at_s: float


def share_for(serving: int) -> float:
    """Return the share of all requests that futures need where so many replicas serve: enough for half of these."""
    return min(1.0, 2 * SMALL / serving) if serving > EXACT else 1.0


def play(
    future: Future, groups: Sequence[Group], counts: Mapping[str, int], index: int, loss: Loss | None = None
) -> Played:
    """Play one future with a fleet.

    Args:
        future: one of those drawn.
        groups: all replicas that there can be.
        counts: how many of each group are wanted, by name.
        index: place of the future among those drawn.
        loss: what is lost on the way.
    """
    lives = [life for group in groups for life in _lives(group, counts.get(group.name, 0), index, loss)]
    arrivals, present, chance = future.arrivals, future.present, np.ones(len(future.arrivals))
    if lives and (len(lives) > EXACT or future.share < 1):
        chance, lives = _represented(future, lives)
        kept = future.mark * future.share < chance
        arrivals, present, chance = _chosen(arrivals, kept), int(np.count_nonzero(kept[:present])), chance[kept]
    return Played(
        weight=future.weight,
        result=fleet.simulate(arrivals, lives),
        present=present,
        stands_for=1 / chance if lives else np.full(len(arrivals), 1 / future.share),
    )


def _lives(group: Group, count: int, index: int, loss: Loss | None) -> list[ReplicaLife]:
    profile = group.profile
    kept = min(group.ready, count)
    starting = group.starting_s[: max(0, count - kept)]
    fresh = count - kept - len(starting)
    lives = [ReplicaLife(profile=profile)] * kept
    lives += [ReplicaLife(profile=profile, stop_s=DRAIN_S)] * (group.ready - kept)
    lives += [ReplicaLife(profile=profile, ready_s=max(seconds, 2 * DRAIN_S)) for seconds in starting]
    soon = min(fresh, group.room)
    for count_of, lead_s in ((soon, group.warm_s), (fresh - soon, group.lead_s)):
        lives += [ReplicaLife(profile=profile, ready_s=max(lead_s[index], 2 * DRAIN_S)) for _ in range(count_of)]
    lives += [ReplicaLife(profile=profile, stop_s=max(seconds, DRAIN_S)) for seconds in group.going_s]
    if loss is not None and loss.group == group.name:
        lives[: loss.count] = [ReplicaLife(profile=profile, stop_s=loss.at_s)] * loss.count
        lives += [ReplicaLife(profile=profile, ready_s=loss.at_s + group.lead_s[index])] * loss.count
    return lives


def _represented(future: Future, lives: Sequence[ReplicaLife]) -> tuple[NDArray[np.float64], list[ReplicaLife]]:
    """Return the chance of each request to be played, and the few replicas that stand for all.

    They are taken evenly from those that serve for long to those that begin late. At any time they get the share of
    the requests that they are of the replicas that serve then; fewer of them where more requests would be needed than
    were drawn. Where no few will do, there are so many requests that some of them overload the fleet as well as all.
    """
    at_s, whole = future.arrivals.arrival_s, sorted(lives, key=lambda life: (life.ready_s, -life.stop_s))
    serving = _serving(whole, at_s, future.present)
    most = min(SMALL, len(whole))
    for count in range(most, 0, -1):
        small = _evenly(whole, count)
        chance = np.where(
            serving > 0, _serving(small, at_s, future.present) / np.maximum(serving, 1), count / len(whole)
        )
        if chance.max(initial=0.0) <= future.share and chance.min(initial=1.0) > 0:
            return chance, small
    return np.full(at_s.size, future.share), _evenly(whole, most)


def _evenly(lives: Sequence[ReplicaLife], count: int) -> list[ReplicaLife]:
    return [lives[0], *(lives[int((place + 0.5) * len(lives) / count)] for place in range(1, count))]


def _serving(lives: Sequence[ReplicaLife], at_s: NDArray[np.float64], present: int) -> NDArray[np.int64]:
    """Return the replicas that serve when each request comes; those in flight were sent before any stopped."""
    begins = np.sort([life.ready_s for life in lives])
    ends = np.sort([life.stop_s for life in lives])
    serving: NDArray[np.int64] = np.searchsorted(begins, at_s, side="right") - np.searchsorted(ends, at_s, side="right")
    serving[:present] = np.count_nonzero(begins == 0)
    return serving


def _chosen(arrivals: Arrivals, rows: NDArray[np.bool_]) -> Arrivals:
    return dataclasses.replace(
        arrivals,
        arrival_s=arrivals.arrival_s[rows],
        input_tokens=arrivals.input_tokens[rows],
        output_tokens=arrivals.output_tokens[rows],
        cached_tokens=arrivals.cached_tokens[rows],
        class_index=arrivals.class_index[rows],
    )
