"""Candidates judged by simulating ahead: dollars, and what the misses that are to be expected are worth.

    value(fleet) = rent over the horizon + what starts and stops cost besides + price of a miss x expected misses

The horizon is the lead time and one hold: a replica that is asked for now serves in its second part, and one that is
given up now cannot be back before it. Hysteresis follows from costs: a start pays rent before it serves, a stop pays
until the last answer has ended, and a replica that does not serve yet is cheap to cancel.

Futures are played from the busiest on. Bounds that hold for certain save most of the work: more replicas save at most
all misses, and the misses of the busiest futures alone may be too many for a smaller fleet.

A fleet of more than `EXACT` replicas is represented by `SMALL` of them, each with the load that it would have.
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
    lead_s: float
    """What a start is expected to take."""
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
    usd: float
    """What it costs over the horizon."""
    saved_misses: float | None
    """Misses that it is expected to save beside what runs; None where nothing changes."""
    judged: int
    """Fleets that were simulated."""
    miss_usd: float
    """Price of the dearest miss."""
    is_spare: bool
    """Whether one replica fewer would be worth more, had a stop lost nothing but its answers' time."""


@dataclasses.dataclass(frozen=True)
class _Value:
    total: float
    """Infinite where it was given up as too dear."""
    usd: float
    misses: float
    worth: float
    """The misses, in dollars."""


class Search:
    """Looks for the count that is worth most, each fleet simulated at most once."""

    def __init__(self, setting: Setting, rung: Callable[[int], Mapping[str, int]]) -> None:
        """Take what candidates are judged in, and how so many replicas are spread."""
        self._setting = setting
        self._rung = rung
        self._known: dict[int, _Value] = {}
        self._is_spare = False
        self.requests = sum(item.weight * (len(item.arrivals) - item.present) for item in setting.futures)

    def best(self, current: int, *, least: int, most: int) -> Judged:
        """Return the best count between two bounds, from the one that runs."""
        begin = min(max(current, least), max(most, least))
        chosen = self._upwards(begin, max(most, least))
        if chosen == begin:
            chosen = self._downwards(begin, least)
        found = self._value(chosen)
        base = self._known.get(current)
        return Judged(
            count=chosen,
            misses=found.misses,
            requests=self.requests,
            usd=found.usd,
            saved_misses=None if chosen == current or base is None else base.misses - found.misses,
            judged=len(self._known),
            miss_usd=max(self._setting.miss_usd.values()),
            is_spare=self._is_spare,
        )

    def worth(self, count: int) -> float:
        """Return what the misses with so many replicas are worth, in dollars."""
        return self._value(count).worth

    def usd(self, count: int) -> float:
        """Return what so many replicas cost over the horizon."""
        return _usd(self._setting, self._rung(count))

    def results(self, count: int) -> list[tuple[float, FleetResult, int]]:
        """Return what becomes of each future with so many replicas: weight, result and requests that come first."""
        counts = self._rung(count)
        return [
            (future.weight, *_play(self._setting, counts, future, index))
            for index, future in enumerate(self._setting.futures)
        ]

    def _upwards(self, count: int, most: int) -> int:
        while count < most:
            here = self._value(count)
            tries = JUMPS if here.misses > MANY * self.requests else JUMPS[:1]
            found = [
                more
                for more in dict.fromkeys(min(count + jump, most) for jump in tries)
                if here.worth > self.usd(more) - here.usd and self._value(more).total < here.total - 1e-12
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
        while count > least:
            here, early = self._value(count), self._early_usd(count - 1)
            fewer = self._value(count - 1, at_most=here.total + early)
            self._is_spare |= fewer.total - early < here.total
            if fewer.total >= here.total - 1e-12:
                break
            count -= 1
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
    result, present = _play(setting, counts, future, index)
    bad = ~result.good(setting.objectives)[present:]
    share = bad.size / max(1, len(future.arrivals) - future.present)
    missed = np.bincount(result.arrivals.class_index[present:][bad], minlength=len(result.arrivals.classes))
    scale = 1 / share if 0 < share < 1 else 1.0
    return {name: float(count) * scale for name, count in zip(result.arrivals.classes, missed.tolist(), strict=True)}


def _play(setting: Setting, counts: Mapping[str, int], future: Future, index: int) -> tuple[FleetResult, int]:
    """Play one future; the result has the requests in flight first, as many as the second value says."""
    lives = [life for group in setting.groups for life in _lives(setting, group, counts, future, index)]
    if len(lives) <= EXACT or not future.arrivals.arrival_s.size:
        return fleet.simulate(future.arrivals, lives), future.present
    kept, small = _represented(future, lives)
    present = int(np.count_nonzero(kept[: future.present]))
    return fleet.simulate(_chosen(future.arrivals, kept), small), present


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


def _represented(future: Future, lives: Sequence[ReplicaLife]) -> tuple[NDArray[np.bool_], list[ReplicaLife]]:
    """Return which requests a small fleet gets so that each of its replicas has the load of the large one, and it.

    The share of requests is small / serving(t), with the replicas that serve at the time of each request.
    """
    at_s = future.arrivals.arrival_s
    begins = np.sort([life.ready_s for life in lives if life.stop_s > DRAIN_S])
    ends = np.sort([life.stop_s for life in lives if life.stop_s > DRAIN_S])
    serving = np.searchsorted(begins, at_s, side="right") - np.searchsorted(ends, at_s, side="right")
    serving[: future.present] = sum(life.ready_s == 0 for life in lives)
    kept = future.mark * np.maximum(serving, SMALL) < SMALL
    return kept, [ReplicaLife(profile=lives[0].profile)] * SMALL


def _chosen(arrivals: Arrivals, rows: NDArray[np.bool_]) -> Arrivals:
    return dataclasses.replace(
        arrivals,
        arrival_s=arrivals.arrival_s[rows],
        input_tokens=arrivals.input_tokens[rows],
        output_tokens=arrivals.output_tokens[rows],
        cached_tokens=arrivals.cached_tokens[rows],
        class_index=arrivals.class_index[rows],
    )
