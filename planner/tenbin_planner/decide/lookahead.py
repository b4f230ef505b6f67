"""Candidates judged by simulating ahead: dollars, and what the misses that are to be expected are worth.

    value(fleet) = rent over the horizon + what starts and stops cost besides + price of a miss x expected misses

The horizon is the lead time and one hold: a replica that is asked for now serves in its second part, and one that is
given up now cannot be back before it. Hysteresis follows from costs: a start pays rent before it serves, a stop pays
until the last answer has ended, and a replica that does not serve yet is cheap to cancel.

Futures are played from the busiest on. Bounds that hold for certain save most of the work: more replicas save at most
all misses, and the misses of the busiest futures alone may be too many for a smaller fleet.

A fleet of more than `EXACT` replicas is represented by `SMALL` of them, each with the load that it would have: of the
requests that come while some replicas serve, those that are represented get their share. Each request that is played
stands for as many as its chance to be played says.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model import fleet
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import ReplicaLife

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.decide.futures import Future
    from tenbin_planner.model.results import FleetResult

EXACT = 16
"""Replicas up to which a fleet is simulated as it is."""
SMALL = 8
"""Replicas that stand for a larger fleet."""
STOP_SHARE = 0.8
"""Share of the horizon's rent that a stop is held to lose: its answers end late, and it may be regretted."""
PAID = 0.5
"""Part of the time for which a replica has been spare by which that loss shrinks, down to what its answers take: who
has paid in vain for as long as a start would cost need not wait any longer (the ski-rental rule)."""
MANY = 0.08
"""Share of misses beyond which one replica more may not help while several would."""
JUMPS = (1, 2, 4, 8, 16, 32)
SURE = 2
"""Futures in a row without a miss, from the busiest on, after which quieter ones have none either."""
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
    lost: Callable[[int, float], int] | None = None
    """How many of so many replicas are lost within the horizon, for a number between 0 and 1; None: none is."""

    @property
    def current(self) -> int:
        """Replicas that serve or will."""
        return self.ready + len(self.starting_s)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What a service's candidates are judged in."""

    futures: tuple[Future, ...]
    groups: tuple[Group, ...]
    objectives: Mapping[str, Objective]
    miss_usd: Mapping[str, float]
    """Price of a miss by class."""
    horizon_s: float
    drain_s: float
    """What the answers of a replica that stops are expected to take."""
    spare_s: float = 0.0
    """For how long one replica fewer would have been worth more, had a stop lost nothing but its answers' time."""

    @property
    def stop_s(self) -> float:
        """What a stop is held to lose, in seconds of rent."""
        return max(self.drain_s, STOP_SHARE * self.horizon_s - PAID * self.spare_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """The fleet that is worth most, and what was thought of on the way."""

    count: int
    misses: float
    """Requests that are expected to miss over the horizon with it."""
    requests: float
    """Requests that are expected to come over the horizon."""
    saved_misses: float | None
    """Misses that it is expected to save beside what runs; None where nothing changes."""
    miss_usd: float
    """Price of the dearest miss."""
    is_spare: bool
    """Whether one replica fewer would be worth more, had a stop lost nothing but its answers' time."""


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


@dataclasses.dataclass(frozen=True)
class _Value:
    total: float
    """Infinite where it was given up as too dear."""
    usd: float
    misses: float
    worth: float
    """The misses, in dollars."""


def share_for(serving: int) -> float:
    """Return the share of all requests that futures need where so many replicas serve: enough for half of these."""
    return min(1.0, 2 * SMALL / serving) if serving > EXACT else 1.0


class Search:
    """Looks for the count that is worth most, each fleet simulated at most once."""

    def __init__(self, setting: Setting, rung: Callable[[int], Mapping[str, int]]) -> None:
        """Take what candidates are judged in, and how so many replicas are spread."""
        self._setting = setting
        self._rung = rung
        self._known: dict[int, _Value] = {}
        self._is_spare = False
        self.requests = sum(item.weight * (len(item.arrivals) - item.present) / item.share for item in setting.futures)

    def best(self, current: int, *, least: int, most: int) -> Judged:
        """Return the best count between two bounds, from the one that runs."""
        begin = min(max(current, least), max(most, least))
        chosen = self._upwards(begin, max(most, least))
        if chosen == begin:
            chosen = self._downwards(begin, least)
        return self.judged(chosen, current)

    def judged(self, count: int, current: int) -> Judged:
        """Return what so many replicas come to, beside those that run."""
        found, base = self._value(count), self._known.get(current)
        return Judged(
            count=count,
            misses=found.misses,
            requests=self.requests,
            saved_misses=None if count == current or base is None else base.misses - found.misses,
            miss_usd=max(self._setting.miss_usd.values()),
            is_spare=self._is_spare,
        )

    def worth(self, count: int) -> float:
        """Return what the misses with so many replicas are worth, in dollars."""
        return self._value(count).worth

    def usd(self, count: int) -> float:
        """Return what so many replicas cost over the horizon."""
        return _usd(self._setting, self._rung(count))

    def results(self, count: int) -> list[Played]:
        """Return what becomes of each future with so many replicas."""
        counts = self._rung(count)
        return [_play(self._setting, counts, future, index) for index, future in enumerate(self._setting.futures)]

    def _upwards(self, count: int, most: int) -> int:
        while count < most:
            here = self._value(count)
            tries = JUMPS if here.misses > MANY * self.requests else JUMPS[:1]
            found = [
                more
                for more in dict.fromkeys(min(count + jump, most) for jump in tries)
                if here.worth > self.usd(more) - here.usd
                and self._value(more, at_most=here.total).total < here.total - 1e-12
            ]
            if not found:
                break
            chosen = min(found, key=lambda more: self._value(more).total)
            count = self._refined(chosen, count)
        return count

    def _refined(self, count: int, above: int) -> int:
        """Return the best count between a jump's end and its beginning, by steps that halve."""
        step = (count - above) // 2
        while step:
            if self._value(count - step, at_most=self._value(count).total).total < self._value(count).total:
                count -= step
            step //= 2
        return count

    def _downwards(self, count: int, least: int) -> int:
        step = 1
        while count > least:
            step = min(step, count - least)
            here, early = self._value(count), self._early_usd(count - step)
            fewer = self._value(count - step, at_most=here.total + early)
            self._is_spare |= fewer.total - early < here.total
            if fewer.total < here.total - 1e-12:
                count -= step
                step *= 2
            elif step > 1:
                step //= 2
            else:
                break
        return count

    def _early_usd(self, count: int) -> float:
        """Return what stops down to a count are held to lose besides the time that their answers take, in dollars."""
        counts, setting = self._rung(count), self._setting
        stops = sum(max(0, item.ready - counts.get(item.name, 0)) * item.usd_per_s for item in setting.groups)
        return stops * (setting.stop_s - setting.drain_s)

    def _value(self, count: int, *, at_most: float = math.inf) -> _Value:
        known = self._known.get(count)
        if known is None or math.isinf(known.total):
            self._known[count] = known = _judge(self._setting, self._rung(count), at_most)
        return known


def _judge(setting: Setting, counts: Mapping[str, int], at_most: float) -> _Value:
    usd = _usd(setting, counts)
    worth = misses = 0.0
    clean = 0
    for index, future in enumerate(setting.futures):
        by_class = _missed(setting, counts, future, index)
        missed = sum(by_class.values())
        misses += future.weight * missed
        worth += future.weight * sum(setting.miss_usd[name] * count for name, count in by_class.items())
        if usd + worth > at_most:
            return _Value(math.inf, usd, misses, worth)
        clean = clean + 1 if missed == 0 else 0
        if clean == SURE:
            break
    return _Value(usd + worth, usd, misses, worth)


def _usd(setting: Setting, counts: Mapping[str, int]) -> float:
    total = 0.0
    for group in setting.groups:
        count = counts.get(group.name, 0)
        started = max(0, count - group.current)
        stopped = max(0, group.ready - count)
        seconds = count * setting.horizon_s + started * setting.drain_s + stopped * setting.stop_s
        total += group.usd_per_s * seconds
    return total


def _missed(setting: Setting, counts: Mapping[str, int], future: Future, index: int) -> dict[str, float]:
    """Return the requests that miss among those that come, by class."""
    played = _play(setting, counts, future, index)
    result, present = played.result, played.present
    bad = ~result.good(setting.objectives)[present:]
    missed = np.bincount(
        result.arrivals.class_index[present:][bad],
        weights=played.stands_for[present:][bad],
        minlength=len(result.arrivals.classes),
    )
    return dict(zip(result.arrivals.classes, missed.tolist(), strict=True))


def _play(setting: Setting, counts: Mapping[str, int], future: Future, index: int) -> Played:
    lives = [life for group in setting.groups for life in _lives(setting, group, counts, future, index)]
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


def _lives(setting: Setting, group: Group, counts: Mapping[str, int], future: Future, index: int) -> list[ReplicaLife]:
    count, profile = counts.get(group.name, 0), group.profile
    kept = min(group.ready, count)
    starting = group.starting_s[: max(0, count - kept)]
    fresh = count - kept - len(starting)
    lives = [ReplicaLife(profile=profile)] * kept
    lives += [ReplicaLife(profile=profile, stop_s=DRAIN_S)] * (group.ready - kept)
    lives += [ReplicaLife(profile=profile, ready_s=max(seconds, 2 * DRAIN_S)) for seconds in starting]
    lives += [ReplicaLife(profile=profile, ready_s=max(group.lead_s[index], 2 * DRAIN_S))] * fresh
    if group.lost is not None and count:
        gone = min(group.lost(count, float(future.uniforms[1])), kept)
        at_s = max(float(future.uniforms[2]) * setting.horizon_s, 2 * DRAIN_S)
        lives[:gone] = [ReplicaLife(profile=profile, stop_s=at_s)] * gone
    return lives


def _represented(future: Future, lives: Sequence[ReplicaLife]) -> tuple[NDArray[np.float64], list[ReplicaLife]]:
    """Return the chance of each request to be played, and the few replicas that stand for all.

    They are taken evenly from those that serve for long to those that begin late. At any time they get the share of
    the requests that they are of the replicas that serve then; fewer of them where more requests would be needed than
    were drawn.
    """
    at_s, whole = future.arrivals.arrival_s, sorted(lives, key=lambda life: (life.ready_s, -life.stop_s))
    serving = _serving(whole, at_s, future.present)
    for count in range(min(SMALL, len(whole)), 0, -1):
        small = [whole[0], *(whole[int((place + 0.5) * len(whole) / count)] for place in range(1, count))]
        chance = np.where(
            serving > 0, _serving(small, at_s, future.present) / np.maximum(serving, 1), count / len(whole)
        )
        if chance.max(initial=0.0) <= future.share:
            break
    return np.minimum(chance, future.share), small


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
