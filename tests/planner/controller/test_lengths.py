"""Mean lengths from counters that restart, come and go."""

from __future__ import annotations

import math

import pytest
from tenbin_planner.controller.lengths import LengthTracker
from tenbin_planner.controller.scraper import Counters
from tenbin_planner.decide.observation import ObservedLengths


def counters(given: float | None, taken: float | None, finished: float | None, generated: float | None = 0) -> Counters:
    return Counters(input_tokens=given, output_tokens=taken, finished=finished, generated=generated)


def learn(tracker: LengthTracker, at: float, **pods: Counters) -> dict[str, float]:
    return tracker.learn({pod: ("chat", item) for pod, item in pods.items()}, at=at)


def test_means_rest_on_growth_alone() -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(9000, 900, 30))
    assert tracker.means(at=0) == {}
    learn(tracker, 5, a=counters(12000, 1500, 40))
    assert tracker.means(at=5) == {"chat": ObservedLengths(input_tokens=300, output_tokens=60, requests=10)}


def test_a_counter_that_fell_has_started_anew() -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(9000, 900, 30, 1000))
    assert learn(tracker, 5, a=counters(600, 100, 2, 120)) == {"chat": 120}
    assert tracker.means(at=5)["chat"].input_tokens == 300


def test_a_pod_that_comes_back_continues() -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(0, 0, 0, 100), b=counters(0, 0, 0, 100))
    learn(tracker, 5, b=counters(0, 0, 0, 150))
    assert learn(tracker, 10, a=counters(0, 0, 0, 130), b=counters(0, 0, 0, 150)) == {"chat": 30}


def test_a_pod_that_is_gone_is_forgotten() -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(0, 0, 0, 100))
    tracker.forget_all_but(set())
    assert learn(tracker, 5, a=counters(0, 0, 0, 500)) == {}


def test_what_is_old_counts_no_more() -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(0, 0, 0))
    learn(tracker, 5, a=counters(1000, 100, 10))
    assert "chat" in tracker.means(at=300)
    assert tracker.means(at=306) == {}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -5.0])
def test_counters_that_are_no_numbers_did_not_grow(value: float | None) -> None:
    tracker = LengthTracker()
    learn(tracker, 0, a=counters(100, 100, 1, 50))
    assert learn(tracker, 5, a=counters(value, value, value, value)) == {"chat": 0.0}
    assert tracker.means(at=5) == {}
