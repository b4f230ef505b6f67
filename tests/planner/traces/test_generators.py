"""Laws of generated traffic: its rate, its lengths, and the same trace for the same seed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import traces
from tenbin_planner.model.lengths import LengthDistribution
from tenbin_planner.traces import processes, rates

KIND = traces.Kind(
    input_tokens=LengthDistribution.fit_moments(mean=1000, p95=3000),
    output_tokens=LengthDistribution.fit_moments(mean=200, p95=600),
)


def counted(trace: traces.Trace, start_s: float, end_s: float) -> int:
    return int(np.count_nonzero((trace.arrival_s >= start_s) & (trace.arrival_s < end_s)))


def likely(count: int, expected: float) -> bool:
    """Tell whether a Poisson count of this mean lies within five standard deviations."""
    return abs(count - expected) <= 5 * math.sqrt(expected) + 1


SHAPES = st.one_of(
    st.builds(rates.constant, st.floats(0.5, 20)),
    st.builds(lambda low, more: rates.diurnal(peak=low + more, trough=low), st.floats(0, 5), st.floats(0.5, 15)),
    st.builds(
        lambda before, after: rates.step(before=before, after=after, at_s=300), st.floats(0, 20), st.floats(0.5, 20)
    ),
    st.builds(
        lambda start, end: rates.ramp(start=start, end=end, from_s=0, to_s=900), st.floats(0, 20), st.floats(0.5, 20)
    ),
    st.builds(lambda mean: rates.sine(mean=mean, amplitude=mean / 2, period_s=200), st.floats(0.5, 20)),
)


@given(SHAPES, st.integers(0, 2**32), st.sampled_from([1.0, 0.3, 3.0]))
def test_times_lie_in_the_trace_rising_and_repeat_with_the_seed(rate: rates.Rate, seed: int, cv: float) -> None:
    first, again = (traces.generate(rate, duration_s=1000.0, kinds=[KIND], seed=seed, cv=cv) for _ in range(2))
    assert first.digest() == again.digest()
    assert (np.diff(first.arrival_s) >= 0).all()
    assert first.arrival_s[0] >= 0
    assert first.duration_s < 1000.0
    assert first.input_tokens.min() >= 1
    assert first.output_tokens.min() >= 1
    assert first.notes == ()


@given(SHAPES, st.integers(0, 2**32))
def test_a_poisson_process_has_the_rate_in_each_part(rate: rates.Rate, seed: int) -> None:
    trace = traces.generate(rate, duration_s=1000.0, kinds=[KIND], seed=seed)
    for start_s in range(0, 1000, 250):
        instants = np.linspace(start_s, start_s + 250, 5001)
        expected = float(rate.per_second((instants[1:] + instants[:-1]) / 2).mean() * 250)
        assert likely(counted(trace, start_s, start_s + 250), expected)


@pytest.mark.parametrize("cv", [0.2, 1.0, 2.0, 4.0])
def test_gaps_have_the_coefficient_of_variation_and_the_rate_stays(cv: float) -> None:
    trace = traces.generate(rates.constant(20.0), duration_s=20_000.0, kinds=[KIND], seed=11, cv=cv)
    gaps = np.diff(trace.arrival_s)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)
    assert len(trace) == pytest.approx(400_000, rel=5 * cv / math.sqrt(400_000))


def test_gamma_gaps_begin_at_a_random_phase_so_that_the_rate_holds_from_the_first_second() -> None:
    rng = np.random.default_rng(2)
    counts = [processes.renewal(rates.constant(1.0), 5.0, 2.0, rng).size for _ in range(1000)]
    assert np.mean(counts) == pytest.approx(5.0, abs=0.6)


def test_gamma_gaps_follow_a_rate_that_rests() -> None:
    rate = rates.step(before=0, after=10, at_s=400, until_s=600)
    trace = traces.generate(rate, duration_s=1000.0, kinds=[KIND], seed=3, cv=0.5)
    assert counted(trace, 400, 600) == len(trace) == pytest.approx(2000, rel=0.05)


def test_a_day_has_its_peak_at_the_hour_and_its_trough_half_a_day_away() -> None:
    rate = rates.diurnal(peak=20, trough=4, peak_hour=15, weekend=0.5)
    hours = np.array([15.0, 3.0, 9.0, 24 * 4 + 15.0, 24 * 5 + 15.0, 24 * 6 + 3.0, 24 * 7 + 15.0])
    assert rate.per_second(hours * 3600).tolist() == pytest.approx([20, 4, 12, 20, 10, 2, 20])


def test_a_busy_weekend_is_not_cut_off() -> None:
    rate = rates.diurnal(peak=2, trough=1, weekend=3)
    trace = traces.generate(rate, duration_s=7 * 86_400.0, kinds=[KIND], seed=1)
    assert likely(counted(trace, 5 * 86_400, 7 * 86_400), 2 * 86_400 * 1.5 * 3)


def test_bursts_last_as_long_and_come_as_often_as_asked() -> None:
    rng = np.random.default_rng(4)
    rate = rates.bursts(rate=1, burst=9, calm_s=300, burst_s=100, duration_s=400_000, rng=rng)
    levels = rate.per_second(np.arange(400_000.0))
    assert set(levels.tolist()) == {1.0, 9.0}
    assert (levels == 9).mean() == pytest.approx(0.25, abs=0.02)
    assert np.count_nonzero(np.diff(levels) > 0) == pytest.approx(1000, rel=0.1)
    trace = traces.generate(rate, duration_s=400_000.0, kinds=[KIND], seed=4)
    assert likely(len(trace), float(levels.sum()))
    per_minute = np.bincount((trace.arrival_s // 60).astype(int))
    assert per_minute.var() / per_minute.mean() > 20


def test_lengths_drift_to_the_factor_at_the_end() -> None:
    drift = traces.Drift(input_tokens=3.0, output_tokens=0.5)
    trace = traces.generate(rates.constant(100.0), duration_s=2000.0, kinds=[KIND], seed=9, drift=drift)
    first, last = trace.window(0, 200), trace.window(1800, 2000)
    assert first.input_tokens.mean() == pytest.approx(1000 * 1.1, rel=0.05)
    assert last.input_tokens.mean() == pytest.approx(1000 * 2.9, rel=0.05)
    assert first.output_tokens.mean() == pytest.approx(200 * 0.975, rel=0.05)
    assert last.output_tokens.mean() == pytest.approx(200 * 0.525, rel=0.05)


def test_classes_have_their_shares_and_their_lengths() -> None:
    constant = LengthDistribution.fit_moments(mean=7, p95=7)
    kinds = [
        dataclasses.replace(KIND, class_name="interactive", share=3),
        dataclasses.replace(KIND, class_name="batch", share=1, input_tokens=constant),
    ]
    trace = traces.generate(rates.constant(50.0), duration_s=1000.0, kinds=kinds, seed=1)
    batch = trace.select(trace.class_index == trace.classes.index("batch"))
    assert len(batch) / len(trace) == pytest.approx(0.25, abs=0.01)
    assert set(batch.input_tokens.tolist()) == {7}
    assert trace.select(trace.class_index != trace.classes.index("batch")).input_tokens.mean() == pytest.approx(
        1000, rel=0.05
    )


def test_other_lengths_leave_the_times_as_they_are() -> None:
    other = dataclasses.replace(KIND, input_tokens=LengthDistribution.fit_moments(mean=5, p95=9))
    first, second = (
        traces.generate(rates.constant(5.0), duration_s=100.0, kinds=[kind], seed=8) for kind in (KIND, other)
    )
    assert first.arrival_s.tolist() == second.arrival_s.tolist()
    assert first.output_tokens.tolist() == second.output_tokens.tolist()
    assert first.input_tokens.tolist() != second.input_tokens.tolist()


def test_lengths_are_cut_to_the_longest() -> None:
    trace = traces.generate(rates.constant(50.0), duration_s=100.0, kinds=[KIND], seed=8, longest=1500)
    assert trace.input_tokens.max() == 1500


@pytest.mark.parametrize(
    ("rate", "duration_s", "cv", "message"),
    [
        (1.0, math.nan, 1.0, "duration is nan s; allowed is a finite number above 0"),
        (1.0, 0.0, 1.0, "duration is 0 s; allowed is a finite number above 0"),
        (1.0, 10.0, 0.0, "cv is 0; allowed is 0.05 to 20"),
        (0.0, 10.0, 1.0, "up to 0 requests per second in 10 s; allowed are up to 50,000,000 requests"),
        (1e6, 1e6, 1.0, "up to 1e+06 requests per second in 1e+06 s; allowed are up to 50,000,000 requests"),
        (1e-9, 1.0, 1.0, "generated drew no request in 1 s: a longer time or a higher rate would"),
    ],
)
def test_numbers_that_give_no_trace_are_refused(rate: float, duration_s: float, cv: float, message: str) -> None:
    with pytest.raises(traces.TraceError) as caught:
        traces.generate(rates.constant(rate), duration_s=duration_s, kinds=[KIND], cv=cv)
    assert str(caught.value) == message


@pytest.mark.parametrize("shares", [[], [0.0], [1.0, -0.5], [math.nan]])
def test_shares_that_cannot_be_are_refused(shares: list[float]) -> None:
    kinds = [dataclasses.replace(KIND, share=share) for share in shares]
    with pytest.raises(traces.TraceError) as caught:
        traces.generate(rates.constant(1.0), duration_s=10.0, kinds=kinds)
    assert str(caught.value) == f"shares of kinds are {shares}; allowed are numbers of 0 or more that are not all 0"
