"""What fleets of every size do with each minute of a trace, by how full they are when it begins.

A table for planning with foresight, found by simulation. Each minute is played, with the traffic just before it and
just after, on constant fleets; the traffic before it is thinned or multiplied, so that the minute finds the fleet
emptier or fuller than usual. Of each play count the requests in flight at the minute's beginning and end, and those of
its own requests that miss their objective. Played minutes lie one behind the other in one simulation, far enough apart
for the fleet to be empty in between.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model import fleet
from tenbin_planner.model.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.model.lives import ReplicaLife

STEP_S = 60.0
"""Length of a minute."""
FILLS = (0.4, 1.0, 1.6, 2.8)
"""How much of the traffic before a minute has come."""
SHORTEST_S, LONGEST_S = 20.0, 240.0
"""Bounds of the traffic before and after a minute that is played with it."""
LEVELS = 12
"""Requests in flight for which the table has entries; none, and then rising by a constant factor."""
APART = 60
"""Lengths of a play between the beginnings of two, in which even an overloaded fleet becomes empty."""
SHIFT = 0.381966011250105
"""Share of the time before a minute by which copies of its requests are moved."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Minutes:
    """The table."""

    counts: NDArray[np.int64]
    """Replicas, rising, shape (counts,)."""
    levels: NDArray[np.float64]
    """Requests in flight in the whole fleet at a minute's beginning, rising from 0, shape (levels,)."""
    requests: NDArray[np.int64]
    """Requests that come in each minute, shape (minutes,)."""
    missed: NDArray[np.float64]
    """Of these, how many miss, shape (minutes, counts, levels)."""
    left: NDArray[np.float64]
    """Requests in flight at the minute's end, shape (minutes, counts, levels)."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Range:
    """Fleets of interest for each minute, each of shape (minutes,)."""

    lowest: NDArray[np.int64]
    """With fewer replicas next to all requests miss."""
    highest: NDArray[np.int64]
    """With more replicas nothing changes."""


def table(
    arrivals: Arrivals,
    objectives: Mapping[str, Objective],
    fleet_of: Callable[[int], Sequence[ReplicaLife]],
    *,
    of_interest: Range,
    around_s: float,
) -> Minutes:
    """Build the table.

    Args:
        arrivals: the trace's requests.
        objectives: by class.
        fleet_of: gives replicas that serve all the time, for a count above 0.
        of_interest: fleets to play, by minute.
        around_s: how long before and after a minute traffic is played with it; about the length of an answer.
    """
    around_s = min(max(around_s, SHORTEST_S), LONGEST_S)
    total = of_interest.lowest.size
    counts = _counts(int(of_interest.lowest.min()), int(of_interest.highest.max()))
    first = np.maximum(np.searchsorted(counts, of_interest.lowest, side="right") - 1, 0)
    last = np.minimum(np.searchsorted(counts, of_interest.highest), counts.size - 1)
    before, after, missed = (np.full((total, counts.size, len(FILLS)), np.nan) for _ in range(3))
    for k, count in enumerate(counts.tolist()):
        chosen = np.flatnonzero((first <= k) & (k <= last))
        if not chosen.size or not count:
            continue
        for f, fill in enumerate(FILLS):
            played = _play(arrivals, objectives, fleet_of(count), chosen=chosen, fill=fill, around_s=around_s)
            before[chosen, k, f], after[chosen, k, f], missed[chosen, k, f] = played
    edges = np.searchsorted(arrivals.arrival_s, np.arange(total + 1) * STEP_S)
    return _on_levels(counts, np.diff(edges), (before, after, missed), first=first, last=last)


def _counts(lowest: int, highest: int) -> NDArray[np.int64]:
    """Return counts between two, both included, in steps of a 25th part and of 1 at least."""
    found = [lowest]
    while found[-1] < highest:
        found.append(min(found[-1] + max(1, found[-1] // 25), highest))
    return np.array(found, dtype=np.int64)


def _play(
    arrivals: Arrivals,
    objectives: Mapping[str, Objective],
    lives: Sequence[ReplicaLife],
    *,
    chosen: NDArray[np.int64],
    fill: float,
    around_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Play minutes on a fleet, and return in flight before, in flight after and missed, each of shape (chosen,)."""
    play = _laid_out(arrivals, chosen=chosen, fill=fill, around_s=around_s)
    result = fleet.simulate(play.arrivals, lives)
    at_s = play.arrivals.arrival_s - play.begins_s[play.minute]
    end_s = np.where(np.isnan(result.e2e_ms), -math.inf, at_s + result.e2e_ms / 1000)

    def count(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.bincount(play.minute[rows], minlength=chosen.size).astype(np.float64)

    own = (at_s >= 0) & (at_s < STEP_S) & play.is_real
    return (
        count((at_s < 0) & (end_s >= 0)),
        count((at_s < STEP_S) & (end_s >= STEP_S)),
        count(own & ~result.good(objectives)),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Play:
    arrivals: Arrivals
    minute: NDArray[np.int64]
    """Position of the minute that each request is played for, shape (requests,)."""
    begins_s: NDArray[np.float64]
    """When each minute begins in the simulation, shape (chosen,)."""
    is_real: NDArray[np.bool_]
    """Whether a request is none of the traffic before a minute, shape (requests,)."""


def _laid_out(arrivals: Arrivals, *, chosen: NDArray[np.int64], fill: float, around_s: float) -> _Play:
    begin = chosen * STEP_S
    edges = [np.searchsorted(arrivals.arrival_s, begin + at) for at in (-around_s, 0.0, STEP_S + around_s)]
    length = around_s + STEP_S + around_s
    origin = np.arange(chosen.size, dtype=np.float64) * (length * APART) + around_s
    rows: list[NDArray[np.int64]] = []
    minutes: list[NDArray[np.int64]] = []
    times: list[NDArray[np.float64]] = []
    for copy in range(math.ceil(fill)):
        row, minute = _ranges(edges[0], edges[1])
        share = fill - copy
        if share < 1:
            kept = (row * SHIFT + copy * SHIFT) % 1 < share
            row, minute = row[kept], minute[kept]
        passed = arrivals.arrival_s[row] - begin[minute] + around_s
        rows.append(row)
        minutes.append(minute)
        times.append(origin[minute] - around_s + (passed + copy * SHIFT * around_s) % around_s)
    row, minute = _ranges(edges[1], edges[2])
    warm = sum(item.size for item in rows)
    rows.append(row)
    minutes.append(minute)
    times.append(origin[minute] + arrivals.arrival_s[row] - begin[minute])
    time = np.concatenate(times)
    order = np.argsort(time, kind="stable")
    row, minute = np.concatenate(rows)[order], np.concatenate(minutes)[order]
    return _Play(
        arrivals=Arrivals(
            arrival_s=time[order],
            input_tokens=arrivals.input_tokens[row],
            output_tokens=arrivals.output_tokens[row],
            cached_tokens=arrivals.cached_tokens[row],
            class_index=arrivals.class_index[row],
            classes=arrivals.classes,
        ),
        minute=minute,
        begins_s=origin,
        is_real=order >= warm,
    )


def _ranges(first: NDArray[np.int64], stop: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all rows of several ranges, one range behind the other, and the position of each row's range."""
    sizes = stop - first
    which = np.repeat(np.arange(sizes.size), sizes)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return first[which] + within, which


def _on_levels(
    counts: NDArray[np.int64],
    requests: NDArray[np.int64],
    played: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    *,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> Minutes:
    """Bring what was played onto common levels; beyond the fullest play what is in flight stays in flight."""
    before, after, missed = played
    most = max(float(np.nanmax(after, initial=1.0)), float(np.nanmax(before, initial=1.0)), 2.0)
    levels = np.concatenate([[0.0], np.geomspace(1.0, most, LEVELS)])
    shape = (requests.size, counts.size, levels.size)
    lost, left = np.empty(shape), np.empty(shape)
    for m in range(requests.size):
        for k in range(counts.size):
            if k < first[m] or not counts[k]:
                lost[m, k], left[m, k] = requests[m], levels + requests[m]
                continue
            if k > last[m]:
                lost[m, k], left[m, k] = lost[m, k - 1], left[m, k - 1]
                continue
            start = np.maximum.accumulate(before[m, k])
            lost[m, k] = np.interp(levels, start, np.maximum.accumulate(missed[m, k]))
            left[m, k] = np.interp(levels, start, np.maximum.accumulate(after[m, k]))
            left[m, k] += np.maximum(levels - start[-1], 0.0)
    return Minutes(counts=counts, levels=levels, requests=requests, missed=lost, left=np.minimum(left, most))
