"""Outlooks: what is known and declared, quantiles and paths, coverage, season, sudden changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tenbin_planner.decide import outlook

AT = 1_000_000.0
DAY_S = 86_400
PRIOR = outlook.Prior(expected_rps=4.0, peak_rps=12.0)


def look(
    remembered: outlook.DemandMemory, *, at: float = AT, prior: outlook.Prior | None = None, horizon_s: float = 600
) -> outlook.Outlook:
    found = outlook.outlook(remembered, at=at, horizon_s=horizon_s, step_s=15, prior=prior)
    assert found is not None
    return found


def watched(seconds: NDArray[np.float64], *, ends_at: float = AT) -> outlook.DemandMemory:
    return outlook.from_history(seconds, ends_at=ends_at)


def covered(rates: NDArray[np.float64], *, seed: int, from_s: int) -> dict[float, float]:
    """Return the shares of half minutes, 195 s ahead, below quantiles told each half minute from `from_s` on."""
    counts = np.random.default_rng(seed).poisson(rates).astype(np.float64)
    remembered = watched(counts[:from_s])
    below: dict[float, list[bool]] = {0.5: [], 0.9: [], 0.99: []}
    end = AT - from_s
    for now in range(from_s + 30, counts.size - 210, 30):
        recent = [int(value) for value in counts[now - 30 : now]]
        remembered = outlook.learn(remembered, recent, until=end + from_s + now)
        seen = counts[now + 180 : now + 210].mean()
        ahead = look(remembered, at=end + from_s + now, horizon_s=240)
        for share, found in below.items():
            found.append(bool(seen <= ahead.quantile(195, share, over_s=30)))
    return {share: float(np.mean(found)) for share, found in below.items()}


def test_nothing_known_and_nothing_declared_is_no_outlook() -> None:
    assert outlook.outlook(outlook.empty(), at=AT, horizon_s=60, step_s=5) is None


def test_what_is_declared_is_told_before_anything_is_seen() -> None:
    found = look(outlook.empty(), prior=PRIOR)
    assert found.median == pytest.approx(4.0, rel=0.02)
    assert 8 < found.quantile(60, 0.95) < 20
    assert found.quantile(60, 0.05) < 2


def test_arrivals_outweigh_what_is_declared_within_a_minute() -> None:
    remembered = outlook.learn(outlook.empty(), [20] * 60, until=AT)
    found = look(remembered, prior=PRIOR)
    assert found.median == pytest.approx(20, rel=0.05)
    assert found.spread[0] < look(outlook.empty(), prior=PRIOR).spread[0]


def test_steps_reach_the_horizon() -> None:
    remembered = outlook.learn(outlook.empty(), [3] * 60, until=AT)
    found = outlook.outlook(remembered, at=AT, horizon_s=100, step_s=15)
    assert found is not None
    assert found.median.shape == found.spread.shape == found.path(1.0).shape == (7,)
    assert found.paths(np.array([-1.0, 0.0, 1.0])).shape == (3, 7)


def test_uncertainty_grows_with_the_horizon() -> None:
    found = look(watched(np.random.default_rng(3).poisson(8.0, 7200).astype(np.float64)), horizon_s=1800)
    margins = [found.quantile(ahead, 0.95) / found.quantile(ahead, 0.5) for ahead in (20, 300, 1700)]
    assert margins == sorted(margins)
    assert margins[0] > 1


def test_the_same_demand_at_any_scale_has_the_same_outlook() -> None:
    counts = np.random.default_rng(5).poisson(400.0, 7200).astype(np.float64)
    small, large = look(watched(counts)), look(watched(counts * 100))
    assert large.median / 100 == pytest.approx(small.median, rel=0.03)


@pytest.mark.parametrize("rate", [0.01, 1.0, 1e5])
def test_a_steady_rate_is_its_own_median(rate: float) -> None:
    counts = np.random.default_rng(1).poisson(rate, 8 * 3600).astype(np.float64)
    assert look(watched(counts)).median == pytest.approx(rate, rel=0.5 if rate < 0.1 else 0.12)


def test_zeros_for_hours_and_then_demand() -> None:
    idle = watched(np.zeros(5 * 3600))
    found = look(idle)
    assert found.median.max() < 0.05
    busy = outlook.learn(idle, [20] * 60, until=AT + 60)
    after = look(busy, at=AT + 60)
    assert after.quantile(75, 0.5) > 10
    assert after.quantile(75, 0.99) > 20


def test_the_time_of_day_is_told_from_one_day_of_history() -> None:
    """A step up that came at the same time on the days before is told before it comes."""
    time = np.arange(3 * DAY_S)
    rates = np.where(time % DAY_S < 12 * 3600, 5.0, 15.0)
    counts = np.random.default_rng(2).poisson(rates).astype(np.float64)
    now = 2 * DAY_S + 12 * 3600 - 300
    knowing, ignorant = watched(counts[:now], ends_at=now), watched(counts[now - 7200 : now], ends_at=now)
    ahead = [look(item, at=now, horizon_s=900).quantile(850, 0.9) for item in (knowing, ignorant)]
    assert ahead[0] > 1.2 * ahead[1]


def test_counts_of_bursts_are_overdispersed() -> None:
    rng = np.random.default_rng(4)
    single, batches = rng.poisson(5.0, 3600), 10 * rng.poisson(0.5, 3600)
    assert look(watched(single.astype(np.float64))).dispersion < 1.3
    assert look(watched(batches.astype(np.float64))).dispersion > 6


def test_silence_since_the_last_seconds_widens() -> None:
    remembered = watched(np.full(3600, 10.0))
    fresh, stale = look(remembered), look(remembered, at=AT + 7 * DAY_S, prior=PRIOR)
    assert stale.spread[0] > fresh.spread[0]
    assert np.isfinite(stale.path(2.0)).all()


def test_unknown_seconds_are_not_taken_for_zero() -> None:
    gaps: list[int | None] = [None if second % 60 < 30 else 9 for second in range(1200)]
    remembered = outlook.learn(outlook.empty(), gaps, until=AT)
    assert look(remembered).median == pytest.approx(9, rel=0.05)
    assert remembered.observed_s == 600


def test_coverage_on_a_constant_rate() -> None:
    shares = covered(np.full(30_000, 6.0), seed=7, from_s=10_000)
    assert shares[0.5] == pytest.approx(0.5, abs=0.12)
    assert shares[0.9] == pytest.approx(0.9, abs=0.06)
    assert shares[0.99] >= 0.97


def test_coverage_on_a_sinusoidal_rate() -> None:
    rates = 12 - 8 * np.cos(2 * math.pi * np.arange(40_000) / 7200)
    shares = covered(rates, seed=8, from_s=20_000)
    assert shares[0.5] == pytest.approx(0.5, abs=0.12)
    assert shares[0.9] == pytest.approx(0.9, abs=0.06)
    assert shares[0.99] >= 0.97


def test_coverage_is_reported() -> None:
    found = look(watched(np.random.default_rng(6).poisson(6.0, 30_000).astype(np.float64)))
    for item in found.coverage:
        assert item.windows > 500
        assert item.covered / item.windows == pytest.approx(item.share, abs=0.13)


hostile = st.lists(
    st.one_of(st.none(), st.integers(-5, 50), st.just(0), st.integers(10**6, 10**15)), min_size=1, max_size=90
)


@settings(max_examples=60, deadline=None)
@given(ticks=st.lists(hostile, min_size=1, max_size=6), gap=st.sampled_from([5.0, 15.0, 400.0, 1e6, 1e9]))
def test_outlooks_of_hostile_counts_are_finite_and_ordered(ticks: list[list[int | None]], gap: float) -> None:
    remembered, at = outlook.empty(), AT
    for arrivals in ticks:
        at += gap
        remembered = outlook.learn(remembered, arrivals, until=at)
        found = look(remembered, at=at, prior=PRIOR, horizon_s=3600)
        assert np.isfinite(found.median).all()
        assert np.isfinite(found.spread).all()
        assert found.dispersion >= 1
        paths = found.paths(np.linspace(-5, 5, 21))
        assert np.isfinite(paths).all()
        assert (paths >= 0).all()
        assert (np.diff(paths, axis=0) >= 0).all()
        for ahead in (1.0, 75.0, 3000.0):
            quantiles = [found.quantile(ahead, share, over_s=30) for share in (0.01, 0.3, 0.5, 0.9, 0.999)]
            assert all(map(math.isfinite, quantiles))
            assert quantiles == sorted(quantiles)
    assert outlook.from_plain(remembered.to_plain()) == remembered
