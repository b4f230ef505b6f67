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


@pytest.mark.parametrize("number", [-1.0, math.nan, math.inf])
def test_impossible_markets_are_refused(number: float) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        SpotMarket(interruptions_per_hour=number, notice_s=number)
    assert str(caught.value) == (
        f"interruptions_per_hour is {number}; allowed is a finite number of 0 or more; "
        f"notice_s is {number}; allowed is a finite number of 0 or more"
    )
