"""How many requests per second will come: level and trend of recent arrivals, as a quantile.

Bayesian linear regression on arrivals per bin, with weights that fall with age:

    rate(t) = level + trend * (t - now),    count / length ~ Normal(rate, dispersion * rate / length)

with a normal prior on the trend around 0: how fast demand may change is limited by `GROWTH` of its level per horizon.
The forecast at now + h is Normal(level + h * trend, var) with the posterior's variance; its quantile grows with the
horizon and with how little has been seen. The weights' time constant is the horizon itself: what is to be told about
the next minute is written in about the last one.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.decide import memory as memories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GROWTH = 0.5
"""Standard deviation of the change of demand over one horizon, as a share of its level, before anything is seen."""
NORMAL_QUANTILE = 1.0
"""Standard deviations above the mean that are planned for: the 84 % quantile."""
DOUBT = 2.0
"""Standard deviations by which the level must lie above the declared peak to count as above it."""
MOST_DISPERSION = 4.0
"""Variance of counts over that of a Poisson process, at most."""
MEMORY_HORIZONS = 1.0
"""Time constant of the weights, in horizons."""
SHORTEST_MEMORY_S = 15.0
LONGEST_MEMORY_S = 300.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecast:
    """Demand now and to come, in requests per second."""

    level: float
    """Now."""
    trend: float
    """Change per second."""
    covariance: tuple[float, float, float]
    """Of level and trend: var(level), cov(level, trend), var(trend)."""

    def mean(self, ahead_s: float) -> float:
        """Return the expected rate at now + `ahead_s`."""
        return max(0.0, self.level + self.trend * ahead_s)

    def deviation(self, ahead_s: float) -> float:
        """Return the standard deviation of what is known of the rate at now + `ahead_s`."""
        level, both, trend = self.covariance
        return math.sqrt(max(0.0, level + 2 * ahead_s * both + ahead_s**2 * trend))

    def quantile(self, ahead_s: float) -> float:
        """Return the rate at now + `ahead_s` that is planned for."""
        return max(0.0, self.level + self.trend * ahead_s + NORMAL_QUANTILE * self.deviation(ahead_s))

    def expected(self, ahead_s: float, peak_rps: float) -> float:
        """Return the mean rate at now + `ahead_s`; a trend is not followed above the declared peak."""
        return min(self.mean(ahead_s), max(peak_rps, self.level))

    def planned(self, ahead_s: float, peak_rps: float) -> float:
        """Return the rate at now + `ahead_s` that is planned for, given the declared peak.

        Demand above the peak is not agreed on and so not expected: what is above must be there already, beyond doubt.
        """
        beyond_doubt = self.level - DOUBT * self.deviation(0.0)
        return min(self.quantile(ahead_s), max(peak_rps, beyond_doubt))


def forecast(
    arrivals: Sequence[int | None], bins: Mapping[int, int], *, at: float, horizon_s: float, floor_rps: float
) -> Forecast | None:
    """Forecast a service's demand.

    Args:
        arrivals: requests in each whole second, the last of which ended at floor(`at`); None is unknown.
        bins: remembered arrivals by bin, of which those before `arrivals` count.
        at: now, in seconds.
        horizon_s: how far ahead it must tell.
        floor_rps: a rate that is nothing unusual for the service, however idle it is now; scales the prior.

    Returns:
        None when nothing is known.
    """
    memory_s = min(max(MEMORY_HORIZONS * horizon_s, SHORTEST_MEMORY_S), LONGEST_MEMORY_S)
    middle, length, count = _samples(arrivals, bins, at=at, reach_s=6 * memory_s)
    if not length.size:
        return None
    weight = np.exp(middle / memory_s)
    rate = max(float((weight * count).sum() / (weight * length).sum()), 0.5 / memory_s)
    precision = weight * length / (rate * _dispersion(count, length, rate, weight))
    prior = (horizon_s / (GROWTH * max(rate, floor_rps))) ** 2
    p00, p01, p11 = precision.sum(), (precision * middle).sum(), (precision * middle**2).sum() + prior
    y0, y1 = (precision * count / length).sum(), (precision * middle * count / length).sum()
    determinant = p00 * p11 - p01**2
    return Forecast(
        level=max(0.0, float((p11 * y0 - p01 * y1) / determinant)),
        trend=float((p00 * y1 - p01 * y0) / determinant),
        covariance=(float(p11 / determinant), float(-p01 / determinant), float(p00 / determinant)),
    )


def remember(arrivals: Sequence[int | None], bins: Mapping[int, int], *, at: float) -> tuple[dict[int, int], int]:
    """Add the complete bins of `arrivals` to the remembered ones.

    Returns:
        The newest `memory.MOST_BINS` bins, and how many of them are new.
    """
    size = memories.BIN_S
    end = math.floor(at)
    start = end - len(arrivals)
    found = {}
    for index in range(-(-start // size), end // size):
        offset = index * size - start
        values = arrivals[offset : offset + size]
        known = [value for value in values if value is not None]
        if len(known) == size:
            found[index] = sum(known)
    oldest = end // size - memories.MOST_BINS
    kept = {index: count for index, count in {**bins, **found}.items() if oldest <= index < end // size}
    return dict(sorted(kept.items())), len(found.keys() - bins.keys())


def _samples(
    arrivals: Sequence[int | None], bins: Mapping[int, int], *, at: float, reach_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return middle (seconds relative to now), length (seconds) and count of each sample, all of shape (samples,)."""
    end = math.floor(at)
    start = end - len(arrivals)
    rows = [
        (start + index + 0.5 - at, 1.0, float(value))
        for index, value in enumerate(arrivals)
        if value is not None and start + index >= at - reach_s
    ]
    size = memories.BIN_S
    rows += [
        ((index + 0.5) * size - at, float(size), float(count))
        for index, count in sorted(bins.items())
        if (index + 1) * size <= start and index * size >= at - reach_s
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _dispersion(
    count: NDArray[np.float64], length: NDArray[np.float64], rate: float, weight: NDArray[np.float64]
) -> float:
    """Return the variance of the counts over that of a Poisson process, from successive differences.

    Differences, since a trend moves the mean of the whole and hardly that of two neighbours:
    E[(a - b)**2] = 2 * dispersion * rate * length.
    """
    same = (length[1:] == length[:-1]) if length.size > 1 else np.zeros(0, dtype=np.bool_)
    if same.sum() < 10:
        return 1.0
    squares = (np.diff(count)[same] ** 2) / (2 * rate * length[1:][same])
    found = float((weight[1:][same] * squares).sum() / weight[1:][same].sum())
    return min(max(found, 1.0), MOST_DISPERSION)
