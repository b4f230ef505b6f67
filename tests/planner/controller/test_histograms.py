"""Shares within a threshold from cumulative buckets of two scrapes."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.controller.histograms import Histogram, ShareWithin, share_within
from tenbin_planner.decide.observation import Absent

BOUNDS = (100.0, 200.0, 500.0, math.inf)
NOTHING = Histogram(bounds=BOUNDS, counts=(0.0, 0.0, 0.0, 0.0))
BEFORE = Histogram(bounds=BOUNDS, counts=(10.0, 20.0, 30.0, 40.0))
AFTER = Histogram(bounds=BOUNDS, counts=(12.0, 26.0, 38.0, 50.0))


def counted(observations: list[int], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    return Histogram(
        bounds=bounds, counts=tuple(float(sum(item <= bound for item in observations)) for bound in bounds)
    )


@pytest.mark.parametrize(
    ("threshold", "lower", "upper", "floor"),
    [
        (50, 0.0, 0.2, None),
        (100, 0.2, 0.2, 100.0),
        (150, 0.2, 0.6, 100.0),
        (200, 0.6, 0.6, 200.0),
        (499, 0.6, 0.8, 200.0),
        (500, 0.8, 0.8, 500.0),
        (60_000, 0.8, 1.0, 500.0),
    ],
)
def test_only_what_came_between_the_scrapes_counts_and_nothing_is_interpolated(
    threshold: float, lower: float, upper: float, floor: float | None
) -> None:
    found = share_within(BEFORE, AFTER, threshold=threshold)
    assert found == ShareWithin(lower=lower, upper=upper, floor=floor, observations=10.0)
    assert found.is_exact is (lower == upper)


def test_an_engine_that_began_anew_counts_from_nothing() -> None:
    again = Histogram(bounds=BOUNDS, counts=(1.0, 2.0, 3.0, 4.0))
    assert share_within(AFTER, again, threshold=200) == share_within(NOTHING, again, threshold=200)


def test_a_new_start_shows_in_one_bucket_even_where_every_count_is_higher() -> None:
    again = Histogram(bounds=BOUNDS, counts=(45.0, 46.0, 47.0, 48.0))
    assert share_within(BEFORE, again, threshold=100) == share_within(NOTHING, again, threshold=100)


def test_a_new_start_with_other_bounds_takes_those_of_the_new_engine() -> None:
    again = Histogram(bounds=(150.0, math.inf), counts=(3.0, 4.0))
    found = share_within(AFTER, again, threshold=150)
    assert found == ShareWithin(lower=0.75, upper=0.75, floor=150.0, observations=4.0)


def test_a_bucket_that_one_scrape_lacks_makes_the_answer_wider() -> None:
    without = Histogram(bounds=(100.0, 500.0, math.inf), counts=(12.0, 38.0, 50.0))
    found = share_within(BEFORE, without, threshold=200)
    assert found == ShareWithin(lower=0.2, upper=0.8, floor=100.0, observations=10.0)


@pytest.mark.parametrize("count", [math.nan, math.inf, -1.0])
def test_a_count_that_is_none_is_a_bucket_that_is_not_there(count: float) -> None:
    odd = Histogram(bounds=BOUNDS, counts=(12.0, count, 38.0, 50.0))
    found = share_within(BEFORE, odd, threshold=200)
    assert found == ShareWithin(lower=0.2, upper=0.8, floor=100.0, observations=10.0)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (AFTER, AFTER, "no observations between the scrapes"),
        (NOTHING, NOTHING, "no observations between the scrapes"),
        (BEFORE, Histogram(bounds=(), counts=()), "no usable count of all observations"),
        (Histogram(bounds=(), counts=()), AFTER, "no usable count of all observations"),
        (
            BEFORE,
            Histogram(bounds=(100.0, 200.0), counts=(12.0, 26.0)),
            "no usable count of all observations",
        ),
        (
            BEFORE,
            Histogram(bounds=BOUNDS, counts=(12.0, 26.0, 38.0, math.nan)),
            "no usable count of all observations",
        ),
        (
            BEFORE,
            Histogram(bounds=BOUNDS, counts=(12.0, 11.0, 38.0, 50.0)),
            "counts fall from one bucket to the next",
        ),
        (
            Histogram(bounds=BOUNDS, counts=(12.0, 11.0, 38.0, 50.0)),
            AFTER,
            "counts fall from one bucket to the next",
        ),
    ],
)
def test_what_says_nothing_is_absent(before: Histogram, after: Histogram, why: str) -> None:
    assert share_within(before, after, threshold=200) == Absent(why=why)


observations = st.lists(st.integers(0, 1000), max_size=30)
bounds_lists = st.sets(st.integers(1, 900), max_size=8).map(lambda found: (*map(float, sorted(found)), math.inf))


@given(earlier=observations, later=observations, bounds=bounds_lists, threshold=st.integers(0, 1000))
def test_the_true_share_is_between_the_bounds(
    earlier: list[int], later: list[int], bounds: tuple[float, ...], threshold: int
) -> None:
    found = share_within(counted(earlier, bounds), counted(earlier + later, bounds), threshold=threshold)
    if not later:
        assert found == Absent(why="no observations between the scrapes")
        return
    assert isinstance(found, ShareWithin)
    true = sum(item <= threshold for item in later) / len(later)
    assert found.lower <= true <= found.upper
    assert found.observations == len(later)
    if threshold in bounds:
        assert found.is_exact


@given(earlier=observations, later=observations, bounds=bounds_lists, threshold=st.integers(0, 1000))
def test_the_true_share_after_a_new_start_is_between_the_bounds(
    earlier: list[int], later: list[int], bounds: tuple[float, ...], threshold: int
) -> None:
    busier = [*earlier, *later, 0]
    found = share_within(counted(busier, bounds), counted(later, bounds), threshold=threshold)
    if later:
        assert isinstance(found, ShareWithin)
        assert found.lower <= sum(item <= threshold for item in later) / len(later) <= found.upper


numbers = st.lists(st.floats(allow_nan=True), min_size=4, max_size=4)


@given(before=numbers, after=numbers, threshold=st.integers(0, 10**9))
def test_no_numbers_give_a_share_that_is_none(before: list[float], after: list[float], threshold: int) -> None:
    found = share_within(
        Histogram(bounds=BOUNDS, counts=tuple(before)),
        Histogram(bounds=BOUNDS, counts=tuple(after)),
        threshold=threshold,
    )
    if isinstance(found, ShareWithin):
        assert 0.0 <= found.lower <= found.upper <= 1.0


@given(before=observations, after=observations)
def test_a_higher_threshold_never_has_a_smaller_share(before: list[int], after: list[int]) -> None:
    shares = [share_within(counted(before), counted(before + after), threshold=value) for value in range(0, 1001, 50)]
    for low, high in itertools.pairwise(shares):
        if isinstance(low, ShareWithin) and isinstance(high, ShareWithin):
            assert low.lower <= high.lower
            assert low.upper <= high.upper
