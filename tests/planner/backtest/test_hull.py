"""The hull of constant fleets."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.backtest.hull import NOTHING, Hull, Point

POINTS = st.lists(
    st.builds(
        Point,
        st.integers(0, 100).map(lambda share: share / 100),
        st.integers(0, 50).map(Decimal),
        st.integers(1, 9),
    ),
    max_size=12,
)


def hull(*points: tuple[float, int]) -> Hull:
    return Hull.of([Point(share, Decimal(usd), number) for number, (share, usd) in enumerate(points, start=1)])


def test_between_two_fleets_lies_what_a_mixture_of_them_costs() -> None:
    found = hull((0.5, 10), (1.0, 30))
    assert found.usd_at(0.75) == Decimal(20)
    assert found.usd_at(0.25) == Decimal(5)
    assert found.usd_at(0.0) == 0


def test_a_fleet_that_a_mixture_beats_is_no_corner() -> None:
    assert [corner.replicas for corner in hull((0.5, 10), (0.6, 25), (1.0, 30)).corners] == [0, 1, 3]


def test_a_fleet_that_costs_more_and_reaches_less_is_no_corner() -> None:
    assert [corner.replicas for corner in hull((0.9, 10), (0.8, 20), (0.9, 12)).corners] == [0, 1]


def test_what_no_fleet_reaches_has_no_price() -> None:
    found = hull((0.9, 10))
    assert (found.usd_at(0.9), found.usd_at(0.9001)) == (Decimal(10), None)
    assert (found.replicas_at(0.89), found.replicas_at(0.91)) == (1, None)
    assert Hull.of([]).usd_at(0.1) is None


def test_fleets_that_answer_nobody_are_beaten_by_none() -> None:
    assert hull((0.0, 10)).corners == (NOTHING,)
    assert hull((0.0, 10)).usd_at(0.0) == 0


@given(POINTS)
def test_no_fleet_lies_below_it_and_it_is_convex(points: list[Point]) -> None:
    found = Hull.of(points)
    for point in points:
        usd = found.usd_at(point.attainment)
        assert usd is not None
        assert float(usd) <= float(point.usd) + 1e-9
    slopes = [
        float(right.usd - left.usd) / (right.attainment - left.attainment)
        for left, right in itertools.pairwise(found.corners)
    ]
    assert all(after > before - 1e-9 for before, after in itertools.pairwise(slopes))
    assert set(found.corners) <= {NOTHING, *points}


@given(POINTS.flatmap(lambda points: st.tuples(st.just(points), st.permutations(points))))
def test_the_order_of_fleets_does_not_matter(orders: tuple[list[Point], list[Point]]) -> None:
    assert Hull.of(orders[0]) == Hull.of(orders[1])
