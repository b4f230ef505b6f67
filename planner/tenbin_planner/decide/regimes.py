"""What a pool's lead time may be: regimes, each log-normal with a median and a spread, with some starts far off.

A regime drifts a little from start to start, and may change between any two: an image is cached by now, or the cloud
is slow today. The chance of each regime after each start is exact over a grid of regimes. So a change is followed after
two or three starts, while one odd start moves little: it may be one of those that are far off.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SHORTEST_S, LONGEST_S = 1.0, 86_400.0
"""Shorter and longer times count as these."""
SPREADS = np.array([0.08, 0.136, 0.25, 0.5])
"""Standard deviations of the logarithm; 0.136 is a 95th percentile of 1.25 medians."""
SPREAD_CHANCES = np.array([0.25, 0.45, 0.2, 0.1])
PRIOR_STARTS = 2.5
"""Starts that the declared lead time counts like."""
CHANGE = 0.04
"""Chance that the regime changes between two starts."""
CHANGE_SPREAD = 1.0
"""Standard deviation of the logarithm of a new regime's median about the declared lead time."""
DRIFT = 0.05
"""Chance that a median goes up by one step of the grid between two starts, and that it goes down: old starts fade."""
RETURN = 0.25
"""Chance that a new regime is the declared one."""
OFF = 0.06
"""Share of starts that are far off, in any regime."""
OFF_SPREAD = 1.0
_STEP = 0.07
_LEAST = 1e-12

_LOG_TIMES = np.arange(math.log(SHORTEST_S), math.log(LONGEST_S) + 4 * OFF_SPREAD, _STEP)
TIMES_S = np.exp(_LOG_TIMES)
"""Times that survival is tabled at, in seconds; they lie evenly on a logarithmic scale."""
_MEDIANS = np.repeat(np.arange(math.log(SHORTEST_S), math.log(LONGEST_S) + _STEP, _STEP), len(SPREADS))
_OF_MEDIAN = np.tile(SPREADS, len(_MEDIANS) // len(SPREADS))


def usable_s(seconds: float) -> float:
    """Return a time within the range that is told apart; what is no number counts as the shortest."""
    if math.isnan(seconds):
        return SHORTEST_S
    return min(max(seconds, SHORTEST_S), LONGEST_S)


@functools.cache
def table() -> NDArray[np.float64]:
    """Return the chance that a start takes longer, of shape (regimes, times)."""
    distance = _LOG_TIMES[None, :] - _MEDIANS[:, None]
    survival = (1 - OFF) * _above(distance / _OF_MEDIAN[:, None]) + OFF * _above(distance / OFF_SPREAD)
    survival.flags.writeable = False
    return survival


def prior(declared_s: float) -> NDArray[np.float64]:
    """Return the chances of regimes before any start, about a declared lead time in seconds."""
    return _about(declared_s, SPREADS[1] / math.sqrt(PRIOR_STARTS))


def reset(declared_s: float) -> NDArray[np.float64]:
    """Return the chances of a regime that begins anew."""
    return (1 - RETURN) * _about(declared_s, CHANGE_SPREAD) + RETURN * prior(declared_s)


def changed(chances: NDArray[np.float64], fresh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chances for the next start, before which the regime may change."""
    by_median = chances.reshape(-1, len(SPREADS))
    drifted = (1 - 2 * DRIFT) * by_median
    drifted[1:] += DRIFT * by_median[:-1]
    drifted[:-1] += DRIFT * by_median[1:]
    drifted[0] += DRIFT * by_median[0]
    drifted[-1] += DRIFT * by_median[-1]
    mixed: NDArray[np.float64] = (1 - CHANGE) * drifted.ravel() + CHANGE * fresh
    return mixed


def given(chances: NDArray[np.float64], from_s: float, until_s: float | None) -> NDArray[np.float64]:
    """Return the chances after a start that took longer than one time and not longer than the other.

    Args:
        chances: before it.
        from_s: seconds; 0 when it may have been any time.
        until_s: seconds; None when it ended without serving.
    """
    longer = _column(from_s) if from_s > SHORTEST_S else np.ones_like(chances)
    if until_s is None:
        return _normal(chances * np.maximum(longer, _LEAST))
    # Ages are known to a few per cent at best; narrower bounds would tell spreads apart that are not.
    until_s = max(usable_s(until_s), usable_s(from_s) * math.exp(_STEP))
    return _normal(chances * np.maximum(longer - _column(until_s), _LEAST))


def later_than(chances: NDArray[np.float64], ages_s: Sequence[float]) -> NDArray[np.float64]:
    """Return the chances after starts that wait and have these ages, in seconds."""
    for age_s in ages_s:
        chances = given(chances, age_s, None)
    return chances


def survival_at(survival: NDArray[np.float64], seconds: float) -> float:
    """Return the chance that a start takes longer, from one tabled at `TIMES_S`; 1 below the shortest time."""
    if seconds <= SHORTEST_S:
        return 1.0
    return float(np.interp(math.log(seconds), _LOG_TIMES, survival))


def times_at(survival: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times in seconds that starts outlast with these chances; the inverse of `survival_at`."""
    found: NDArray[np.float64] = np.exp(np.interp(-chances, -survival, _LOG_TIMES))
    return found


def _column(seconds: float) -> NDArray[np.float64]:
    """Return the chance of each regime that a start takes longer than a time."""
    place = (math.log(usable_s(seconds)) - _LOG_TIMES[0]) / _STEP
    left = min(int(place), len(_LOG_TIMES) - 2)
    share = place - left
    tabled = table()
    found: NDArray[np.float64] = (1 - share) * tabled[:, left] + share * tabled[:, left + 1]
    return found


def _about(declared_s: float, spread: float) -> NDArray[np.float64]:
    distance = (_MEDIANS - math.log(usable_s(declared_s))) / spread
    return _normal(np.exp(-0.5 * np.minimum(distance**2, 600.0)) * np.tile(SPREAD_CHANCES, len(distance) // 4))


def _normal(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    normal: NDArray[np.float64] = chances / chances.sum()
    return normal


def _above(z: Any) -> NDArray[np.float64]:
    """Return the upper tail of the standard normal distribution (Abramowitz and Stegun 26.2.17, to 7.5e-8)."""
    size = np.abs(z)
    step = 1 / (1 + 0.2316419 * size)
    series = step * (
        0.319381530 + step * (-0.356563782 + step * (1.781477937 + step * (-1.821255978 + step * 1.330274429)))
    )
    tail = np.exp(-(size**2) / 2) / math.sqrt(2 * math.pi) * series
    found: NDArray[np.float64] = np.where(z >= 0, tail, 1 - tail)
    return found
