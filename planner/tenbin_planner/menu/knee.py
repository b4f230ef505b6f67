"""Where a curve of cost over latency bends: the point from which on speed becomes dear."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

LEAST_POINTS = 3
"""Two points are a straight line."""
LEAST_DISTANCE = 1e-9
"""Below, a point lies on the chord but for rounding."""


def knee(curve: Sequence[tuple[float, float]]) -> int | None:
    """Return the position of the knee of a falling curve, or None where it does not bend that way.

    Both axes are scaled to 0..1 between the first and the last point, so that the chord goes from (0, 1) to (1, 0). The
    knee is the point that lies furthest below the chord, that with the largest 1 - x - y: slower steps save little
    more, faster ones cost much more. Source: Satopaa et al., "Finding a Kneedle in a Haystack" (2011), without their
    smoothing, as the points are few and exact. Of equals the first counts.

    >>> knee([(0.0, 8.0), (1.0, 3.0), (2.0, 2.0), (3.0, 1.0)])
    1

    Args:
        curve: pairs of a position, rising strictly (here the logarithm of a latency), and a cost, never rising.

    Returns:
        None for fewer than three points, a constant cost, or a curve that never falls below its chord.

    Raises:
        ValueError: for positions that do not rise or a cost that rises.
    """
    for (before, cost_before), (after, cost_after) in itertools.pairwise(curve):
        if not (before < after and cost_before >= cost_after):
            raise ValueError(
                f"point {(after, cost_after)} follows {(before, cost_before)}; allowed are rising positions with costs "
                "that never rise"
            )
    if len(curve) < LEAST_POINTS or curve[0][1] == curve[-1][1]:
        return None
    (left, high), (right, low) = curve[0], curve[-1]
    below = [1 - (at - left) / (right - left) - (cost - low) / (high - low) for at, cost in curve]
    best = max(range(len(curve)), key=lambda index: (below[index], -index))
    return best if below[best] > LEAST_DISTANCE else None
