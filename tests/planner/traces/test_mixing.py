"""Classes that are drawn for requests of which none is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenbin_planner import traces
from tenbin_planner.traces import mixing

if TYPE_CHECKING:
    from collections.abc import Mapping

MIX = {"interactive": 0.7, "batch": 0.3}


def trace(count: int, **more: object) -> traces.Trace:
    return traces.Trace.of(
        name="plain",
        arrival_s=np.arange(count),
        input_tokens=[9] * count,
        output_tokens=[9] * count,
        **more,  # type: ignore[arg-type]
    )


def shares(found: traces.Trace) -> Mapping[str, float]:
    counts = np.bincount(found.class_index, minlength=len(found.classes))
    return {name: count / len(found) for name, count in zip(found.classes, counts.tolist(), strict=True)}


@settings(max_examples=30, deadline=None)
@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_shares_come_as_near_as_chance_allows(weights: list[int], seed: int) -> None:
    wanted = {f"c{place}": weight / sum(weights) for place, weight in enumerate(weights)}
    found = shares(mixing.mixed(trace(20_000), wanted, seed=seed))
    for name, share in wanted.items():
        assert abs(found[name] - share) < 6 * math.sqrt(share * (1 - share) / 20_000) + 1e-9


def test_the_same_seed_gives_the_same_classes_in_whatever_order_they_are_named() -> None:
    first, again = mixing.mixed(trace(500), MIX), mixing.mixed(trace(500), dict(reversed(MIX.items())))
    other = mixing.mixed(trace(500), MIX, seed=1)
    assert first.digest() == again.digest() != other.digest()


def test_a_requests_place_decides_whatever_comes_after() -> None:
    long, short = mixing.mixed(trace(500), MIX), mixing.mixed(trace(100), MIX)
    assert long.select(np.arange(100)).digest() == short.digest()


def test_nothing_else_changes_and_a_class_that_nobody_drew_is_left_out() -> None:
    before = trace(3, cached_tokens=[1, 2, 3], tenants=("a", "b"), tenant_index=[1, 0, 1])
    after = mixing.mixed(before, {"usual": 0.999999, "rare": 0.000001})
    assert after.classes == ("usual",)
    assert after.with_class("").digest() == before.digest()


def test_a_trace_with_classes_is_refused() -> None:
    with pytest.raises(traces.TraceError, match=r"^plain has classes already: chat; allowed are traces without$"):
        mixing.mixed(trace(3, classes=("chat",)), MIX)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=0.5,b=0.4", "shares add up to 0.9; allowed is 1"),
        ("a=0.5,b", "'b': allowed is NAME=SHARE, each name once, shares above 0, up to 1"),
        ("a=0.5,a=0.5", "'a=0.5': allowed is NAME=SHARE"),
        ("a=nan", "'a=nan': allowed is NAME=SHARE"),
        ("=1", "'=1': allowed is NAME=SHARE"),
        ("a=0,b=1", "'a=0': allowed is NAME=SHARE"),
        ("", "'': allowed is NAME=SHARE"),
    ],
)
def test_mixes_that_mean_nothing_are_refused(text: str, expected: str) -> None:
    with pytest.raises(traces.TraceError) as caught:
        mixing.parse(text)
    assert expected in str(caught.value)
