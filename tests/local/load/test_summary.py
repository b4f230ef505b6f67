"""Percentiles, attainment and sliding windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import answered, document
from tenbin_local.load import records, summary
from tenbin_local.load.summary import ClassTally

SLO = document().services["chat"].slo


def test_percentiles_of_a_known_list() -> None:
    assert summary.percentiles([*map(float, range(101)), None]) == summary.Percentiles(p50=50, p90=90, p99=99)
    assert summary.percentiles([None, None]) is None
    assert summary.percentiles([7.0]) == summary.Percentiles(p50=7, p90=7, p99=7)


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1))
def test_percentiles_rise_and_stay_within_the_values(values: list[float]) -> None:
    found = summary.percentiles(values)
    assert found is not None
    assert min(values) <= found.p50 <= found.p90 <= found.p99 <= max(values)


def test_errors_miss_and_own_cancels_do_not_count() -> None:
    recorded = [
        answered(0),
        answered(1, ttft_ms=1001),
        answered(2, status=records.http_status(503)),
        answered(3, status=records.CANCELLED),
        answered(4, request_class="batch", ttft_ms=50_000),
    ]
    assert summary.tallies(recorded, SLO) == {
        "interactive": ClassTally(good=1, total=3),
        "batch": ClassTally(good=1, total=1),
    }
    assert summary.errors_by_kind(recorded) == {"http-503": 1}
    assert ClassTally().attainment is None


def test_windows_slide_by_the_second() -> None:
    recorded = [answered(second, arrival_s=second + 0.5, ttft_ms=2000 if second == 3 else 100) for second in range(8)]
    instants, shares = summary.sliding_attainment(recorded, SLO, request_class="interactive", end_s=12, window_s=2)
    assert instants == [float(second) for second in range(1, 13)]
    assert shares[:9] == [1, 1, 1, 0.5, 0.5, 1, 1, 1, 1]
    assert all(map(math.isnan, shares[9:]))
    assert all(map(math.isnan, summary.sliding_attainment(recorded, SLO, request_class="batch", end_s=12)[1]))


def test_observed_rate_is_a_mean_over_the_window() -> None:
    recorded = [answered(number, arrival_s=number / 4) for number in range(400)]
    instants, rates = summary.observed_rate(recorded, end_s=100)
    assert (instants[0], instants[-1]) == (0, 100)
    assert rates == pytest.approx(np.full(101, 4.0))


def test_times_per_token_need_two_tokens() -> None:
    assert records.time_per_token_ms(ttft_ms=100, e2e_ms=400, tokens=11) == 30
    assert records.time_per_token_ms(ttft_ms=100, e2e_ms=100, tokens=1) is None
    assert records.time_per_token_ms(ttft_ms=None, e2e_ms=None, tokens=0) is None
