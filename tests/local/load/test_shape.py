"""Shapes: what is written, what it means, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.load import shape

multiples = st.integers(min_value=0, max_value=1000).map(lambda number: number / 10)
segments = st.builds(
    lambda time, start, end: shape.Segment(duration_s=float(time), start=start, end=end),
    st.integers(min_value=1, max_value=300),
    multiples,
    multiples,
)
shapes = (
    st.lists(segments, min_size=1, max_size=8)
    .map(lambda parts: shape.Shape(segments=tuple(parts)))
    .filter(lambda whole: whole.peak > 0)
)


def test_default_is_five_minutes_with_four_times_the_rate_in_the_middle() -> None:
    default = shape.parse(shape.DEFAULT)
    assert default.duration_s == 300
    assert default.peak == 4
    assert [default.multiple_at(at_s) for at_s in (0, 59, 90, 150, 195, 299, 300)] == [1, 1, 2.5, 4, 2.5, 1, 0]
    assert default.phase_at(90) == "2/5 rising x1 to x4"
    assert default.phase_at(301) == "last answers"


def test_minutes_count_sixty_seconds() -> None:
    assert shape.parse("2m@1").duration_s == 120


@given(shapes)
def test_area_is_the_integral_of_the_multiple(whole: shape.Shape) -> None:
    steps = np.arange(0, whole.duration_s, 0.25) + 0.125
    assert sum(whole.multiple_at(float(at_s)) for at_s in steps) * 0.25 == pytest.approx(whole.area)


@given(shapes)
def test_written_shapes_read_back(whole: shape.Shape) -> None:
    assert shape.parse(str(whole)) == whole


@given(shapes, st.floats(min_value=0.01, max_value=1))
def test_scaled_time_keeps_the_multiples(whole: shape.Shape, factor: float) -> None:
    scaled = whole.with_time_scaled(factor)
    assert scaled.duration_s == pytest.approx(whole.duration_s * factor)
    assert scaled.area == pytest.approx(whole.area * factor)
    assert scaled.peak == whole.peak


NO_SEGMENT = "is no segment. Allowed: duration@multiple or duration@from-to, for example 60s@1 or 2m@1-4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60s@1,60@2", f"--shape: '60@2' {NO_SEGMENT}"),
        ("", f"--shape: '' {NO_SEGMENT}"),
        ("0s@1", "--shape: a segment lasts 0 s; allowed is more than 0"),
        ("10s@0-0", "--shape: the rate is 0 throughout; allowed is a shape that sends something"),
        ("10s@101", "--shape: multiple 101; allowed is 100 at most"),
        ("61m@1", "--shape: lasts 3660 s; allowed is 3600 s at most"),
    ],
)
def test_refuses_what_is_no_bounded_shape(text: str, message: str) -> None:
    with pytest.raises(shape.UsageError) as caught:
        shape.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_a_time_scale_without_meaning(factor: float) -> None:
    with pytest.raises(shape.UsageError) as caught:
        shape.parse("10s@1").with_time_scaled(factor)
    assert str(caught.value) == f"--scale-time {factor:g}: allowed is a factor above 0, 100 at most"
