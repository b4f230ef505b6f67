"""Arrival times drawn under a rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.traces import rates

_INTEGRAL_POINTS = 200_000
"""Of the rate's integral: a second apart over two days, and never more than a two hundred thousandth of the time."""


def poisson(rate: rates.Rate, duration_s: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a Poisson process whose rate changes over time, by thinning (Lewis and Shedler 1979).

    Candidates come at the highest rate, and one at time t stays with probability rate(t) / highest rate.

    Returns:
        Times in seconds from 0 until `duration_s`, rising.
    """
    times = np.sort(rng.random(rng.poisson(rate.most * duration_s))) * duration_s
    stays: NDArray[np.bool_] = rng.random(times.size) * rate.most < rate.per_second(times)
    return times[stays]


def renewal(rate: rates.Rate, duration_s: float, cv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw arrivals whose gaps, in time stretched by the rate, follow a Gamma law of mean 1.

    Time is the integral of the rate, so the rate holds at each instant whatever the law. Before the first arrival lies
    what is left of a gap at a random instant: such a gap follows the law weighted by length, Gamma with shape + 1.

    Args:
        rate: requests per second.
        duration_s: length of the trace.
        cv: coefficient of variation of the gaps: 1 is a Poisson process, more comes in bursts, less is regular.
        rng: source of randomness.

    Returns:
        Times in seconds from 0 until `duration_s`, rising.
    """
    grid = np.linspace(0, duration_s, _INTEGRAL_POINTS + 1)
    mass = rate.per_second((grid[:-1] + grid[1:]) / 2) * (duration_s / _INTEGRAL_POINTS)
    integral = np.concatenate([[0.0], np.cumsum(mass)])
    shape = cv**-2
    places = [np.array([rng.gamma(shape + 1, 1 / shape) * rng.random()])]
    while places[-1][-1] < integral[-1]:
        missing = integral[-1] - places[-1][-1]
        places.append(places[-1][-1] + np.cumsum(rng.gamma(shape, 1 / shape, 64 + int(1.1 * missing))))
    found = np.concatenate(places)
    times: NDArray[np.float64] = np.interp(found[found < integral[-1]], integral, grid)
    before_end: NDArray[np.float64] = np.minimum(times, np.nextafter(duration_s, 0))
    return before_end
