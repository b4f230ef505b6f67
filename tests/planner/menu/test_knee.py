"""The knee of curves that are made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.menu.knee import knee


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([10, 3, 2, 1], 1),  # 1/3 along, 2/9 of the height left: 0.44 below the chord; then 0.22
        ([10, 9, 2, 1], 2),  # still dear after a third, and nearly at the end after two
        ([4, 1, 1, 1], 1),  # the fastest of the steps that cost the same
        ([5, 3, 2, 2, 2], 2),  # 0.25 along: 0.42 below; half way: 0.5
        ([3, 2, 1], None),  # a straight line
        ([10, 9, 8, 0], None),  # bends the other way
        ([2, 2, 2], None),  # speed costs nothing
        ([2, 1], None),
        ([2], None),
        ([], None),
    ],
)
def test_is_the_point_furthest_below_the_chord(costs: list[float], expected: int | None) -> None:
    assert knee([(float(at), float(cost)) for at, cost in enumerate(costs)]) == expected


def test_distance_along_the_curve_counts() -> None:
    assert knee([(0.0, 4.0), (1.0, 2.0), (2.0, 0.5), (3.0, 0.0)]) == 2
    assert knee([(0.0, 4.0), (1.0, 2.0), (9.0, 0.5), (10.0, 0.0)]) == 1


@pytest.mark.parametrize("curve", [[(0.0, 1.0), (1.0, 2.0)], [(1.0, 2.0), (1.0, 1.0)], [(1.0, 2.0), (0.0, 1.0)]])
def test_refuses_a_curve_that_does_not_fall_to_the_right(curve: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="allowed are rising positions with costs that never rise"):
        knee(curve)


steps = st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100)), min_size=1, max_size=8)


@given(steps, st.integers(1, 50), st.integers(1, 50))
def test_units_do_not_matter(falls: list[tuple[int, int]], wider: int, dearer: int) -> None:
    at, cost = 0, sum(fall for _, fall in falls)
    curve = [(0.0, float(cost))]
    for width, fall in falls:
        at, cost = at + width, cost - fall
        curve.append((float(at), float(cost)))
    assert knee(curve) == knee([(x * wider, y * dearer) for x, y in curve])
    assert knee(curve) in {None, *range(1, len(curve) - 1)}
