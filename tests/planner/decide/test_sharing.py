"""Money that is short: within the caps, to whom it saves most, and in any order the same."""

from __future__ import annotations

from decimal import Decimal

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
