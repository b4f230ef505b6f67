"""AWS's answers in the catalogue's terms, and what a new list changes: arithmetic, and answers that are not whole."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_cli import price_changes, price_offers
from tenbin_cli.price_changes import Change
from tenbin_spec import catalogue
from tenbin_spec.catalogue.prices import PriceList
from tenbin_spec.pools import CapacityType

prices = st.decimals(min_value="0.000001", max_value="1000", places=6)
books = st.dictionaries(st.sampled_from(["g6.xlarge", "g6e.xlarge", "p5.48xlarge"]), prices)


def product(name: str, price: str) -> str:
    terms = {"T": {"priceDimensions": {"D": {"unit": "Hrs", "pricePerUnit": {"USD": price}}}}}
    return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": {"OnDemand": terms}})


@given(prices)
def test_a_price_is_taken_to_the_last_digit(price: Decimal) -> None:
    assert price_offers.on_demand([product("g6.xlarge", f"{price:.10f}")], ["g6.xlarge"]) == {"g6.xlarge": price}


@pytest.mark.parametrize(
    ("text", "expected"), [("0.80480000", "0.8048"), ("10.0000000000", "10"), ("0.0000001", "0.000001")]
)
def test_a_price_is_written_short_and_never_rounded_down(text: str, expected: str) -> None:
    assert str(price_offers.on_demand([product("g6.xlarge", text)], ["g6.xlarge"])["g6.xlarge"]) == expected


def test_other_types_and_what_is_not_sold_on_demand_do_not_count() -> None:
    blocks = json.loads(product("p5e.48xlarge", "9.00"))
    blocks["product"]["attributes"]["marketoption"] = "CapacityBlock"
    without = json.dumps({"product": {"attributes": {"instanceType": "p5e.48xlarge"}}, "terms": {}})
    texts = [product("m5.large", "0.10"), json.dumps(blocks), without, product("p5e.48xlarge", "0.0000000000")]
    assert price_offers.on_demand(texts, ["p5e.48xlarge"]) == {}


def test_the_same_price_twice_is_one_price() -> None:
    twice = [product("g6.xlarge", "0.80"), product("g6.xlarge", "0.8000000000")]
    assert price_offers.on_demand(twice, ["g6.xlarge"]) == {"g6.xlarge": Decimal("0.8")}


def history(*prices_by_zone: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"InstanceType": "g6.xlarge", "AvailabilityZone": zone, "SpotPrice": price} for zone, price in prices_by_zone
    ]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([("us-east-1a", "0.30"), ("us-east-1a", "0.40")], {"g6.xlarge": Decimal("0.4")}),
        ([("us-east-1a", "0.30"), ("us-east-1b", "0.40"), ("us-east-1c", "0.80")], {"g6.xlarge": Decimal("0.4")}),
        ([("us-east-1a", "0.30"), ("us-east-1b", "0.40")], {"g6.xlarge": Decimal("0.4")}),
        ([("us-east-1-atl-1a", "0.30"), ("us-east-2a", "0.40")], {}),
        ([], {}),
    ],
    ids=["highest of a zone", "median of zones", "the dearer of two", "other places", "nothing"],
)
def test_spot_is_the_median_of_the_zones_highest(entries: list[tuple[str, str]], expected: dict[str, Decimal]) -> None:
    assert price_offers.spot(history(*entries), "us-east-1") == expected
    assert price_offers.spot(history(*reversed(entries)), "us-east-1") == expected


@pytest.mark.parametrize(
    "entry", [{}, {"InstanceType": "g6.xlarge", "AvailabilityZone": "us-east-1a", "SpotPrice": ""}]
)
def test_a_spot_entry_that_is_not_whole_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(price_offers.OfferError, match="an entry of the spot price history cannot be read"):
        price_offers.spot([entry], "us-east-1")


def offering(fee: str, *, hours: int = 24, count: int = 1, currency: str = "USD") -> dict[str, Any]:
    return {
        "UpfrontFee": fee,
        "CapacityBlockDurationHours": hours,
        "InstanceCount": count,
        "CurrencyCode": currency,
    }


@pytest.mark.parametrize(
    ("offerings", "expected"),
    [
        ([], None),
        ([offering("240")], "10"),
        ([offering("240", count=2)], "5"),
        ([offering("240"), offering("480"), offering("24")], "20"),
        ([offering("100", hours=48)], "2.083334"),
    ],
    ids=["none", "one", "two nodes", "the dearest", "rounded up"],
)
def test_a_block_costs_its_fee_by_nodes_and_hours(offerings: list[dict[str, Any]], expected: str | None) -> None:
    found = price_offers.capacity_block(offerings)
    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (offering("240", currency="CNY"), "a capacity block is offered in CNY, not in USD"),
        (offering("240", hours=0), "a capacity block cannot be read"),
        (offering("free"), "a capacity block cannot be read"),
        ({"CurrencyCode": "USD"}, "a capacity block cannot be read ('CapacityBlockDurationHours' is missing)"),
    ],
)
def test_a_block_that_is_not_whole_is_refused(entry: dict[str, Any], expected: str) -> None:
    with pytest.raises(price_offers.OfferError) as caught:
        price_offers.capacity_block([entry])
    assert expected in str(caught.value)


def test_facts_that_aws_leaves_out_agree() -> None:
    assert price_offers.differences([{"InstanceType": "g6.xlarge"}], catalogue.instances()) == []


def test_neuron_devices_count_as_accelerators() -> None:
    entry = {"InstanceType": "inf2.24xlarge", "NeuronInfo": {"NeuronDevices": [{"Count": 5}]}}
    assert price_offers.differences([entry], catalogue.instances()) == [
        "inf2.24xlarge: accelerators is 5 at AWS and 6 in the catalogue"
    ]


def listed(hourly: dict[str, Decimal], region: str = "us-east-1") -> PriceList:
    return PriceList.model_validate(
        {
            "source": "test",
            "date": "2026-11-01",
            "region": region,
            "capacity_type": "spot",
            "hourly_usd": {name: str(price) for name, price in hourly.items()},
        }
    )


def change(before: str | None, after: str | None) -> Change:
    old, new = (None if price is None else Decimal(price) for price in (before, after))
    return Change(capacity_type=CapacityType.SPOT, instance_type="g6.xlarge", before=old, after=new)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("2.00", "3.00", "0.5"),
        ("2.00", "1.00", "-0.5"),
        (None, "1.00", None),
        ("1.00", None, None),
        ("0", "1.00", None),
    ],
)
def test_a_change_is_a_share_of_what_was_paid(before: str | None, after: str | None, share: str | None) -> None:
    assert change(before, after).share == (None if share is None else Decimal(share))


def test_the_first_list_with_a_price_counts() -> None:
    own, shipped = listed({"g6.xlarge": Decimal(1)}), listed({"g6.xlarge": Decimal(2), "g6e.xlarge": Decimal(3)})
    found = price_changes.changes([shipped], [own, shipped], "us-east-1")
    assert found == (change("2", "1"),)


@given(books, books)
def test_changes_are_what_differs_and_turn_round_with_the_order(
    before: dict[str, Decimal], after: dict[str, Decimal]
) -> None:
    found = price_changes.changes([listed(before)], [listed(after)], "us-east-1")
    assert {item.instance_type for item in found} == {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }
    back = price_changes.changes([listed(after)], [listed(before)], "us-east-1")
    assert [(item.before, item.after) for item in back] == [(item.after, item.before) for item in found]
    assert price_changes.changes([listed(before)], [listed(after)], "eu-west-1") == ()


def test_a_day_has_no_part_in_what_changes() -> None:
    old = listed({"g6.xlarge": Decimal(1)})
    assert price_changes.changes([old], [old.model_copy(update={"date": datetime.date(2020, 1, 1)})], "us-east-1") == ()
