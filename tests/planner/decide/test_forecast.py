"""Forecasts: level, trend, certainty, the declared peak, what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
from support import planning
from tenbin_planner.decide import forecast

AT = planning.NOW


def of(arrivals: list[int | None], *, bins: dict[int, int] | None = None, horizon_s: float = 25) -> forecast.Forecast:
    found = forecast.forecast(arrivals, bins or {}, at=AT, horizon_s=horizon_s, floor_rps=5.0)
    assert found is not None
    return found


def test_a_steady_rate_is_its_own_forecast() -> None:
    found = of(planning.steady(12))
    assert found.level == pytest.approx(12, abs=0.01)
    assert found.mean(25) == pytest.approx(12, abs=0.01)


def test_a_ramp_is_followed_to_the_horizon() -> None:
    ramp: list[int | None] = [round(10 + 0.5 * second) for second in range(120)]
    assert of(ramp).mean(25) == pytest.approx(10 + 0.5 * 145, rel=0.05)


def test_the_quantile_grows_with_the_horizon() -> None:
    found = of(planning.steady(12))
    margins = [found.quantile(ahead) - found.mean(ahead) for ahead in (0, 10, 25, 60)]
    assert margins == sorted(margins)
    assert margins[0] > 0


def test_the_margin_of_a_busy_service_is_a_smaller_share_of_its_rate() -> None:
    shares = [of(planning.steady(rate)).quantile(25) / rate for rate in (2, 20, 200)]
    assert shares == sorted(shares, reverse=True)


def test_nothing_known_is_no_forecast() -> None:
    assert forecast.forecast([], {}, at=AT, horizon_s=25, floor_rps=5.0) is None
    assert forecast.forecast([None, None], {}, at=AT, horizon_s=25, floor_rps=5.0) is None


def test_zero_arrivals_are_a_forecast_near_zero() -> None:
    found = of(planning.steady(0))
    assert found.level == 0
    assert 0 < found.quantile(25) < 0.3


def test_unknown_seconds_are_not_taken_for_zero() -> None:
    gaps: list[int | None] = [None if second % 3 == 0 else 9 for second in range(120)]
    assert of(gaps).level == pytest.approx(9, abs=0.05)


def test_remembered_bins_count_where_arrivals_do_not_reach() -> None:
    young: list[int | None] = [10] * 10
    start = int(AT) - 10
    bins = dict.fromkeys(range((start - 100) // 5, start // 5), 50)
    alone, remembered = of(young), of(young, bins=bins)
    assert remembered.level == pytest.approx(10, abs=0.1)
    assert remembered.deviation(25) < alone.deviation(25)


def test_a_trend_is_not_followed_above_the_declared_peak() -> None:
    ramp: list[int | None] = [round(10 + 0.5 * second) for second in range(120)]
    found = of(ramp)
    assert found.planned(25, peak_rps=75) == 75
    assert found.planned(25, peak_rps=200) == found.quantile(25)
    assert found.expected(25, peak_rps=75) == 75


def test_demand_that_is_above_the_peak_beyond_doubt_counts() -> None:
    found = of(planning.steady(100))
    assert 90 < found.planned(25, peak_rps=75) < 100


def test_complete_bins_are_remembered_and_incomplete_ones_are_not() -> None:
    arrivals: list[int | None] = [2] * 13
    bins, new = forecast.remember(arrivals, {}, at=1013.0)
    assert bins == {200: 10, 201: 10}
    assert new == 2
    again, newer = forecast.remember(arrivals, bins, at=1013.0)
    assert (again, newer) == (bins, 0)


def test_bins_with_unknown_seconds_are_not_remembered() -> None:
    arrivals: list[int | None] = [2, 2, None, 2, 2, 3, 3, 3, 3, 3]
    assert forecast.remember(arrivals, {}, at=1010.0) == ({201: 15}, 1)


def test_memory_is_bounded() -> None:
    bins: dict[int, int] = {}
    for step in range(40):
        bins, _ = forecast.remember([1] * 300, bins, at=10_000.0 + 300 * step)
    assert len(bins) == 360


def test_coverage_of_the_quantile_for_poisson_arrivals() -> None:
    """The 84 % quantile at the present covers the true rate in about 84 % of draws."""
    rng = np.random.default_rng(1)
    covered = sum(of([int(value) for value in rng.poisson(8, 150)]).quantile(0) >= 8 for _ in range(200))
    assert 150 <= covered <= 190
