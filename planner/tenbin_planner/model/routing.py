"""Choice of a replica for a request, as functions over arrays with one entry per replica.

Each returns an index, or -1 when no replica takes requests. Of equals the one with the lowest index is chosen, so that
the same state gives the same choice.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner import compiling

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Routing(enum.StrEnum):
    """How a request finds its replica."""

    RANDOM = "random"
    ROUND_ROBIN = "round-robin"
    LEAST_REQUEST = "least-request"
    """Fewest requests in flight."""
    LEAST_QUEUED_TOKENS = "least-queued-tokens"
    """Fewest prompt tokens still to compute, then fewest requests in flight."""
    PREDICTED_LATENCY = "predicted-latency"
    """Soonest end of the answer that the engine model predicts."""


@compiling.kernel
def uniform(seed: int, draw: int) -> float:
    """Return the number of a draw in [0, 1): SplitMix64 (Steele, Lea and Flood, 2014) of seed and position."""
    mixed = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(draw + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return float(mixed >> np.uint64(11)) / 9007199254740992.0


@compiling.kernel
def pick_random(takes: NDArray[np.bool_], number: float) -> int:
    """Return one of those that take requests, by a number in [0, 1)."""
    count = 0
    for index in range(takes.size):
        count += takes[index]
    wanted = int(number * count)
    for index in range(takes.size):
        if takes[index]:
            if wanted == 0:
                return index
            wanted -= 1
    return -1


@compiling.kernel
def pick_next(takes: NDArray[np.bool_], previous: int) -> int:
    """Return the first one after the previous choice, in a circle."""
    for offset in range(1, takes.size + 1):
        index = (previous + offset) % takes.size
        if takes[index]:
            return index
    return -1


@compiling.kernel
def pick_least(takes: NDArray[np.bool_], amounts: NDArray[np.int64], ties: NDArray[np.int64]) -> int:
    """Return the one with the smallest amount, of these the one with the smallest in `ties`."""
    best = -1
    for index in range(takes.size):
        if takes[index] and (
            best < 0 or amounts[index] < amounts[best] or (amounts[index] == amounts[best] and ties[index] < ties[best])
        ):
            best = index
    return best


@compiling.kernel
def pick_soonest(takes: NDArray[np.bool_], predicted_ms: NDArray[np.float64]) -> int:
    """Return the one with the smallest predicted time."""
    best = -1
    for index in range(takes.size):
        if takes[index] and (best < 0 or predicted_ms[index] < predicted_ms[best]):
            best = index
    return best
