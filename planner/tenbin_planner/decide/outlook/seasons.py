"""What the time of day, and of the week, tells: the same minutes of earlier days.

Rates of slots of five minutes over fifteen days. The season at an instant is the mean of the logarithms of the smoothed
rates at the same time of earlier days, recent ones weighing more; with two weeks known, the same day of the week does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SLOT_S = 300
SLOTS_A_DAY = 288
DAYS = 14
SLOTS = (DAYS + 1) * SLOTS_A_DAY
UNKNOWN = -1.0
_REACH = 2
"""Slots to either side over which a rate is smoothed."""
_AHEAD = 6
"""Slots ahead that are told of, and so many more than the longest horizon needs."""
_FADING = 0.85
_SAME_WEEKDAY = 6.0
_DOUBT_DAYS = 0.5
"""Days' worth of belief that the time of day tells nothing."""


def course(roots: NDArray[np.float16], first: int) -> tuple[Floats, Floats]:
    """Return the season around now.

    Args:
        roots: square root of the mean rate of each slot, oldest first, shape (SLOTS,); below 0 is unknown.
        first: how many slots after the end of `roots` the course begins; 0 or less is possible.

    Returns:
        Logarithm of the season's rate in slots first, first + 1, ... and how far to trust it, between 0 and 1;
        both of shape (7,). Where nothing is known both are 0.
    """
    days = np.arange(1, DAYS + 1)
    wanted = SLOTS + first + np.arange(-_REACH, _AHEAD + 1 + _REACH)
    places = wanted[None, :] - SLOTS_A_DAY * days[:, None]
    inside = (places >= 0) & (places < SLOTS)
    found = np.where(inside, roots[np.clip(places, 0, SLOTS - 1)], UNKNOWN).astype(np.float64)
    known, rates = found >= 0, found**2
    width = 2 * _REACH + 1
    count = np.lib.stride_tricks.sliding_window_view(known, width, axis=1).sum(axis=2)
    total = np.lib.stride_tricks.sliding_window_view(np.where(known, rates, 0.0), width, axis=1).sum(axis=2)
    # Half a request over the window: zeros are little, not nothing.
    level = np.log((total + 0.5 / SLOT_S) / np.maximum(count, 1))
    weight = (_FADING ** (days - 1))[:, None] * (count >= (width + 1) // 2)
    weeks = days % 7 == 0
    if weight[weeks].all():
        weight[weeks] *= _SAME_WEEKDAY
    mass = weight.sum(axis=0)
    mean = (weight * level).sum(axis=0) / np.maximum(mass, 1e-12)
    return np.where(mass > 0, mean, 0.0), mass / (mass + _DOUBT_DAYS)
