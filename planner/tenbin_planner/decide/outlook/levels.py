"""What a service's rate has been of late: averages over several reaches, of which the experts are made.

Two kinds. Averages whose weights fall with age at a fixed time constant; and ones whose memory follows from the counts
themselves, a Kalman filter of a rate that wanders by a share of itself: at ten requests per second a minute tells much,
at one per minute it tells little.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BIN_S = 5
"""Length of a bin of arrivals, in seconds."""
TIMES_S = np.array([15.0, 45.0, 120.0, 360.0, 1080.0, 3600.0])
"""Time constants of the averages."""
WANDERINGS = np.array([0.03, 0.1, 0.3])
"""Standard deviations of the change of the log rate over a minute that the filters believe in."""
LEVELS = TIMES_S.size + WANDERINGS.size

_KEEP = np.exp(-BIN_S / TIMES_S)
_GAIN = TIMES_S / BIN_S * (1 - _KEEP) * BIN_S
_DRIFT = WANDERINGS**2 / 60 * BIN_S
_LEAST_DOUBT, _MOST_DOUBT = 1e-12, 4.0
"""Variance of the logarithm of a filter's rate."""
_PSEUDO = 1.0
"""Requests' worth of belief of a short average in the next longer one."""
_LEAST_COUNT = 0.3
"""Requests of which nothing, however long, is told apart."""
_DISPERSION_KEEP = math.exp(-BIN_S / 3600)
_DISPERSION_PRIOR = 60.0
"""Bins' worth of belief that arrivals are a Poisson process."""
MOST_DISPERSION = 30.0
SIZE = 2 * LEVELS + 3
"""Numbers of the state: sums and weights of averages, filters and their doubt, dispersion and last bin."""

_N = TIMES_S.size
_SUMS, _WEIGHTS = slice(0, _N), slice(_N, 2 * _N)
_MEANS, DOUBTS = slice(2 * _N, _N + LEVELS), slice(_N + LEVELS, 2 * LEVELS)


def new() -> Floats:
    """Return the state before anything is seen, shape (SIZE,)."""
    state = np.zeros(SIZE)
    state[DOUBTS] = _MOST_DOUBT
    state[-1] = -1.0
    return state


def add(state: Floats, count: float) -> None:
    """Take in the requests of one bin, in place."""
    rate = count / BIN_S
    state[_SUMS] = state[_SUMS] * _KEEP + rate * _GAIN
    state[_WEIGHTS] = state[_WEIGHTS] * _KEEP + _GAIN
    phi = dispersion(state)
    means, doubts = state[_MEANS], state[DOUBTS]
    if means[0] <= 0:
        means[:] = max(count, 0.5) / BIN_S
    doubts[:] = np.minimum(doubts + _DRIFT, _MOST_DOUBT)
    gain = doubts / (doubts + phi / (BIN_S * means))
    means += gain * (rate - means)
    np.maximum(means, 1e-6, out=means)
    np.maximum(doubts * (1 - gain), _LEAST_DOUBT, out=doubts)
    last = state[-1]
    if last >= 0:
        state[-3] = state[-3] * _DISPERSION_KEEP + (count - last) ** 2
        state[-2] = state[-2] * _DISPERSION_KEEP + count + last
    state[-1] = count


def skip(state: Floats, bins: int) -> None:
    """Let bins pass of which nothing is known, in place."""
    state[_SUMS] *= _KEEP**bins
    state[_WEIGHTS] *= _KEEP**bins
    state[DOUBTS] = np.minimum(state[DOUBTS] + _DRIFT * bins, _MOST_DOUBT)
    state[-1] = -1.0


def known_s(state: Floats) -> float:
    """Return the seconds of late, up to an hour, of which something is known."""
    return float(state[2 * _N - 1])


def dispersion(state: Floats) -> float:
    """Return the variance of a bin's count over its mean, 1 or more, from differences of neighbours.

    Differences, since a trend moves the mean of the whole and hardly that of two neighbours:
    E[(a - b)**2] = dispersion * (mean(a) + mean(b)).
    """
    found = (state[-3] + _DISPERSION_PRIOR) / (state[-2] + _DISPERSION_PRIOR)
    return min(max(float(found), 1.0), MOST_DISPERSION)


def logs(state: Floats, *, prior_rps: float | None = None, prior_variance: float = 0.5) -> Floats:
    """Return the logarithms of the levels, shape (LEVELS,): the averages, short to long, then the filters.

    Args:
        state: what is known.
        prior_rps: rate that is believed in as far as nothing is known; None once enough is.
        prior_variance: of the logarithm of `prior_rps`.
    """
    sums, weights = state[_SUMS].tolist(), state[_WEIGHTS].tolist()
    believed_s = 5.0 if prior_rps is not None else 0.0
    # What is known outweighs the belief as soon as a few seconds are: the belief fades as the weights fill.
    fading = believed_s * (1 - state[_WEIGHTS] / TIMES_S)
    result = np.empty(LEVELS)
    least = _LEAST_COUNT / float(TIMES_S[-1])
    level = max((sums[-1] + _LEAST_COUNT * min(1.0, weights[-1] / 30)) / max(weights[-1], 1e-12), least)
    if prior_rps is not None:
        level = (sums[-1] + fading[-1] * prior_rps + 1e-12) / (weights[-1] + max(fading[-1], 1e-9))
        level = max(level, least)
    result[_N - 1] = level
    for index in range(_N - 2, -1, -1):
        belief_s = min(_PSEUDO / level, 3 * float(TIMES_S[index]))
        level = (sums[index] + belief_s * level) / (weights[index] + belief_s)
        level = max(level, 1e-9)
        result[index] = level
    means = np.where(state[_MEANS] > 0, state[_MEANS], result[_N - 1])
    result[_N:] = np.maximum(means, 0.3 * result[_N - 1])
    result = np.log(result)
    if prior_rps is not None:
        share = state[DOUBTS] / (state[DOUBTS] + prior_variance)
        share = np.where(state[DOUBTS] >= _MOST_DOUBT, 1.0, share)
        result[_N:] = (1 - share) * result[_N:] + share * math.log(prior_rps)
    return result
