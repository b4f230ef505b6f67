"""The trend rule: line, recommendation and hold by hand, and in a world."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import faults, running
from tenbin_planner.backtest.policies import trend

SETTING = trend.Setting(utilisation=0.5)


def test_a_line_through_steady_growth() -> None:
    # Bins of ten seconds with 1, 2, 3 and 4 requests a second: at the end of the last it is 4.5.
    found = trend.line(np.repeat([1, 2, 3, 4], 10))
    assert found is not None
    assert (found.level, found.slope) == pytest.approx((4.5, 0.1))
    assert found.deviation == pytest.approx(0.0, abs=1e-12)
    assert found.ahead(60.0) == pytest.approx(10.5)


def test_rates_off_the_line_are_its_deviation() -> None:
    found = trend.line(np.repeat([4, 6, 6, 4], 10))
    assert found is not None
    assert (found.level, found.slope) == pytest.approx((5.0, 0.0))
    assert found.deviation == pytest.approx(math.sqrt(4 / 2))


def test_the_seconds_of_a_bin_that_is_not_whole_are_left_out() -> None:
    found = trend.line(np.array([9] * 5 + [2] * 20))
    assert found == trend.Line(level=2.0, slope=0.0, deviation=pytest.approx(math.sqrt(0.2)))
    assert trend.line(np.array([9] * 9)) is None
    assert trend.line(np.array([], dtype=np.int64)) is None


def test_a_falling_line_ends_at_nothing() -> None:
    assert trend.Line(level=1.0, slope=-0.1, deviation=0.5).ahead(60.0) == 0.0


@pytest.mark.parametrize(
    ("level", "slope", "deviation", "wanted"),
    [(4.0, 0.0, 0.0, 4), (4.0, 0.1, 0.0, 10), (4.0, 0.1, 1.0, 11), (4.0, -0.1, 1.0, 0), (0.0, 0.0, 0.0, 0)],
)
def test_recommendation(level: float, slope: float, deviation: float, wanted: int) -> None:
    seen = trend.Line(level=level, slope=slope, deviation=deviation)
    assert trend.wanted(seen, lead_s=60.0, capacity_rps=2.0, setting=SETTING) == wanted


@pytest.mark.parametrize("number", [math.nan, math.inf, 0.0, -1.0])
def test_a_capacity_that_is_none_recommends_nothing(number: float) -> None:
    seen = trend.Line(level=4.0, slope=0.0, deviation=0.0)
    found = trend.wanted(seen, lead_s=60.0, capacity_rps=number, setting=SETTING)
    assert found == (0 if number == math.inf else None)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_line_that_is_none_recommends_nothing(number: float) -> None:
    seen = trend.Line(level=number, slope=0.0, deviation=0.0)
    assert trend.wanted(seen, lead_s=60.0, capacity_rps=2.0, setting=SETTING) is None


def test_the_highest_recommendation_of_a_lead_time_is_held() -> None:
    wants = [(0.0, 9), (15.0, 4), (30.0, 2), (60.0, 3)]
    assert trend.held(wants, at=60.0, lead_s=60.0) == 9
    assert trend.held(wants, at=61.0, lead_s=60.0) == 4
    assert trend.held(wants, at=60.0, lead_s=0.0) == 3


def test_capacity_is_what_one_replica_does_at_best() -> None:
    # A pass of eight takes 10 ms, so a token 1.25 ms; a prompt of 100 takes 10 ms.
    found = trend.capacity_rps(backtests.profile(), input_tokens=100.0, output_tokens=100.0)
    assert found == pytest.approx(1000 / (125 + 10))


@pytest.mark.parametrize("number", [math.nan, math.inf, 0.0, -5.0])
def test_lengths_that_are_none_give_no_capacity(number: float) -> None:
    assert trend.capacity_rps(backtests.profile(), input_tokens=number, output_tokens=10.0) is None
    assert trend.capacity_rps(backtests.profile(), input_tokens=10.0, output_tokens=number) is None


def test_the_line_looks_back_in_lead_times_within_bounds() -> None:
    assert [trend.Setting(utilisation=1, reach=3).window_s(lead) for lead in (0, 60, 420, 9000)] == [
        60.0,
        180.0,
        1260.0,
        3600.0,
    ]


def test_in_a_world_it_buys_ahead_of_growth_and_gives_up_after_a_lead_time() -> None:
    rising = backtests.trace([math.sqrt(80 * index) for index in range(720)])  # t / 40 per second: six at 240 s
    given = backtests.scenario(rising, duration_s=400.0)
    made = running.run(given, trend.Trend({SERVICE: trend.Setting(utilisation=0.4)}))
    told = [sum(item.asked_s <= at < item.removed_s for item in made.replicas) for at in range(400)]
    assert told[200] >= math.ceil((200 + backtests.LEAD_S) / 40 / (0.4 * 1000 / 135))
    assert told[245] == max(told)  # held for a lead time
    assert told[399] == 1


def test_without_metrics_counts_stay() -> None:
    given = backtests.scenario(
        backtests.every(0.125, 60), initial={WORKLOAD: 3}, faults=(faults.Blind(at_s=0.0, for_s=60.0),)
    )
    assert running.run(given, trend.Trend({SERVICE: SETTING})).changes == 0


def test_a_point_of_the_search_is_a_setting() -> None:
    built = trend.Trend.of({SERVICE: trend.searching.Choice(amount=0.7, variant=3.0)})
    assert built._settings == {SERVICE: trend.Setting(utilisation=0.7, reach=3.0)}
