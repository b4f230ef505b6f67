"""The table of what fleets do with each minute: by hand where traffic is even, and beside the whole simulation."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import backtests
from tenbin_planner import traces
from tenbin_planner.backtest import minutes
from tenbin_planner.model import fleet
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from tenbin_planner.traces import Trace

OBJECTIVES = {"": Objective(target=Decimal("0.95"), ttft_ms=100)}
PROFILE = backtests.profile()


def table(requests: Trace, *, lowest: int = 1, highest: int = 4, around_s: float = 20.0) -> minutes.Minutes:
    total = int(requests.duration_s // minutes.STEP_S) + 1
    return minutes.table(
        requests.arrivals(),
        OBJECTIVES,
        lambda count: fleet.fixed(PROFILE, count),
        of_interest=minutes.Range(
            lowest=np.full(total, lowest, dtype=np.int64), highest=np.full(total, highest, dtype=np.int64)
        ),
        around_s=around_s,
    )


def test_even_traffic_that_fits_misses_nothing_and_leaves_what_is_in_flight() -> None:
    # Four requests a second, each about a second long.
    found = table(backtests.every(0.25, 240))
    assert found.requests.tolist() == [240] * 4
    assert found.counts.tolist() == [1, 2, 3, 4]
    usual = int(np.searchsorted(found.levels, 4.0))
    assert found.missed[1:3, :, usual].max() == 0.0
    assert found.left[1:3, :, usual] == pytest.approx(4.0, abs=1.0)


def test_too_much_traffic_for_one_misses_and_stays_and_two_catch_up() -> None:
    # Twelve a second; one replica does less than eight, two do all.
    found = table(backtests.every(1 / 12, 240))
    empty, full = 0, int(np.searchsorted(found.levels, 150.0))
    assert found.missed[1, 0, empty] > 600
    assert found.left[1, 0, empty] > 60 * (12 - 8)
    assert found.missed[1, 1, empty] == 0.0
    assert found.missed[1, 1, full] > 60  # while it catches up
    assert found.left[1, 1, full] < 150


def test_a_fuller_beginning_is_never_better() -> None:
    found = table(traces.load("generate:constant,rate=10,minutes=5,input=100/200,output=100/200,seed=1"))
    assert (np.diff(found.missed, axis=2) >= 0).all()
    assert (np.diff(found.left, axis=2) >= 0).all()


def test_fleets_below_those_of_interest_miss_all_and_above_them_nothing_changes() -> None:
    requests = backtests.every(0.25, 180)
    found = minutes.table(
        requests.arrivals(),
        OBJECTIVES,
        lambda count: fleet.fixed(PROFILE, count),
        of_interest=minutes.Range(lowest=np.array([2, 0, 1]), highest=np.array([3, 2, 4])),
        around_s=20.0,
    )
    assert found.counts.tolist() == [0, 1, 2, 3, 4]
    assert found.missed[0, :2].tolist() == [[240.0] * found.levels.size] * 2
    assert (found.missed[1, 3:] == found.missed[1, 2]).all()
    assert (found.left[1, 3:] == found.left[1, 2]).all()
    assert found.missed[1, 0].tolist() == [240.0] * found.levels.size  # nobody serves


def test_a_minute_without_requests_is_empty() -> None:
    found = table(backtests.trace([1.0, 170.0]), highest=2)
    assert found.requests.tolist() == [1, 0, 1]
    assert found.missed[1].max() == 0.0
    assert found.left[1, :, 0].max() == 0.0


def test_misses_add_up_to_those_of_a_constant_fleet() -> None:
    requests = traces.load(
        "generate:sine,mean=12,amplitude=6,period_s=600,minutes=20,input=100/200,output=100/200,seed=1"
    )
    found = table(requests, highest=3, around_s=30.0)
    for count in (2, 3):
        whole = fleet.simulate(requests.arrivals(), fleet.fixed(PROFILE, count))
        missed = int((~whole.good(OBJECTIVES)).sum())
        k, in_flight, total = count - 1, 0.0, 0.0
        for m in range(found.requests.size):
            total += float(np.interp(in_flight, found.levels, found.missed[m, k]))
            in_flight = float(np.interp(in_flight, found.levels, found.left[m, k]))
        assert total == pytest.approx(missed, rel=0.25, abs=20)


def test_large_fleets_are_played_in_steps_of_a_twenty_fifth() -> None:
    found = minutes._counts(30, 120)
    assert found[:21].tolist() == list(range(30, 51))
    assert found[-1] == 120
    assert (np.diff(found) <= np.maximum(found[:-1] // 25, 1)).all()
    assert found.size < 60
