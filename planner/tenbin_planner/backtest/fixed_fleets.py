"""Constant fleets of one service around its target, and their hull."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.backtest import hull, running, scores
from tenbin_planner.backtest.policies.fixed import Fixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.scores import Score

NEAR = 6
"""Fleets on either side of the smallest that reaches the target that are tried one by one; further away the distance
doubles."""
DRIVEN_S = 60.0
"""Steps in which time is driven on where replicas are lost."""
WARM_S = 600.0
"""What a warm start is sized for: the first ten minutes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleets:
    """Constant fleets of one service."""

    scores: Mapping[int, Score]
    """By replicas, rising."""
    smallest: int | None
    """Replicas of the smallest that reaches the target of each class; None when none does."""
    hull: hull.Hull


def explore(given: Scenario, service: str, *, seed: int = 0, progress: Callable[[int], None] | None = None) -> Fleets:
    """Try constant fleets of a service as if it were alone.

    Args:
        given: the scenario.
        service: whose fleets.
        seed: of the runs.
        progress: takes the number of fleets tried so far.
    """
    tried = _Tried(given.only(service), service, seed, progress)
    low = tried.smallest()
    for count in _outwards(low, -1, tried.least):
        tried.score(count)
    for count in _outwards(low, 1, tried.most):
        before = max(known for known in tried.scores if known < count)
        if tried.score(count).attainment <= tried.scores[before].attainment and count > low + NEAR:
            break
    known = dict(sorted(tried.scores.items()))
    points = [hull.Point(item.attainment, item.usd, count) for count, item in known.items()]
    smallest = low if known[low].is_target_met else None
    return Fleets(scores=known, smallest=smallest, hull=hull.Hull.of(points))


def warm(given: Scenario, *, seed: int = 0, first_s: float = WARM_S) -> Scenario:
    """Return a scenario that begins with the smallest fleets that keep the target over its first seconds.

    A fleet does not come from nowhere: whatever ran before has left about what the traffic needs.
    """
    traces = {name: trace.window(0.0, first_s) for name, trace in given.traces.items() if trace.arrival_s[0] < first_s}
    begins = dataclasses.replace(given, traces=traces, faults=(), spot={}, duration_s=min(first_s, given.end_s))
    initial: dict[str, int] = {}
    for service in sorted(given.document.services):
        agreed = given.document.services[service].replicas
        alone = begins.only(service)
        count = _Tried(alone, service, seed).smallest() if service in traces else agreed.min
        initial |= given.spread(service, count)
    return dataclasses.replace(given, initial=initial)


class _Tried:
    """Constant fleets, each of which is run once."""

    def __init__(self, alone: Scenario, service: str, seed: int, progress: Callable[[int], None] | None = None) -> None:
        self.scores: dict[int, Score] = {}
        self.least = max(alone.document.services[service].replicas.min, 1)
        self.most = max(alone.most(service), self.least)
        self._alone = alone
        # What is lost is replaced on nodes that become free, which are given away when time is driven on.
        self._interval_s = DRIVEN_S if alone.loses_replicas else math.inf
        self._service = service
        self._seed = seed
        self._progress = progress

    def score(self, count: int) -> Score:
        if count not in self.scores:
            made = running.run(self._alone, Fixed({self._service: count}, self._interval_s), seed=self._seed)
            self.scores[count] = scores.score(made)
            if self._progress is not None:
                self._progress(len(self.scores))
        return self.scores[count]

    def smallest(self) -> int:
        """Return the smallest fleet that reaches the target, the largest when none does."""
        low, high = self.least, self.least
        while high < self.most and not self.score(high).is_target_met:
            low, high = high + 1, min(2 * high, self.most)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.score(middle).is_target_met else (middle + 1, high)
        self.score(low)
        return low


def _outwards(count: int, sign: int, last: int) -> Iterator[int]:
    """Return fleets further and further from one, up to the last that there may be."""
    distance = 1
    while (last - count) * sign >= distance:
        yield count + sign * distance
        distance += max(1, distance - NEAR + 1)
