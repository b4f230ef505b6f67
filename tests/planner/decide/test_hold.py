"""Giving up takes a lead time and a half of agreement."""

from __future__ import annotations

import math

from tenbin_planner.decide import hold
from tenbin_planner.decide.memory import Need

HOLD_S, INTERVAL_S = 30.0, 5.0


def after(*needs: tuple[float, float]) -> float:
    remembered: tuple[Need, ...] = ()
    for at, rate in needs:
        remembered = hold.remember(remembered, at=at, rate=rate, hold_s=HOLD_S, interval_s=INTERVAL_S)
    return hold.keep_for(remembered, hold_s=HOLD_S)


def ticks(start: float, end: float, rate: float) -> list[tuple[float, float]]:
    return [(float(at), rate) for at in range(int(start), int(end), 5)]


def test_nothing_is_given_up_before_the_hold_is_over() -> None:
    assert after(*ticks(0, 30, 10.0)) == math.inf
    assert after(*ticks(0, 35, 10.0)) == 10.0


def test_the_highest_need_of_the_hold_counts() -> None:
    assert after(*ticks(0, 40, 10.0), (40, 25.0), *ticks(45, 70, 10.0)) == 25.0


def test_a_need_older_than_the_hold_is_forgotten() -> None:
    assert after(*ticks(0, 40, 10.0), (40, 25.0), *ticks(45, 85, 10.0)) == 10.0


def test_a_gap_makes_the_hold_begin_anew() -> None:
    assert after(*ticks(0, 60, 10.0), *ticks(90, 100, 10.0)) == math.inf


def test_a_restart_within_a_few_ticks_does_not() -> None:
    assert after(*ticks(0, 60, 10.0), *ticks(70, 80, 10.0)) == 10.0


def test_a_clock_that_went_back_makes_the_hold_begin_anew() -> None:
    assert after(*ticks(100, 160, 10.0), (50, 1.0)) == math.inf


def test_without_needs_nothing_is_given_up() -> None:
    assert hold.keep_for((), hold_s=0.0) == math.inf
