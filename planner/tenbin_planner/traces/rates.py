"""Request rates over time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
HOUR_S = 3600.0

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rate:
    """Requests per second over time."""

    per_second: Curve
    """Takes times in seconds, of any shape, and returns a rate of 0 or more for each."""
    most: float
    """Upper bound of the rate; the closer, the faster arrivals are drawn."""


def constant(rate: float) -> Rate:
    """Return the same rate at all times."""
    return Rate(per_second=lambda at_s: np.full(np.shape(at_s), rate), most=rate)


def diurnal(*, peak: float, trough: float, peak_hour: float = 15.0, weekend: float = 1.0) -> Rate:
    """Return a day that swings as a cosine between `trough` and `peak`, which comes at `peak_hour`.

    Second 0 is midnight before the first of five working days; on the two days that follow them the rate is `weekend`
    times as high.
    """

    def per_second(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = 2 * math.pi * (at_s / HOUR_S - peak_hour) / 24
        day = (trough + peak) / 2 + (peak - trough) / 2 * np.cos(phase)
        return day * np.where(at_s // DAY_S % 7 >= 5, weekend, 1.0)

    return Rate(per_second=per_second, most=peak * max(1.0, weekend))


def step(*, before: float, after: float, at_s: float, until_s: float = math.inf) -> Rate:
    """Return `after` from `at_s` until `until_s`, and `before` at other times."""
    return Rate(
        per_second=lambda now: np.where((now >= at_s) & (now < until_s), after, before), most=max(before, after)
    )


def ramp(*, start: float, end: float, from_s: float, to_s: float) -> Rate:
    """Return a rate that goes from `start` to `end` in a straight line between two instants, and stays after them."""
    return Rate(per_second=lambda now: np.interp(now, [from_s, to_s], [start, end]), most=max(start, end))


def sine(*, mean: float, amplitude: float, period_s: float) -> Rate:
    """Return mean - amplitude * cos(2 pi t / period), which begins at its lowest."""
    return Rate(
        per_second=lambda now: mean - amplitude * np.cos(2 * math.pi * now / period_s), most=mean + abs(amplitude)
    )


def bursts(
    *, rate: float, burst: float, calm_s: float, burst_s: float, duration_s: float, rng: np.random.Generator
) -> Rate:
    """Return a rate that jumps between `rate` and `burst` at random, as in a Markov-modulated Poisson process.

    Times of calm and of bursts are exponential with means `calm_s` and `burst_s`; the state at the beginning is drawn
    from the long-run shares of the two.
    """
    in_burst = bool(rng.random() < burst_s / (calm_s + burst_s))
    instants, now, state = [0.0], 0.0, in_burst
    while now < duration_s:
        now += float(rng.exponential(burst_s if state else calm_s))
        instants.append(now)
        state = not state
    borders = np.array(instants)

    def per_second(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        switches = np.searchsorted(borders, at_s, side="right") - 1
        return np.where((switches % 2 == 1) != in_burst, burst, rate)

    return Rate(per_second=per_second, most=max(rate, burst))
