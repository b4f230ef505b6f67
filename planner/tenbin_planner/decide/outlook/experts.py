"""Experts: forecasts of the logarithm of the rate some time ahead, each right at times, and how they are weighed.

Levels that stay, trends that fade, levels that follow the time of day, and a regression on all of them. They are
weighed by their losses of late, horizon by horizon ("prediction with expert advice").
"""

from __future__ import annotations

import numpy as np

from tenbin_planner.decide.outlook import levels

Floats = levels.Floats

WINDOW_S = 30
"""A rate is told as the mean over this long; forecasts are made and scored each time that it passes."""
HORIZONS_S = np.array([15.0, 45.0, 105.0, 225.0, 465.0, 915.0])
"""To the middle of the window that is forecast; multiples of the window and a half."""
_TRENDS = ((0, 2, 60.0), (1, 3, 240.0), (2, 4, 900.0), (3, 5, 3600.0))
"""Short level, long level, and the time over which the trend between the two fades, in seconds."""
_SEASONAL = (1, 3, 4)
"""Levels that follow the season's change."""
COUNT = levels.LEVELS + len(_TRENDS) + len(_SEASONAL) + 2
"""Experts; the last is the regression, the one before it is the season itself."""
_MOST_CHANGE = 1.5
"""Of the logarithm of the rate, that an expert may tell."""
BASE = 7
"""Level from which the regression tells the difference."""
TERMS = levels.LEVELS - 1 + 2
"""Of the regression: the other levels, the season's change and the season itself."""
_OTHERS = [index for index in range(levels.LEVELS) if index != BASE]
_MOST_TERM = 2.0


def _factors() -> Floats:
    """Return what each trend adds per difference of its levels, shape (horizons, trends)."""
    rows = []
    for short, long, reach_s in _TRENDS:
        age_s = float(levels.TIMES_S[short])
        ahead_s = age_s + reach_s * (1 - np.exp(-HORIZONS_S / reach_s))
        rows.append(ahead_s / (levels.TIMES_S[long] - age_s))
    return np.array(rows).T


_FACTORS = _factors()
_SHORT = [item[0] for item in _TRENDS]
_LONG = [item[1] for item in _TRENDS]


def told(
    logs: Floats, change: Floats, season: Floats, trust: Floats | float, *, followed: Floats, regression: Floats
) -> Floats:
    """Return each expert's forecast.

    Args:
        logs: levels, shape (..., levels).
        change: of the season's logarithm until each horizon, shrunk, shape (..., horizons).
        season: logarithm of the season at each horizon, shape (..., horizons).
        trust: in the season; one number, or shape (..., 1).
        followed: how much of that change levels are moved by, shape (..., horizons).
        regression: the regression's forecast, shape (..., horizons).

    Returns:
        Logarithms of rates, shape (..., horizons, experts).
    """
    shape = change.shape
    result = np.empty((*shape, COUNT))
    many = logs[..., None, :]
    result[..., : levels.LEVELS] = many + followed[..., None]
    at = levels.LEVELS
    bend = _FACTORS * (many[..., _SHORT] - many[..., _LONG])
    result[..., at : at + len(_TRENDS)] = many[..., _SHORT] + np.clip(bend, -_MOST_CHANGE, _MOST_CHANGE)
    at += len(_TRENDS)
    result[..., at : at + len(_SEASONAL)] = many[..., _SEASONAL] + change[..., None]
    result[..., -2] = trust * season + (1 - trust) * logs[..., None, 4]
    result[..., -1] = regression
    return result


def terms(logs: Floats, change: Floats, season: Floats, trust: Floats | float) -> Floats:
    """Return what the regression knows, shape (..., horizons, terms); arguments as those of `told`."""
    base = logs[..., BASE, None]
    result = np.empty((*change.shape, TERMS))
    result[..., : levels.LEVELS - 1] = (logs[..., _OTHERS] - base)[..., None, :]
    result[..., -2] = change
    result[..., -1] = trust * (season - change - base)
    return np.clip(result, -_MOST_TERM, _MOST_TERM)
