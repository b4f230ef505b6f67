"""Futures: the same luck each time, demand along its quantiles, answers given how long they are already."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.ahead import demand
from tenbin_planner.decide import futures


def test_weights_are_chances() -> None:
    assert sum(futures.WEIGHTS) == pytest.approx(1.0)
    assert min(futures.WEIGHTS) > 0


def test_the_same_state_has_the_same_futures() -> None:
    first, second = futures.draw(demand()), futures.draw(demand())
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.arrivals.arrival_s, other.arrivals.arrival_s)
        assert np.array_equal(one.arrivals.output_tokens, other.arrivals.output_tokens)


def test_busy_futures_come_first_and_their_mean_is_the_forecast() -> None:
    drawn = futures.draw(demand(spread=0.1))
    sizes = [len(item.arrivals) for item in drawn]
    assert sizes[0] > sizes[3] > sizes[-1]
    assert sum(item.weight * len(item.arrivals) for item in drawn) == pytest.approx(3000, rel=0.05)


def test_arrivals_are_within_the_horizon_in_order_and_of_the_classes_asked_for() -> None:
    for item in futures.draw(demand()):
        at_s = item.arrivals.arrival_s
        assert at_s.size == 0 or (at_s.min() >= 0 and at_s.max() < 300)
        assert np.all(np.diff(at_s) >= 0)
    share = np.mean(futures.draw(demand(rate=50.0))[5].arrivals.class_index == 1)
    assert share == pytest.approx(0.75, abs=0.05)


def test_what_is_in_flight_goes_on_from_where_it_is() -> None:
    so_far = np.array([0.0, 50.0, 5000.0])
    running = futures.InFlight(output_tokens=so_far, class_index=np.array([0, 1, 1]), count=6)
    drawn = futures.draw(demand(in_flight=running))
    for item in drawn:
        assert item.present == 6
        prompt, cached = item.arrivals.input_tokens[:6], item.arrivals.cached_tokens[:6]
        assert np.all(item.arrivals.arrival_s[:6] == 0)
        assert np.count_nonzero(cached) == 4  # answers that have begun need no prompt computed
        assert np.all(prompt[cached > 0] - cached[cached > 0] == 1)
        assert np.count_nonzero(prompt > 5000) == 2
        assert np.all(prompt + item.arrivals.output_tokens[:6] <= 8192)


def test_demand_makes_no_leap_that_nobody_declared() -> None:
    wild = futures.draw(demand(spread=3.0, expected_rps=10.0, peak_rps=1000.0))
    assert len(wild[0].arrivals) < 300 * 10 * futures.LEAP * 1.1
    agreed = futures.draw(demand(spread=3.0, expected_rps=10.0, peak_rps=20.0))
    assert len(agreed[0].arrivals) < 300 * 20 * 1.1


def test_bursty_demand_varies_more_and_means_the_same() -> None:
    calm, bursty = demand(spread=0.0), demand(spread=0.0)
    bursty = dataclasses.replace(bursty, outlook=dataclasses.replace(bursty.outlook, dispersion=6.0))

    def counts(given: futures.Demand) -> np.ndarray:
        return np.concatenate(
            [np.bincount((item.arrivals.arrival_s // 5).astype(int), minlength=60) for item in futures.draw(given)]
        )

    assert counts(bursty).mean() == pytest.approx(counts(calm).mean(), rel=0.1)
    assert counts(bursty).var() > 3 * counts(calm).var()


def test_answers_that_are_long_already_have_more_to_come() -> None:
    def left(so_far: float) -> float:
        running = futures.InFlight(
            output_tokens=np.full(50, so_far), class_index=np.zeros(50, dtype=np.int64), count=400
        )
        return float(np.mean([item.arrivals.output_tokens[:400] for item in futures.draw(demand(in_flight=running))]))

    fresh = [item.arrivals.output_tokens for item in futures.draw(demand(rate=50.0))]
    assert left(0.0) == pytest.approx(np.concatenate(fresh).mean(), rel=0.1)
    assert left(600.0) > left(100.0)  # lengths have a heavy tail


def test_what_is_in_flight_keeps_its_class() -> None:
    running = futures.InFlight(output_tokens=np.zeros(4), class_index=np.array([0, 0, 0, 1]), count=400)
    for item in futures.draw(demand(in_flight=running)):
        assert np.bincount(item.arrivals.class_index[:400]).tolist() == [300, 100]


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_of_huge_demand_a_share_tells_of_all(share: float) -> None:
    rate = 1000.0
    running = futures.InFlight(output_tokens=np.zeros(10), class_index=np.zeros(10, dtype=np.int64), count=20_000)
    drawn = futures.draw(demand(rate, spread=0.1, in_flight=running, share=share))
    for item in drawn:
        assert len(item.arrivals) <= 1.1 * futures.MOST_REQUESTS
        assert item.present / item.share == pytest.approx(20_000, rel=0.01)
    come = sum(item.weight * (len(item.arrivals) - item.present) / item.share for item in drawn)
    assert come == pytest.approx(300 * rate, rel=0.02)


@pytest.mark.parametrize("share", [0.1, 0.37, 0.8])
def test_marks_take_the_same_share_at_any_time(share: float) -> None:
    for item in futures.draw(demand(50.0)):
        taken = item.mark[item.present :] < share
        windows = taken[: taken.size // 100 * 100].reshape(-1, 100).mean(axis=1)
        assert np.all(np.abs(windows - share) < 0.05)
