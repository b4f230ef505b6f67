"""How many observations were within a threshold, as far as a histogram can tell.

A histogram counts up to its bucket bounds only. Between two bounds nothing is known, so that a threshold there has a
lower and an upper share; a quantile taken below the first bound would be an artefact of interpolation.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math

from tenbin_planner.decide.observation import Absent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histogram:
    """Cumulative buckets as an engine counts them since it started."""

    bounds: tuple[float, ...]
    """Rising; the last one is infinite unless the page lacks it."""
    counts: tuple[float, ...]
    """Observations at or below each bound; any number that a page may hold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareWithin:
    """Share of observations at or below a threshold."""

    lower: float
    """Certainly within: up to the floor. 0 where the threshold is below the first bound."""
    upper: float
    """Not certainly beyond: up to the first bound at or above the threshold."""
    floor: float | None
    """Largest bound at or below the threshold; None below the first bound."""
    observations: float

    @property
    def is_exact(self) -> bool:
        """Whether the histogram tells the share itself: always so with a bound at the threshold."""
        return self.lower == self.upper


def share_within(before: Histogram, after: Histogram, *, threshold: float) -> ShareWithin | Absent:
    """Return the share of the observations between two scrapes that were at or below a threshold.

    An engine that has counted less since began anew in between: all that it has counted since then is taken. Each
    histogram is of one quantity: the share of requests within several thresholds at once does not follow from these.
    Requests that were refused or failed are in no histogram, and an attainment has to count them as missed.

    Args:
        before: the earlier scrape.
        after: the later scrape; of the same engine, in the same unit.
        threshold: in the unit of the bounds.

    Returns:
        Absent where the histograms say nothing: without a usable count of all observations, without any observation, or
        with counts that fall from one bucket to the next.
    """
    earlier, later = _usable(before), _usable(after)
    if not (_is_rising(earlier) and _is_rising(later)):
        return Absent(why="counts fall from one bucket to the next")
    grown = _growth(earlier, later)
    if math.inf not in grown:
        return Absent(why="no usable count of all observations")
    bounds, counts = tuple(grown), tuple(grown.values())
    total = counts[-1]
    if total <= 0:
        return Absent(why="no observations between the scrapes")
    at_or_below = bisect.bisect_right(bounds, threshold)
    at_or_above = bisect.bisect_left(bounds, threshold)
    return ShareWithin(
        lower=counts[at_or_below - 1] / total if at_or_below else 0.0,
        upper=counts[at_or_above] / total,
        floor=bounds[at_or_below - 1] if at_or_below else None,
        observations=total,
    )


def _usable(histogram: Histogram) -> dict[float, float]:
    """Return counts by bound, without those that are no counts: a bucket less makes the answer wider, not wrong."""
    pairs = zip(histogram.bounds, histogram.counts, strict=True)
    return {bound: count for bound, count in pairs if math.isfinite(count) and count >= 0}


def _growth(before: dict[float, float], after: dict[float, float]) -> dict[float, float]:
    """Return how much the buckets that both scrapes have grew, or the later scrape alone after a start in between."""
    grown = {bound: count - before[bound] for bound, count in after.items() if bound in before}
    return grown if _is_rising(grown) else after


def _is_rising(counts: dict[float, float]) -> bool:
    """Tell whether no bucket by itself has less than nothing in it."""
    return all(low <= high for low, high in itertools.pairwise((0.0, *counts.values())))
