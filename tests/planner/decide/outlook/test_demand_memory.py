"""The memory of demand: learning once, writing down and reading, merging."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenbin_planner.decide import outlook

AT = 1_000_003.0


def counts(seconds: int, *, seed: int = 0) -> list[int | None]:
    return [int(value) for value in np.random.default_rng(seed).poisson(7.0, seconds)]


def test_learning_twice_is_learning_once() -> None:
    once = outlook.learn(outlook.empty(), counts(600), until=AT)
    assert outlook.learn(once, counts(600), until=AT) is once
    assert outlook.learn(once, counts(600)[-100:], until=AT + 1.5) is once


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 599), max_size=8))
def test_ticks_add_up_to_the_whole(cuts: list[int]) -> None:
    """However the seconds are handed in, with overlaps, the same is learned."""
    arrivals = counts(600)
    start = AT - 600
    whole = outlook.learn(outlook.empty(), arrivals, until=AT)
    parts = outlook.empty()
    for cut in sorted({*cuts, 600}):
        parts = outlook.learn(parts, arrivals[:cut], until=start + cut)
    assert parts == whole


def test_a_history_is_what_a_planner_that_watched_would_know() -> None:
    arrivals = counts(3600, seed=1)
    watched = outlook.empty()
    for now in range(15, 3601, 15):
        watched = outlook.learn(watched, arrivals[max(0, now - 60) : now], until=AT - 3600 + now)
    assert outlook.from_history(np.array(arrivals, dtype=np.float64), ends_at=AT) == watched


def test_a_long_history_keeps_the_time_of_day() -> None:
    day = 86_400
    rates = np.where(np.arange(5 * day) % day < day // 2, 2.0, 6.0)
    found = outlook.from_history(rates, ends_at=5 * day)
    roots = found.slots[found.slots >= 0].astype(np.float64)
    assert roots.size == 5 * 288
    assert roots[:144] ** 2 == pytest.approx(2.0, rel=0.01)
    assert roots[-144:] ** 2 == pytest.approx(6.0, rel=0.01)


def test_time_may_begin_at_zero_or_before() -> None:
    young = outlook.learn(outlook.empty(), counts(60), until=60.0)
    assert young.until == 12
    earlier = outlook.from_history(np.full(3600, 5.0), ends_at=0.0)
    later = outlook.learn(earlier, [5] * 60, until=60.0)
    assert later.observed_s == 3660


def test_plain_is_json_and_bounded() -> None:
    found = outlook.from_history(np.random.default_rng(0).poisson(1e4, 20_000).astype(np.float64), ends_at=AT)
    text = json.dumps(found.to_plain(), allow_nan=False)
    assert len(text) < 45_000
    assert outlook.from_plain(json.loads(text)) == found
    assert outlook.from_plain(outlook.empty().to_plain()) == outlook.empty()


@pytest.mark.parametrize("name", ["bins", "slots", "levels", "rows", "losses", "gram", "scales", "residuals"])
def test_plain_of_wrong_shape_or_with_numbers_that_are_none_is_refused(name: str) -> None:
    plain = outlook.learn(outlook.empty(), counts(600), until=AT).to_plain()
    raw = base64.b64decode(plain[name])
    nan = {"bins": "<f4", "rows": "<f4", "slots": "<f2"}.get(name, "<f8")
    broken = bytearray(raw)
    width = np.dtype(nan).itemsize
    broken[:width] = np.array([np.nan], dtype=nan).tobytes()
    for value in (base64.b64encode(raw[:-8]).decode(), base64.b64encode(bytes(broken)).decode(), "?", 5, None):
        with pytest.raises(ValueError, match="memory of demand"):
            outlook.from_plain({**plain, name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"until": 1.5},
        {"until": 2**60},
        {"observed_s": float("nan")},
        {"observed_s": -1.0},
        {"observed_s": "x"},
    ],
)
def test_plain_of_wrong_numbers_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        outlook.from_plain({**outlook.empty().to_plain(), **change})


def test_numbers_that_no_learning_gives_are_refused() -> None:
    plain = outlook.learn(outlook.empty(), counts(600), until=AT).to_plain()
    for name in ("losses", "residuals", "gram", "levels"):
        values = -np.ones(len(base64.b64decode(plain[name])) // 8)
        with pytest.raises(ValueError, match="memory of demand"):
            outlook.from_plain({**plain, name: base64.b64encode(values.tobytes()).decode()})


def test_arrays_are_closed_to_writing() -> None:
    with pytest.raises(ValueError, match="read-only"):
        outlook.empty().bins[0] = 1


def test_a_standby_adds_what_it_saw_itself() -> None:
    arrivals = counts(3600, seed=2)
    start = AT - 3600
    saved = outlook.learn(outlook.empty(), arrivals[:3000], until=start + 3000)
    own = outlook.learn(outlook.empty(), arrivals[2400:], until=AT)
    merged = outlook.merge(saved, own)
    assert merged == outlook.learn(outlook.empty(), arrivals, until=AT)


def test_merging_with_nothing_or_the_older_changes_nothing() -> None:
    saved = outlook.learn(outlook.empty(), counts(600), until=AT)
    older = outlook.learn(outlook.empty(), counts(60), until=AT - 300)
    assert outlook.merge(saved, None) is saved
    assert outlook.merge(saved, older) is saved
    assert outlook.merge(saved, outlook.empty()) is saved
    assert outlook.merge(outlook.empty(), saved) is saved


def test_a_standby_that_saw_nothing_for_long_still_merges() -> None:
    saved = outlook.learn(outlook.empty(), counts(3000), until=AT)
    own = outlook.learn(outlook.empty(), counts(600, seed=3), until=AT + 50_000)
    merged = outlook.merge(saved, own)
    assert merged.until == own.until
    found = outlook.outlook(merged, at=AT + 50_000, horizon_s=60, step_s=5)
    assert found is not None
    assert np.isfinite(found.path(2.0)).all()
