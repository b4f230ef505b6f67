"""Price books: what is found in them, what overrides what, and what a bad file is told."""

from __future__ import annotations

import datetime
import importlib.resources
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stacks import plain_stack
from tenbin_spec import catalogue
from tenbin_spec.catalogue import prices
from tenbin_spec.checks import FindingId, Level, findings
from tenbin_spec.pools import CapacityType, Pool
from tenbin_spec.price_files import with_prices
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.stack import parse_stack

DAY = datetime.date(2026, 11, 1)
BOOK = prices.PriceBook.model_validate(
    {
        "lists": [
            {
                "source": "AWS",
                "date": "2026-11-01",
                "region": "eu-north-1",
                "capacity_type": capacity_type,
                "hourly_usd": {"g6.xlarge": price},
            }
            for capacity_type, price in (("on-demand", "0.8536"), ("spot", "0.3451"), ("capacity-block", "0.70"))
        ]
    }
)


def pool(**changes: Any) -> dict[str, Any]:
    return {"instance_type": "g6.xlarge", "nodes": {"max": 1}, "region": "eu-north-1", **changes}


@pytest.mark.parametrize(
    ("capacity_type", "expected"),
    [("on-demand", "0.8536"), ("spot", "0.3451"), ("capacity-block", "0.70"), ("reservation", "0.8536")],
)
def test_each_way_of_buying_has_its_price_and_a_reservation_costs_as_on_demand(
    capacity_type: str, expected: str
) -> None:
    found = BOOK.of(Pool.model_validate(pool(capacity_type=capacity_type)))
    assert found == prices.NodePrice(hourly_usd=Decimal(expected), date=DAY, source="AWS")


@pytest.mark.parametrize("changes", [{"region": "eu-west-1"}, {"instance_type": "g6.2xlarge"}])
def test_what_a_book_does_not_have_is_unknown(changes: dict[str, str]) -> None:
    assert BOOK.of(Pool.model_validate(pool(**changes))) is None
    assert catalogue.node_price(Pool.model_validate(pool(**changes))) is None


def test_fixed_prices_of_an_unknown_region_are_unknown() -> None:
    assert catalogue.price_book().fixed_in("us-east-1").eks_cluster_hour is not None
    assert set(catalogue.price_book().fixed_in("eu-west-1").model_dump().values()) == {"eu-west-1", None}


def test_new_lists_replace_those_of_the_same_region_and_way_of_buying_alone() -> None:
    new = BOOK.lists[1].model_copy(update={"hourly_usd": {"g6.2xlarge": Decimal("0.40")}})
    changed = BOOK.with_lists([new])
    assert changed.find(region="eu-north-1", capacity_type=CapacityType.SPOT, instance_type="g6.xlarge") is None
    assert {item.key for item in changed.lists} == {item.key for item in BOOK.lists}
    assert new in changed.lists
    assert changed.with_lists([BOOK.lists[1]]).to_json() == BOOK.with_lists([]).to_json()


def test_the_catalogue_is_written_as_it_is_read() -> None:
    text = importlib.resources.files(catalogue).joinpath("prices.json").read_text(encoding="utf-8")
    assert prices.parse(text, "prices.json") == catalogue.price_book()
    assert catalogue.price_book().to_json() == text


@given(st.decimals(min_value=0, max_value=10**8, places=6))
def test_a_price_survives_the_file(price: Decimal) -> None:
    item = BOOK.lists[0].model_copy(update={"hourly_usd": {"g6.xlarge": price}})
    again = prices.parse(prices.PriceBook(lists=(item,)).to_json(), "prices.json")
    assert again.lists[0].hourly_usd["g6.xlarge"] == price


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "line 1, column 2: is not JSON: Expecting property name enclosed in double quotes"),
        ("[]", "[] is not a mapping of keys to values"),
        (
            BOOK.to_json().replace('"0.8536"', "0.8536"),
            "lists[0].hourly_usd.g6.xlarge: 0.8536 is a number where a string belongs: put it in quotes",
        ),
        (BOOK.to_json().replace('"0.8536"', '"NaN"'), "lists[0].hourly_usd.g6.xlarge: 'NaN' is not an amount of USD"),
        (BOOK.to_json().replace('"spot"', '"on-demand"'), "lists has eu-north-1 on-demand more than once"),
        (BOOK.to_json().replace("2026-11-01", "2026-13-01", 1), "lists[0].date: '2026-13-01' is not a day"),
        ('{"list": []}', "list: unknown key; did you mean 'lists'? Allowed here: fixed, lists"),
    ],
    ids=["no JSON", "no mapping", "number", "not a number", "list twice", "no such day", "unknown key"],
)
def test_a_bad_file_says_where_and_what(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        prices.parse(text, "prices.json")
    assert expected in str(caught.value)
    assert str(caught.value).startswith("prices.json has 1 problem")


def configuration(**replacements: Any) -> dict[str, Any]:
    return plain_stack(**{"prices": {"file": "prices.json"}, "pools__l4__region": "eu-north-1"} | replacements)


def test_a_price_file_answers_before_the_catalogue_and_after_the_pool_itself() -> None:
    filled = with_prices(configuration(), lambda _: BOOK.to_json(), "stack")
    assert filled["pools"]["l4"]["hourly_usd"] == "0.8536"
    assert filled["pools"]["l4"]["priced_on"] == "2026-11-01"
    assert filled["pools"]["l4-spot"] == configuration()["pools"]["l4-spot"]
    assert parse_stack(filled).pools["l4"].hourly_usd == Decimal("0.8536")


def test_without_a_price_file_nothing_is_read() -> None:
    plain = plain_stack()
    assert with_prices(plain, pytest.fail, "stack") == plain


@pytest.mark.parametrize("pools", [None, [], {"l4": None}, {"l4": {"instance_type": 5}}])
def test_misshapen_pools_are_left_to_who_parses_them(pools: Any) -> None:
    assert with_prices(configuration(pools=pools), lambda _: BOOK.to_json(), "stack")["pools"] == pools


def test_a_price_file_that_is_not_there_is_named() -> None:
    def read(name: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", name)

    with pytest.raises(ConfigurationError, match=r"tenbin:prices\.file: 'prices\.json' cannot be read: .*No such file"):
        with_prices(configuration(), read, "Pulumi.dev.yaml")


OLD = (
    "tenbin:pools.l4: the price of g6.xlarge on-demand in us-east-1, 0.8048 USD per hour, is of"
    " 2026-07-20, 91 days ago. Ask for today's: tenbin prices refresh --region us-east-1 (price-stale)"
)


@pytest.mark.parametrize(("days", "expected"), [(90, []), (91, [OLD])])
def test_a_price_older_than_90_days_is_a_warning(days: int, expected: list[str]) -> None:
    today = datetime.date(2026, 7, 20) + datetime.timedelta(days=days)
    found = findings(parse_stack(plain_stack()), today)
    assert [str(item) for item in found] == expected
    assert all(item.level is Level.WARNING for item in found)


def test_a_pool_s_own_price_ages_by_its_own_day() -> None:
    stack = parse_stack(plain_stack(**{"pools__l4-spot__priced_on": "2026-01-01"}))
    (found,) = findings(stack, datetime.date(2026, 7, 21))
    assert (found.id, found.path) == (FindingId.PRICE_STALE, "tenbin:pools.l4-spot")
    assert "0.36 USD per hour, is of 2026-01-01, 201 days ago" in found.message


def test_without_a_day_no_price_is_called_old() -> None:
    assert findings(parse_stack(plain_stack(**{"pools__l4-spot__priced_on": "2001-01-01"}))) == ()


def test_every_other_finding_is_a_breach() -> None:
    (found,) = findings(parse_stack(plain_stack(cost__hourly_usd="0.35")))
    assert found.level is Level.BREACH


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"priced_on": "2026-11-01"}, "priced_on 2026-11-01 is the day of hourly_usd, which is missing"),
        ({"priced_on": "1.11.2026", "hourly_usd": "1.00"}, "'1.11.2026' is not a day, year-month-day"),
        ({"priced_on": DAY, "hourly_usd": "1.00"}, "2026-11-01 is a date where a string belongs: put it in quotes"),
    ],
)
def test_the_day_of_a_price_is_checked(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_stack(plain_stack(pools__l4=pool(**changes)))
    assert expected in str(caught.value)
