"""Times taken from a coarse clock: requests of one tick arrive at one instant, a burst that never was.

Such a clock shows in the times themselves: distinct values lie on a grid, and many requests share one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST_STEP_S = 0.5
_LEAST_TICKS = 5
_LEAST_SHARED = 0.1
"""Share of requests that are not alone in their tick: below this, times coincide by chance."""
_TOLERANCE = 0.005
"""Of a step, by which a gap may miss a whole number of steps; clocks are read a few milliseconds late."""


def step_s(arrival_s: NDArray[np.float64]) -> float | None:
    """Return the step of the clock that times of shape (requests,) were taken from; None for a fine clock."""
    ticks, requests = np.unique(arrival_s, return_counts=True)
    if ticks.size < _LEAST_TICKS or requests[requests > 1].sum() < _LEAST_SHARED * arrival_s.size:
        return None
    gaps = np.diff(ticks)
    step = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    # A gap of many steps adds up the errors of the step, so it must fit in proportion.
    steps = np.rint(gaps / step)
    fits = np.abs(gaps - steps * step) <= _TOLERANCE * step * np.maximum(steps, 1)
    return step if step >= _LEAST_STEP_S and fits.mean() >= 0.99 else None


def spread(arrival_s: NDArray[np.float64], step: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Spread requests of one tick over the time until the next, uniformly and in the order they have.

    Args:
        arrival_s: times on the grid, shape (requests,), in any order.
        step: of the clock, in seconds.
        rng: one uniform variate per request is taken from it.

    Returns:
        Times of shape (requests,): each tick's lie between it and the next one, at most `step` later.
    """
    order = np.argsort(arrival_s, kind="stable")
    times = arrival_s[order]
    ticks, place = np.unique(times, return_inverse=True)
    width = np.minimum(np.diff(ticks, append=ticks[-1] + step), step)
    share = rng.random(times.size)
    share = share[np.lexsort((share, place))]
    result = np.empty_like(times)
    result[order] = times + share * width[place]
    return result


def spread_if_coarse(
    arrival_s: NDArray[np.float64], rng: np.random.Generator, *, wanted: bool
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Spread times of a coarse clock, and say so in a note; times of a fine clock stay as they are."""
    step = step_s(arrival_s)
    if step is None:
        return arrival_s, ()
    if not wanted:
        return arrival_s, (f"times lie on a grid of {step:.3g} s: requests of one tick arrive at once",)
    note = f"times lie on a grid of {step:.3g} s: requests of one tick are spread over it, drawn uniformly"
    return spread(arrival_s, step, rng), (note,)
