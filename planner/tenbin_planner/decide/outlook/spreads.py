"""How far forecasts miss: their scale, horizon by horizon, and the quantiles of what they missed by.

An error of a log rate is seen through counting noise: Var(error) = a + disagreement of experts + noise, of which `a` is
learned. Errors over their standard deviation make a histogram; its quantiles
take the place of the normal law's, so coverage is right whatever the law.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.decide.outlook import experts, levels

Floats = levels.Floats
Integers = NDArray[np.int64]

REPORTED = (0.5, 0.9, 0.99)
"""Shares whose quantiles are watched."""
PACES = 2
"""Of forgetting the scale: half an hour, and half a day."""
_KEEP = np.exp(-experts.WINDOW_S / np.array([1800.0, 43200.0]))
_EDGE = 5.0
_STEP = 0.25
BUCKETS = int(2 * _EDGE / _STEP) + 2
"""Of the histogram; the first and the last are open."""
_EDGES = np.arange(-_EDGE, _EDGE + _STEP / 2, _STEP)
_RESIDUAL_KEEP = math.exp(-experts.WINDOW_S / 43200.0)
_NOISE_OF_LEVEL = 0.15
"""Variance of a level over that of a window's count: it averages over several windows."""
_SHIFT = 0.4
"""Of the rate of the last hour, that is added to rates before their logarithms are compared."""
_PRIOR_WEIGHT = np.array([8.0, 20.0])
"""Windows' worth of belief in the prior scale."""
_PRIOR = (0.06 + 0.25 * np.sqrt(experts.HORIZONS_S / 900)) ** 2
_RESIDUAL_PRIOR = 60.0
"""Windows' worth of belief in the prior law, per window that a horizon spans."""
_MOST = 4.0
"""Standard deviations that an error counts as at most, for the scale."""
_TAIL = 0.25
"""Beyond the edges the law falls as a power: quantiles grow with this power of the share beyond."""
_MOST_TAIL = 2.0
"""Of the edge, as far as the tails go."""


def _prior_law() -> Floats:
    """Return the share of each bucket under Student's law of four degrees of freedom, scaled to unit variance."""
    x = _EDGES * math.sqrt(2.0)
    below = 0.5 + 0.5 * x / np.sqrt(4 + x**2) * (1 + 2 / (4 + x**2))
    shares: Floats = np.diff(np.concatenate([[0.0], below, [1.0]]))
    return shares


_LAW = _prior_law()


def variance(scales: Floats, spread: Floats) -> Floats:
    """Return the variance of the log rate about its forecast, shape (horizons,), apart from noise.

    Args:
        scales: see `memory.DemandMemory.scales`.
        spread: variance between experts, shape (horizons,).
    """
    weight = _PRIOR_WEIGHT[:, None]
    means = (scales[0] + weight * _PRIOR) / (scales[1] + weight)
    found: Floats = np.maximum(means, 1e-4).mean(axis=0) + spread
    return found


def shift(logs: Floats) -> Floats:
    """Return what is added to rates before their logarithms are compared, in requests per second.

    A share of the rate of the last hour, so that what falls to nothing for a while has not fallen without bound; and
    half a request per window.

    Args:
        logs: levels, shape (..., levels).
    """
    found: Floats = _SHIFT * np.exp(logs[..., levels.TIMES_S.size - 1]) + 0.5 / experts.WINDOW_S
    return found


def shifted(logs: Floats, added: Floats) -> Floats:
    """Return the logarithms that are compared, of rates given as logarithms."""
    found: Floats = np.log(np.exp(logs) + added)
    return found


def noise(rates: Floats, added: Floats, dispersion: float, over_s: float = experts.WINDOW_S) -> Floats:
    """Return the variance that counting over a while adds to the shifted logarithm of a rate."""
    found: Floats = dispersion * (rates + 0.5 / over_s) / (over_s * (rates + added) ** 2)
    return found


def level_noise(rates: Floats, added: Floats, dispersion: float) -> Floats:
    """Return the part of a forecast's variance that is counting noise of the past."""
    return _NOISE_OF_LEVEL * noise(rates, added, dispersion)


def add_scale(scales: Floats, horizons: Integers, squares: Floats, total: Floats, explained: Floats) -> None:
    """Take in errors, in place.

    Args:
        scales: see `memory.DemandMemory.scales`.
        horizons: which were scored.
        squares: of the errors, shape of `horizons`.
        total: variance that they were expected to have.
        explained: of it what noise and disagreement explain.
    """
    excess = np.minimum(squares, _MOST**2 * total) - explained
    scales[:, :, horizons] *= _KEEP[None, :, None]
    scales[0][:, horizons] += excess
    scales[1][:, horizons] += 1.0


def add_residual(residuals: Floats, horizons: Integers, standardised: Floats) -> None:
    """Take in errors over their standard deviations, in place."""
    residuals[horizons] *= _RESIDUAL_KEEP
    residuals[horizons, np.searchsorted(_EDGES, standardised)] += 1.0


def law(residuals: Floats) -> Floats:
    """Return the share of errors up to each edge, by horizon, shape (horizons, edges)."""
    weight = _RESIDUAL_PRIOR * (1 + experts.HORIZONS_S / 120.0)
    mass = residuals + weight[:, None] * _LAW
    found: Floats = np.cumsum(mass, axis=1)[:, :-1] / mass.sum(axis=1, keepdims=True)
    return found


def quantiles(below: Floats, shares: Floats) -> Floats:
    """Return the quantiles of a law.

    Args:
        below: share up to each edge, shape (edges,).
        shares: any shape.
    """
    inner = np.interp(shares, below, _EDGES)
    high, low = 1 - below[-1], below[0]
    inner = np.where(shares > below[-1], _tail(1 - shares, high), inner)
    found: Floats = np.where(shares < low, -_tail(shares, low), inner)
    return found


def _tail(share: Floats, beyond: float) -> Floats:
    found: Floats = _EDGE * np.minimum((beyond / np.maximum(share, 1e-9)) ** _TAIL, _MOST_TAIL)
    return found
