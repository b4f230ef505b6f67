"""Replicas from pods, and their price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.traffic import document, pod, replicas
from tenbin_local.load import fleet

PRICES = fleet.prices_of(document(), "chat")


def test_prices_come_cheapest_first() -> None:
    assert [(price.pool, price.hourly_usd, price.max_replicas) for price in PRICES] == [
        ("l4-spot", Decimal("0.36"), 2),
        ("l4", Decimal("0.8048"), 4),
    ]


def test_pods_are_ready_starting_or_draining() -> None:
    going = pod("l4") | {"metadata": {"labels": {"tenbin.dev/pool": "l4"}, "deletionTimestamp": "2026-11-24T12:00:00Z"}}
    pods = [
        pod("l4-spot"),
        pod("l4-spot", ready=False),
        pod("l4-spot", draining=True),
        pod("l4-spot", phase="Failed"),
        pod("l4-spot", phase="Succeeded"),
        going,
        {"metadata": {"labels": {"tenbin.dev/pool": "l4"}}, "status": {"phase": "Pending"}},
    ]
    sample = fleet.count(pods, ["l4-spot", "l4", "spare"], 5.0)
    assert sample == fleet.FleetSample(
        at_s=5.0,
        pools={
            "l4": fleet.PoolCount(starting=1, draining=1),
            "l4-spot": fleet.PoolCount(ready=1, starting=1, draining=1),
            "spare": fleet.PoolCount(),
        },
    )
    assert list(sample.pools) == ["l4-spot", "l4", "spare"]
    assert (sample.billed, sample.ready) == (5, 1)


def test_an_hour_of_each_pool_costs_its_price() -> None:
    spend = fleet.spend([replicas(2.0, l4_spot=1, l4=2)], PRICES, 3600.0)
    assert spend.usd == Decimal("0.36") + 2 * Decimal("0.8048")
    assert spend.gpu_hours == pytest.approx(3)
    assert spend.replica_seconds == {"l4": 7200, "l4-spot": 3600}


def test_a_sample_holds_until_the_next_one() -> None:
    samples = [replicas(1.0, l4_spot=1), replicas(10.0, l4_spot=2), replicas(30.0, l4_spot=0)]
    assert fleet.spend(samples, PRICES, 100.0).replica_seconds == {"l4-spot": 10 + 2 * 20}


@given(
    st.lists(st.integers(min_value=0, max_value=5), min_size=1, max_size=20),
    st.floats(min_value=0, max_value=40, allow_nan=False),
)
def test_money_adds_up_over_time(counts: list[int], split: float) -> None:
    samples = [replicas(float(second * 2), l4_spot=count) for second, count in enumerate(counts)]
    whole = fleet.spend(samples, PRICES, 40.0)
    before = fleet.spend(samples, PRICES, split)
    assert before.usd is not None
    assert whole.usd is not None
    assert 0 <= before.usd <= whole.usd
    expected = sum(2 * count for count in counts) + counts[-1] * (40 - 2 * len(counts))
    assert whole.gpu_hours * 3600 == pytest.approx(expected)
    assert float(whole.usd) == pytest.approx(expected * 0.36 / 3600)


def test_an_unknown_price_is_not_zero() -> None:
    unknown = (fleet.PoolPrice(pool="l4", hourly_usd=None, accelerators=4, max_replicas=1),)
    used = fleet.spend([replicas(0.0, l4=1)], unknown, 3600.0)
    assert (used.usd, used.gpu_hours) == (None, 4)
    assert fleet.spend([replicas(0.0, l4=0)], unknown, 3600.0).usd == 0
    assert fleet.hourly_usd(replicas(0.0, l4=1), unknown) is None
    assert fleet.spend([replicas(0.0, stranger=1)], PRICES, 3600.0).usd is None


def test_price_per_hour_counts_all_replicas() -> None:
    assert fleet.hourly_usd(replicas(0.0, l4_spot=2, l4=1), PRICES) == Decimal("1.5248")


@pytest.mark.parametrize(
    ("count", "spread"),
    [(1, {"l4-spot": 1}), (2, {"l4-spot": 2}), (3, {"l4-spot": 2, "l4": 1}), (6, {"l4-spot": 2, "l4": 4}), (7, None)],
)
def test_fixed_fleets_fill_the_cheapest_pool_first(count: int, spread: dict[str, int] | None) -> None:
    assert fleet.cheapest_pools(PRICES, count) == spread
    assert fleet.cheapest_pools(tuple(reversed(PRICES)), count) == spread
