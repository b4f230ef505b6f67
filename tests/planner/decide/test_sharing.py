"""Money that is short: within the caps, to whom it saves most, and in any order the same."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.decide import sharing


def claim(service: str, *, wanted: int, need: float, least: int = 1, miss_usd: float = 1.0) -> sharing.Claim:
    """Return a service whose misses fall in a straight line until it has what it needs."""
    return sharing.Claim(
        service=service,
        least=least,
        wanted=wanted,
        hourly_usd=Decimal,
        worth=lambda count: miss_usd * max(0.0, need - count),
    )


def test_what_fits_is_given() -> None:
    claims = [claim("a", wanted=3, need=3), claim("b", wanted=4, need=4)]
    assert sharing.share(claims, Decimal(7)) == {"a": 3, "b": 4}


def test_the_last_dollars_go_where_a_miss_is_dearer() -> None:
    claims = [claim("a", wanted=5, need=5), claim("b", wanted=5, need=5, miss_usd=2.0)]
    assert sharing.share(claims, Decimal(7)) == {"a": 2, "b": 5}


def test_each_has_its_least_first() -> None:
    claims = [claim("a", wanted=5, need=5, least=2), claim("b", wanted=5, need=5, miss_usd=100.0)]
    assert sharing.share(claims, Decimal(4)) == {"a": 2, "b": 2}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.floats(0, 5)), min_size=1, max_size=5),
    st.integers(0, 80),
)
def test_the_cap_is_kept_and_the_order_plays_no_part(drawn: list[tuple[int, int, float]], cap: int) -> None:
    claims = [
        claim(f"s{index}", wanted=least + more, need=least + more, least=least, miss_usd=usd)
        for index, (more, least, usd) in enumerate(drawn)
    ]
    given_ = sharing.share(claims, Decimal(cap))
    assert given_ == sharing.share(claims[::-1], Decimal(cap))
    for item in claims:
        assert item.least <= given_[item.service] <= item.wanted
    assert sum(given_.values()) <= max(cap, sum(item.least for item in claims))


def overloaded(service: str, *, wanted: int, miss_usd: float, **changes: Any) -> sharing.Claim:
    """Return a service that only its last few replicas bring out of an overload."""
    plain: dict[str, Any] = {
        "service": service,
        "least": 1,
        "wanted": wanted,
        "hourly_usd": Decimal,
        "worth": lambda count: miss_usd * min(100.0, 50.0 * max(0, wanted - count)) + 0.1 * max(0, wanted - count),
    }
    return sharing.Claim(**{**plain, **changes})


@pytest.mark.parametrize(("dear", "cheap"), [("a", "b"), ("b", "a")])
def test_an_overload_that_few_replicas_do_not_end_is_no_reason_to_give_none(dear: str, cheap: str) -> None:
    claims = [overloaded(dear, wanted=8, miss_usd=10.0), overloaded(cheap, wanted=8, miss_usd=1.0)]
    assert sharing.share(claims, Decimal(10)) == {dear: 8, cheap: 2}


def test_a_cap_of_its_own_is_kept_though_the_stack_has_money() -> None:
    claims = [
        claim("a", wanted=5, need=5, miss_usd=100.0),
        dataclasses.replace(claim("b", wanted=6, need=6, miss_usd=100.0), cap_usd=Decimal(3)),
    ]
    assert sharing.share(claims, Decimal(20)) == {"a": 5, "b": 3}
    assert sharing.share(claims, Decimal(7)) in ({"a": 4, "b": 3}, {"a": 5, "b": 2})


def test_a_cap_below_the_least_leaves_the_least() -> None:
    impossible = dataclasses.replace(claim("a", wanted=5, need=5, least=2), cap_usd=Decimal(1))
    assert sharing.share([impossible, claim("b", wanted=3, need=3)], Decimal(5)) == {"a": 2, "b": 3}


def test_money_goes_where_a_dollar_saves_more() -> None:
    dear = dataclasses.replace(claim("a", wanted=5, need=5, miss_usd=1.5), hourly_usd=lambda count: Decimal(3 * count))
    cheap = claim("b", wanted=5, need=5)
    assert sharing.share([dear, cheap], Decimal(14)) == {"a": 3, "b": 5}


def test_a_large_service_gives_up_no_more_than_it_must() -> None:
    claims = [claim("a", wanted=400, need=400), claim("b", wanted=400, need=400, miss_usd=2.0)]
    assert sharing.share(claims, Decimal(793)) == {"a": 393, "b": 400}
