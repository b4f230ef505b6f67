"""Token counts drawn from a mean and a 95th percentile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model.lengths import LengthDistribution


@pytest.mark.parametrize(("mean", "p95"), [(300, 900), (60, 160), (2000, 2500), (100, 386)])
def test_samples_have_the_mean_and_the_percentile_that_were_asked_for(mean: int, p95: int) -> None:
    tokens = LengthDistribution.fit_moments(mean=mean, p95=p95).sample(200_000, np.random.default_rng(1), longest=10**6)
    assert tokens.mean() == pytest.approx(mean, rel=0.03)
    assert np.percentile(tokens, 95) == pytest.approx(p95, rel=0.03)


def test_a_percentile_equal_to_the_mean_is_a_constant() -> None:
    tokens = LengthDistribution.fit_moments(mean=128, p95=128).sample(100, np.random.default_rng(1), longest=1000)
    assert set(tokens.tolist()) == {128}


def test_a_percentile_beyond_every_lognormal_keeps_the_mean() -> None:
    tokens = LengthDistribution.fit_moments(mean=100, p95=5000).sample(10**6, np.random.default_rng(1), longest=10**9)
    assert tokens.mean() == pytest.approx(100, rel=0.05)


@given(st.integers(1, 5000), st.floats(1, 20), st.integers(1, 10_000), st.integers(0, 2**32))
def test_samples_are_whole_within_bounds_and_repeat_with_the_seed(
    mean: int, ratio: float, longest: int, seed: int
) -> None:
    distribution = LengthDistribution.fit_moments(mean=mean, p95=mean * ratio)
    first, second = (distribution.sample(50, np.random.default_rng(seed), longest=longest) for _ in range(2))
    assert first.dtype == np.int64
    assert first.min() >= 1
    assert first.max() <= longest
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(("mean", "p95"), [(0, 10), (-5, 10), (20, 10), (float("nan"), 10), (10, float("inf"))])
def test_impossible_moments_are_refused(mean: float, p95: float) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        LengthDistribution.fit_moments(mean=mean, p95=p95)
    assert str(caught.value) == f"mean {mean} and p95 {p95} must be finite, above 0 and in this order"


def test_a_limit_below_one_token_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^longest is 0; allowed is 1 or more$"):
        LengthDistribution.fit_moments(mean=1, p95=2).sample(1, np.random.default_rng(1), longest=0)
