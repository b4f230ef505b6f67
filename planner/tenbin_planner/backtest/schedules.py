"""The cheapest replicas for each minute of a trace that is known, and what they come to.

A dynamic program over minutes, replicas and requests in flight:

    V(m, n, x) = min over n' of
        start * max(n' - n, 0) + rent(n') + price * missed(m, n', x) + V(m + 1, n', left(m, n', x))

with `missed` and `left` from `minutes`, and the price of a miss, in dollars, such that the whole reaches its target.
The table knows neither drains nor what starts do to latency, so the result is where `improving` begins.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import fluid, improving, minutes, replays, searching
from tenbin_planner.model import fleet
from tenbin_planner.model.lives import ReplicaLife

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tenbin_planner.backtest import scenario

ROOM = 1.1
"""The largest fleet of interest in a minute has this much more than the cheapest constant fleet has for its peak;
improving goes beyond where that pays."""
LEAST = 0.85
"""Share of the fluid need below which next to all requests miss."""
CHEAP, DEAR = 1e-3, 1e2
"""Prices of a miss between which is searched, in rents of a replica for a minute."""
POINTS, HALVINGS = 3, 11
SETTLED = 3.0
"""Times of an answer after which a change of the fleet shows no more."""
FIRST_SHARE = 0.1
"""Of the constant fleet's bill for each miss that is allowed: the price of a miss where improving begins."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Schedule:
    """Replicas of a service that serve, by minute."""

    counts: NDArray[np.int64]
    """Shape (minutes,)."""
    attainment: float
    """Share of good requests of the class that binds, when every start and stop is on time."""
    usd: float
    """Bill of that."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """What is known of a service beforehand."""

    given: scenario.Scenario
    service: str
    known: minutes.Minutes
    rent: NDArray[np.float64]
    """USD per minute of each count of the table, shape (counts,)."""
    start_usd: float
    """What a start costs before it serves, and its end until it is drained."""
    answer_s: float
    """90th percentile of the time that a request takes."""
    constant: Schedule
    """The cheapest constant fleet that reaches the target, or the largest."""

    def schedule(self, miss_usd: float, *, more: int = 0) -> Schedule:
        """Return the cheapest schedule at a price of a miss, in dollars, and some replicas more than it has."""
        counts = cheapest(self.known, self.rent, self.start_usd, miss_usd) + more
        return replay(self.given, self.service, np.minimum(counts, self.given.most(self.service)))

    def solve(self) -> tuple[float, Schedule]:
        """Return the lowest price of a miss at which the target is reached, and its schedule.

        A constant fleet is a schedule as well, so none is dearer than the cheapest of these.
        """
        rent = float(self.rent[-1] / max(int(self.known.counts[-1]), 1))
        found: dict[float, Schedule] = {}

        def evaluate(choices: Mapping[str, searching.Choice]) -> dict[str, tuple[float, float]]:
            price = choices[self.service].amount
            found[price] = self.schedule(price)
            return {self.service: (found[price].attainment, found[price].usd)}

        where = searching.Search(lean=CHEAP * rent, generous=DEAR * rent, points=POINTS, halvings=HALVINGS)
        target = self.given.target(self.service)
        trials = searching.search(where, {self.service: target}, evaluate)[self.service]
        chosen = searching.best(trials, target)
        return chosen.choice.amount, found[chosen.choice.amount]

    def improve(
        self, counts: NDArray[np.int64], *, target: float, trials: int, miss_usd: float | None = None, seed: int = 0
    ) -> improving.Improved:
        """Improve a schedule by replays.

        Args:
            counts: replicas by minute, shape (minutes,).
            target: share of good requests that is wanted.
            trials: replays of changes.
            miss_usd: price of a missed request; None: a part of what the constant fleet costs for each allowed miss.
            seed: of what is tried.
        """
        given, service = self.given, self.service
        lead_s = max(given.lead(item.pool).median_s for item in given.workloads(service))
        limits = improving.Limits(
            least=given.document.services[service].replicas.min,
            most=given.most(service),
            before=math.ceil(lead_s / minutes.STEP_S),
            after=1 + math.ceil(SETTLED * self.answer_s / minutes.STEP_S),
        )
        allowed = max((1 - given.target(service)) * int(self.known.requests.sum()), 1.0)
        return improving.improve(
            lambda each: replays.play(given, service, by_workload(given, service, each)),
            counts,
            limits,
            miss_usd=FIRST_SHARE * self.constant.usd / allowed if miss_usd is None else miss_usd,
            target=target,
            trials=trials,
            seed=seed,
        )


def problem(given: scenario.Scenario, service: str) -> Problem:
    """Find out what there is to know of a service.

    Raises:
        ValueError: when the service has no request, or no workload with a price and a profile.
    """
    arrivals, workloads = given.arrivals(service), given.workloads(service)
    if not len(arrivals) or not workloads:
        raise ValueError(
            f"service {service} has {len(arrivals)} requests and {len(workloads)} workloads with price and profile; "
            "a schedule needs one or more of each"
        )
    constant = cheapest_constant(given, service)
    best = max(int(constant.counts[0]), 1)
    lives = fleet_of(given, service, best)
    answer_s = float(np.nanquantile(np.append(fleet.simulate(arrivals, lives).e2e_ms, 0.0), 0.9)) / 1000
    known = minutes.table(
        arrivals,
        given.objectives(service),
        lambda count: fleet_of(given, service, count),
        of_interest=_of_interest(given, service, best=best, answer_s=answer_s),
        around_s=answer_s,
    )
    first = workloads[0]
    occupied_s = given.lead(first.pool).median_s + answer_s
    return Problem(
        given=given,
        service=service,
        known=known,
        rent=np.array([_rent(given, service, count) for count in known.counts.tolist()]) * minutes.STEP_S / 3600,
        start_usd=float(first.hourly_usd or 0) * occupied_s / 3600,
        answer_s=answer_s,
        constant=constant,
    )


def cheapest(known: minutes.Minutes, rent: NDArray[np.float64], start_usd: float, miss_usd: float) -> NDArray[np.int64]:
    """Return the replicas of each minute that cost least, shape (minutes,).

    Args:
        known: the table.
        rent: USD per minute of each of its counts.
        start_usd: what one more replica costs besides its rent.
        miss_usd: what a missed request costs.
    """
    total, counts, levels = known.missed.shape
    place = np.interp(known.left, known.levels, np.arange(levels))
    lower = np.minimum(place.astype(np.int64), levels - 2)
    share = place - lower
    starts = start_usd * known.counts[:, None]
    columns = np.arange(counts)[:, None]
    value = np.zeros((counts, levels))
    costs = np.empty_like(known.missed)
    for m in range(total - 1, -1, -1):
        later = (1 - share[m]) * value[columns, lower[m]] + share[m] * value[columns, lower[m] + 1]
        costs[m] = rent[:, None] + miss_usd * known.missed[m] + later
        grown = np.minimum.accumulate((costs[m] + starts)[::-1])[::-1] - starts
        value = np.minimum(grown, np.minimum.accumulate(costs[m]))
    return _followed(known, costs, start_usd)


def _followed(known: minutes.Minutes, costs: NDArray[np.float64], start_usd: float) -> NDArray[np.int64]:
    """Walk through the minutes from an empty fleet of any size."""
    chosen = np.empty(costs.shape[0], dtype=np.int64)
    in_flight, before = 0.0, math.inf
    for m in range(costs.shape[0]):
        place = float(np.interp(in_flight, known.levels, np.arange(known.levels.size)))
        low = min(int(place), known.levels.size - 2)
        each = (1 - place + low) * costs[m, :, low] + (place - low) * costs[m, :, low + 1]
        k = int(np.argmin(each + start_usd * np.maximum(known.counts - before, 0.0)))
        in_flight = float(np.interp(in_flight, known.levels, known.left[m, k]))
        before = float(known.counts[k])
        chosen[m] = known.counts[k]
    return chosen


def replay(given: scenario.Scenario, service: str, counts: NDArray[np.int64]) -> Schedule:
    """Send the trace through a schedule whose starts are on time, and add up its bill."""
    made = replays.play(given, service, by_workload(given, service, counts))
    return Schedule(counts=counts, attainment=made.attainment, usd=made.usd)


def by_workload(given: scenario.Scenario, service: str, counts: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return a schedule's replicas by workload, each of shape (minutes,)."""
    spread = {count: given.spread(service, count) for count in np.unique(counts).tolist()}
    return {
        item.name: np.array([spread[count][item.name] for count in counts.tolist()], dtype=np.int64)
        for item in given.workloads(service)
    }


def cheapest_constant(given: scenario.Scenario, service: str) -> Schedule:
    """Return the smallest constant fleet that reaches the target, or the largest, as a schedule."""
    total, target = _minutes(given), given.target(service)

    def judge(count: int) -> Schedule:
        return replay(given, service, np.full(total, count, dtype=np.int64))

    most = given.most(service)
    failing, found = 0, judge(min(1, most))
    while found.attainment < target and int(found.counts[0]) < most:
        failing = int(found.counts[0])
        found = judge(min(2 * failing or 1, most))
    while found.attainment >= target and int(found.counts[0]) - failing > 1:
        middle = judge((failing + int(found.counts[0])) // 2)
        if middle.attainment >= target:
            found = middle
        else:
            failing = int(middle.counts[0])
    return found


def fleet_of(given: scenario.Scenario, service: str, count: int) -> list[ReplicaLife]:
    """Return replicas that serve all the time."""
    spread = given.spread(service, count)
    return [
        ReplicaLife(profile=item.profile)
        for item in given.workloads(service)
        if item.profile is not None
        for _ in range(spread[item.name])
    ]


def _of_interest(given: scenario.Scenario, service: str, *, best: int, answer_s: float) -> minutes.Range:
    """Return fleets between the fluid need of a minute and just above what the best constant fleet has for its peak."""
    arrivals, total = given.arrivals(service), _minutes(given)
    profiles = [item.profile for item in given.workloads(service) if item.profile is not None]
    found = fluid.of_arrivals(profiles[0], arrivals, given.objectives(service))
    seconds = np.maximum(found.engine_s, found.api_s)
    minute = np.minimum((arrivals.arrival_s // minutes.STEP_S).astype(np.int64), total - 1)
    need = np.bincount(minute, weights=seconds, minlength=total) / minutes.STEP_S
    reach = 1 + math.ceil(answer_s / minutes.STEP_S)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(need, (reach, 0), mode="edge"), reach + 1)
    smooth = windows.mean(axis=1)
    low, high = np.minimum(need, smooth), np.maximum(need, smooth)
    margin = max(best / max(float(smooth.max()), 1e-9), 1.0) * ROOM
    least, most = given.document.services[service].replicas.min, given.most(service)
    lowest = np.clip(np.floor(LEAST * low).astype(np.int64), least, most)
    highest = np.clip(np.ceil(margin * high).astype(np.int64) + 1, lowest, most)
    return minutes.Range(lowest=lowest, highest=highest)


def _minutes(given: scenario.Scenario) -> int:
    return max(math.ceil(given.end_s / minutes.STEP_S), 1)


def _rent(given: scenario.Scenario, service: str, count: int) -> float:
    """Return USD per hour of a number of replicas."""
    spread = given.spread(service, count)
    return sum(spread[item.name] * float(item.hourly_usd or 0) for item in given.workloads(service))
