"""What constant fleets cost at any attainment: the lower convex hull of those that were tried.

A single constant fleet overshoots a target by what a whole replica adds. Between two fleets lies what running each for
a part of the time costs, so the hull is the fair price of an attainment.
"""

from __future__ import annotations

import dataclasses
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    """One constant fleet."""

    attainment: float
    usd: Decimal
    replicas: int


NOTHING = Point(0.0, Decimal(0), 0)
"""No fleet at all costs nothing and answers nobody."""


@dataclasses.dataclass(frozen=True)
class Hull:
    """Corners of the hull, by rising attainment and price.

    >>> tried = [Point(0.5, Decimal(10), 1), Point(0.99, Decimal(30), 3), Point(0.7, Decimal(20), 2)]
    >>> hull = Hull.of(tried)
    >>> [corner.replicas for corner in hull.corners]
    [0, 1, 3]
    >>> hull.usd_at(0.745), hull.usd_at(0.995)
    (Decimal('20.0'), None)
    """

    corners: tuple[Point, ...]

    @classmethod
    def of(cls, points: Iterable[Point]) -> Hull:
        """Return the hull of fleets that were tried, and of none."""
        corners: list[Point] = []
        for point in sorted([NOTHING, *points]):
            while corners and (corners[-1].usd >= point.usd or _is_above(corners, point)):
                corners.pop()
            if not corners or point.attainment > corners[-1].attainment:
                corners.append(point)
        return cls(tuple(corners))

    def usd_at(self, attainment: float) -> Decimal | None:
        """Return what the cheapest mixture of fleets with an attainment costs; None above what any of them reaches."""
        for left, right in itertools.pairwise(self.corners):
            if left.attainment < attainment <= right.attainment:
                share = Decimal(str((attainment - left.attainment) / (right.attainment - left.attainment)))
                return left.usd + (right.usd - left.usd) * share
        return self.corners[0].usd if attainment <= self.corners[0].attainment else None

    def replicas_at(self, attainment: float) -> int | None:
        """Return the replicas of the smallest corner with an attainment; None above what any of them reaches."""
        return next((corner.replicas for corner in self.corners if corner.attainment >= attainment), None)


def _is_above(corners: list[Point], point: Point) -> bool:
    """Tell whether the last corner lies on or above the line from the one before to a point."""
    if len(corners) < 2:
        return False
    first, middle = corners[-2:]
    rise = (point.usd - first.usd) * Decimal(str(middle.attainment - first.attainment))
    return (middle.usd - first.usd) * Decimal(str(point.attainment - first.attainment)) >= rise
