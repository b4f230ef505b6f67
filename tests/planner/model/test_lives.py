"""Lives of replicas: start-up times, spot interruptions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tenbin_planner.model.lives import LeadTime, ReplicaLife, SpotMarket, fixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]


def test_a_fixed_fleet_serves_from_the_start_to_the_end(by_hand: Profiles) -> None:
    assert fixed(by_hand(), 2) == [ReplicaLife(profile=by_hand(), ready_s=0.0, stop_s=math.inf, kill_s=math.inf)] * 2


@pytest.mark.parametrize(("median_s", "p95_s"), [(90.0, 240.0), (20.0, 21.0)])
def test_lead_times_have_the_median_and_the_percentile_that_were_asked_for(median_s: float, p95_s: float) -> None:
    lead, rng = LeadTime(median_s=median_s, p95_s=p95_s), np.random.default_rng(1)
    drawn = [lead.sample(rng) for _ in range(20_000)]
    assert np.percentile(drawn, [50, 95]) == pytest.approx([median_s, p95_s], rel=0.05)


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_lead_time_without_spread_is_a_constant(seconds: float) -> None:
    assert LeadTime(median_s=seconds, p95_s=seconds).sample(np.random.default_rng(1)) == seconds


def test_lead_times_repeat_with_the_seed() -> None:
    lead = LeadTime(median_s=60, p95_s=90)
    one, other = (lead.sample(np.random.default_rng(5)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("median_s", "p95_s"), [(-1.0, 2.0), (3.0, 2.0), (math.nan, 2.0), (1.0, math.nan), (1.0, math.inf)]
)
def test_impossible_lead_times_are_refused(median_s: float, p95_s: float) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        LeadTime(median_s=median_s, p95_s=p95_s)
    assert str(caught.value) == (
        f"median_s {median_s}, p95_s {p95_s}; allowed are finite numbers, 0 <= median_s <= p95_s"
    )


def test_spot_capacity_is_interrupted_at_its_rate_with_notice(by_hand: Profiles) -> None:
    market, rng = SpotMarket(interruptions_per_hour=2.0, notice_s=120.0), np.random.default_rng(1)
    ended = [market.interrupt(ReplicaLife(profile=by_hand(), ready_s=100.0), rng) for _ in range(5000)]
    assert np.mean([life.stop_s - 100 for life in ended]) == pytest.approx(1800, rel=0.05)
    assert {round(life.kill_s - life.stop_s, 6) for life in ended} == {120.0}


def test_an_interruption_ends_no_life_later_than_it_would_end(by_hand: Profiles) -> None:
    market, rng = SpotMarket(interruptions_per_hour=2.0), np.random.default_rng(1)
    life = ReplicaLife(profile=by_hand(), stop_s=1000.0, kill_s=1100.0)
    ended = [market.interrupt(life, rng) for _ in range(200)]
    assert max(end.stop_s for end in ended) == 1000.0
    assert max(end.kill_s for end in ended) == 1100.0
    assert min(end.stop_s for end in ended) < 1000.0


def test_a_market_without_interruptions_leaves_lives_as_they_are(by_hand: Profiles) -> None:
    life = ReplicaLife(profile=by_hand())
    assert SpotMarket(interruptions_per_hour=0.0).interrupt(life, np.random.default_rng(1)) == life


def test_instants_that_are_none_are_refused_all_at_once(by_hand: Profiles) -> None:
    with pytest.raises(ValueError, match=r"^ready_s is nan; allowed is a number; kill_s is nan; allowed is a number$"):
        ReplicaLife(profile=by_hand(), ready_s=math.nan, kill_s=math.nan)


def test_whole_pools_are_hit_at_their_rate_within_the_bounds_of_shares_and_droughts() -> None:
    market = SpotMarket(reclaims_per_hour=2.0, reclaim_share=(0.2, 0.6), drought_s=(60.0, 600.0))
    found = market.reclaims(3_600_000.0, np.random.default_rng(1))
    assert len(found) == pytest.approx(2000, rel=0.05)
    instants = [item.at_s for item in found]
    assert instants == sorted(instants)
    assert 0 < instants[0] < instants[-1] < 3_600_000
    for values, low, high in (
        ([item.share for item in found], 0.2, 0.6),
        ([item.drought_s for item in found], 60.0, 600.0),
    ):
        assert low <= min(values) < max(values) <= high
        assert np.mean(values) == pytest.approx((low + high) / 2, rel=0.05)


def test_what_happens_to_a_pool_does_not_depend_on_how_long_one_looks() -> None:
    market = SpotMarket(reclaims_per_hour=2.0)
    long, short = (market.reclaims(end_s, np.random.default_rng(1)) for end_s in (90_000.0, 9_000.0))
    assert 0 < len(short) < len(long)
    assert long[: len(short)] == short


def test_a_pool_that_is_never_hit_as_a_whole_uses_no_random_numbers() -> None:
    rng = np.random.default_rng(1)
    assert SpotMarket(interruptions_per_hour=2.0).reclaims(1e9, rng) == ()
    assert rng.random() == np.random.default_rng(1).random()


@pytest.mark.parametrize("bounds", [(0.5, 0.4), (-0.1, 0.5), (0.5, math.nan)])
def test_bounds_that_are_none_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        SpotMarket(reclaim_share=bounds, drought_s=bounds)
    low, high = bounds
    assert str(caught.value) == (
        f"reclaim_share is {low} to {high}; allowed are rising shares, 0 to 1; "
        f"drought_s is {low} to {high}; allowed are rising finite numbers of 0 or more"
    )


@pytest.mark.parametrize("number", [-1.0, math.nan, math.inf])
def test_impossible_markets_are_refused(number: float) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        SpotMarket(interruptions_per_hour=number, notice_s=number)
    assert str(caught.value) == (
        f"interruptions_per_hour is {number}; allowed is a finite number of 0 or more; "
        f"notice_s is {number}; allowed is a finite number of 0 or more"
    )
