"""Candidates judged by simulating ahead: dollars, and what the misses that are to be expected are worth.

    value(fleet) = rent over the horizon + what starts and stops cost besides + price of a miss x expected misses

The horizon is the lead time and one hold: a replica that is asked for now serves in its second part, and one that is
given up now cannot be back before it. Hysteresis follows from costs: a start pays rent before it serves, a stop pays
until the last answer has ended, and a replica that does not serve yet is cheap to cancel.

Futures are played from the busiest on. Bounds that hold for certain save most of the work: more replicas save at most
all misses, and the misses of the busiest futures alone may be too many for a smaller fleet.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.decide import playing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.decide.futures import Future

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
NOISE = 0.25
"""Part of a replica's rent over the horizon that a change must be worth: what is less comes and goes with the next
tick's forecast."""
LOSSES = ((5, 0.75, 0.25), (4, 0.25, 0.75))
"""What stands for losses of spot replicas, alike in chance: a future of usual demand, the quantile of how many are
lost if any is, and the part of the horizon after which they are. Losses are rare, so no few futures would hold one."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What a service's candidates are judged in."""

    futures: tuple[Future, ...]
    groups: tuple[playing.Group, ...]
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
class Weighed:
    """A fleet that was simulated."""

    count: int
    usd: float
    """What it costs over the horizon."""
    misses: float
    """Requests that are expected to miss over the horizon."""
    worth_usd: float
    """What these are worth."""
    is_partial: bool
    """Whether it was given up as too dear before all futures were played: it misses at least so many."""


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
    horizon_s: float
    weighed: tuple[Weighed, ...]
    """All that were simulated, by count."""
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
        self._noise_usd = NOISE * setting.horizon_s * min(item.usd_per_s for item in setting.groups)
        self.requests = sum(item.weight * (len(item.arrivals) - item.present) / item.share for item in setting.futures)

    def best(self, current: int, *, least: int, most: int) -> Judged:
        """Return the best count between two bounds, from the one that runs."""
        begin = min(max(current, least), max(most, least))
        chosen = self._upwards(begin, max(most, least))
        if chosen == begin:
            chosen = self._downwards(begin, least)
        if self._value(begin).total - self._value(chosen).total < self._noise_usd:
            chosen = begin
        return self.judged(chosen, current)

    def judged(self, count: int, current: int) -> Judged:
        """Return what so many replicas come to, beside those that run."""
        found, base = self._value(count), self._known.get(current)
        return Judged(
            count=count,
            misses=found.misses,
            requests=self.requests,
            usd=found.usd,
            judged=len(self._known),
            saved_misses=None if count == current or base is None else base.misses - found.misses,
            miss_usd=max(self._setting.miss_usd.values()),
            horizon_s=self._setting.horizon_s,
            weighed=tuple(
                Weighed(
                    count=number,
                    usd=item.usd,
                    misses=item.misses,
                    worth_usd=item.worth,
                    is_partial=math.isinf(item.total),
                )
                for number, item in sorted(self._known.items())
            ),
            is_spare=self._is_spare,
        )

    def worth(self, count: int) -> float:
        """Return what the misses with so many replicas are worth, in dollars."""
        return self._value(count).worth

    def usd(self, count: int) -> float:
        """Return what so many replicas cost over the horizon."""
        return _usd(self._setting, self._rung(count))

    def results(self, count: int) -> list[playing.Played]:
        """Return what becomes of each future with so many replicas."""
        counts = self._rung(count)
        return [
            playing.play(future, self._setting.groups, counts, index)
            for index, future in enumerate(self._setting.futures)
        ]

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
        step, above = 1, count
        while count > least:
            step = min(step, count - least)
            here, early = self._value(count), self._early_usd(count - step)
            fewer = self._value(count - step, at_most=here.total + early)
            self._is_spare |= fewer.total - early < here.total
            if fewer.total < here.total - 1e-12:
                above = count
                count -= step
                step *= 2
            elif step > 1:
                step //= 2
            else:
                break
        while count + 1 < above and self._value(count + 1, at_most=self._value(count).total).total < (
            self._value(count).total
        ):
            count += 1
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
    prices = np.array([setting.miss_usd[name] for name in setting.futures[0].arrivals.classes])
    calm: dict[int, NDArray[np.float64]] = {}
    for index, future in enumerate(setting.futures):
        calm[index] = missed = _missed(setting, counts, index)
        misses += future.weight * float(missed.sum())
        worth += future.weight * float(prices @ missed)
        if usd + worth > at_most:
            return _Value(math.inf, usd, misses, worth)
        clean = 0 if missed.any() else clean + 1
        if clean == SURE:
            break
    for loss in _losses(setting, counts):
        more = np.maximum(_missed(setting, counts, loss.future, loss) - calm.get(loss.future, 0.0), 0.0)
        misses += loss.chance * float(more.sum())
        worth += loss.chance * float(prices @ more)
    return _Value(usd + worth, usd, misses, worth)


def _losses(setting: Setting, counts: Mapping[str, int]) -> Iterator[playing.Loss]:
    for group in setting.groups:
        at_risk = min(group.ready, counts.get(group.name, 0))
        if group.losses is None or not at_risk:
            continue
        reached = np.cumsum(group.losses(at_risk)[1:])
        for future, share, part in LOSSES:
            yield playing.Loss(
                group=group.name,
                future=min(future, len(setting.futures) - 1),
                chance=float(reached[-1]) / len(LOSSES),
                count=min(int(np.searchsorted(reached, share * reached[-1])) + 1, at_risk),
                at_s=part * setting.horizon_s,
            )


def _usd(setting: Setting, counts: Mapping[str, int]) -> float:
    total = 0.0
    for group in setting.groups:
        count = counts.get(group.name, 0)
        started = max(0, count - group.current)
        stopped = max(0, group.ready - count)
        seconds = count * setting.horizon_s + started * setting.drain_s + stopped * setting.stop_s
        total += group.usd_per_s * seconds
    return total


def _missed(
    setting: Setting, counts: Mapping[str, int], index: int, loss: playing.Loss | None = None
) -> NDArray[np.float64]:
    """Return the requests that miss among those that come in a future, shape (classes,)."""
    played = playing.play(setting.futures[index], setting.groups, counts, index, loss)
    result, present = played.result, played.present
    bad = ~result.good(setting.objectives)[present:]
    stands_for = played.stands_for[present:][bad]
    classes = result.arrivals.class_index[present:][bad]
    return np.bincount(classes, stands_for, minlength=len(result.arrivals.classes)).astype(np.float64)
