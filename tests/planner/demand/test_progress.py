"""How far answers have come, by what a gateway says of them while they run and when they end."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import demand
from tenbin_planner.demand import progress
from tenbin_spec.objectives import Objective, Slo

SLO = Slo(window="30d", classes={"interactive": Objective(target="0.99", ttft_ms=1000, tpot_ms=50)})
BYTES = 100
"""Of a token, once an answer has said so."""


def log_at(at: float) -> demand.DemandLog:
    """A log that knows the bytes of a token, from an answer of 100 tokens at 20 ms each after 500 ms."""
    log = demand.DemandLog()
    log.configure({"chat": SLO})
    log.heard("gateway", at=at - 10)
    log.ended(ended("first", ttft_ms=500.0, e2e_ms=2480.0, output_tokens=100), at=at)
    log.snapshot(at)
    return log


def started(request: str) -> demand.Started:
    return demand.Started(request=request, service="chat", class_name="interactive")


def running(request: str, tokens: int, **changes: Any) -> demand.Running:
    entry = demand.Running(
        request=request, service="chat", class_name="interactive", is_streamed=True, output_bytes=tokens * BYTES
    )
    return dataclasses.replace(entry, **changes)


def ended(request: str, **changes: Any) -> demand.Ended:
    tokens = changes.get("output_tokens") or changes.pop("tokens", 0)
    answer = demand.Ended(
        request=request,
        service="chat",
        class_name="interactive",
        outcome=demand.Outcome.ANSWERED,
        is_streamed=True,
        output_bytes=tokens * BYTES,
    )
    return dataclasses.replace(answer, **changes)


def seen(log: demand.DemandLog, at: float) -> demand.ClassObservation:
    return log.snapshot(at).classes["chat", "interactive"]


def beyond(found: demand.ClassObservation, tokens: int) -> int:
    """Return how many answers were seen to go beyond the bin of so many tokens."""
    assert found.answers is not None
    return found.answers.passed[int(progress.bins_of(tokens))]


def ends(found: demand.ClassObservation) -> int:
    assert found.answers is not None
    return sum(found.answers.ended)


@given(st.integers(0, 2 * progress.LONGEST))
def test_a_bin_holds_the_tokens_between_its_edges(tokens: int) -> None:
    found = int(progress.bins_of(tokens))
    if tokens == 0:
        assert found == -1
    else:
        assert progress.EDGES[found] < tokens <= progress.EDGES[found + 1] or found == progress.BINS - 1
    assert progress.histogram([tokens]).sum() == (tokens > 0)


@given(st.lists(st.integers(0, 10**6)))
def test_who_went_beyond_a_bin_got_further_than_its_end(tokens: list[int]) -> None:
    counted = progress.passed(progress.histogram(tokens)).tolist()
    ends_ = progress.EDGES[1:-1].tolist()
    assert counted[:-1] == [sum(value > end for value in tokens) for end in ends_]


@given(st.integers(0, 6000), st.integers(0, 5))
def test_a_sample_is_bounded_in_order_and_of_all(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ages, tokens = rng.uniform(0, 100, count), rng.integers(0, 5000, count)
    sample = demand.RunningSample.of(ages, tokens)
    assert sample.count == count
    assert len(sample.age_s) == len(sample.output_tokens) == min(count, progress.SAMPLE_SIZE)
    assert list(sample.age_s) == sorted(sample.age_s, reverse=True)
    if count > progress.SAMPLE_SIZE:
        assert np.mean(sample.age_s) == pytest.approx(ages.mean(), rel=0.01)


def test_bytes_tell_how_far_an_answer_has_come_and_its_pace_how_far_since() -> None:
    log = log_at(100.0)
    log.started(started("r1"), at=101.0)
    log.running(running("r1", 91, age_ms=10_000.0, ttft_ms=1000.0), at=111.0)
    assert seen(log, 111.0).running == demand.RunningSample(count=1, age_s=(10.0,), output_tokens=(91,))
    assert seen(log, 115.0).running.output_tokens == (131,)
    log.running(running("r1", 140, age_ms=20_000.0, ttft_ms=1000.0), at=121.0)
    assert seen(log, 121.0).running.output_tokens == (140,)


def test_before_it_is_heard_of_again_an_answer_comes_as_others_did() -> None:
    log = log_at(100.0)
    log.started(started("r1"), at=101.0)
    assert seen(log, 101.4).running.output_tokens == (0,)
    assert seen(log, 103.5).running.output_tokens == (101,)
    log.running(running("r1", 0, age_ms=5000.0), at=106.0)
    assert seen(log, 106.0).running.output_tokens == (0,), "it waits: its headers came, and nothing of its body"
    without_pace = demand.DemandLog()
    without_pace.configure({"chat": SLO})
    without_pace.started(started("r1"), at=1.0)
    assert seen(without_pace, 9.0).running.output_tokens == (0,)


def test_an_answer_in_one_piece_comes_by_its_age() -> None:
    log = log_at(100.0)
    log.ended(ended("plain", is_streamed=False, output_tokens=50, ttft_ms=5000.0, e2e_ms=5000.0), at=100.0)
    log.started(started("r1"), at=101.0)
    log.running(running("r1", 0, is_streamed=False), at=111.0)
    assert seen(log, 121.0).running.output_tokens == (200,)


def test_what_runs_has_gone_beyond_and_what_ends_is_counted_once() -> None:
    log = log_at(100.0)
    before = seen(log, 101.0)
    log.started(started("r1"), at=101.0)
    log.running(running("r1", 300, ttft_ms=200.0, age_ms=9000.0), at=110.0)
    runs = seen(log, 110.0)
    assert [beyond(runs, 200) - beyond(before, 200), ends(runs) - ends(before)] == [1, 0]
    log.ended(ended("r1", output_tokens=450), at=115.0)
    over = seen(log, 116.0)
    assert [beyond(over, 200) - beyond(before, 200), ends(over) - ends(before)] == [1, 1]
    assert over.answers is not None
    assert over.answers.ended[int(progress.bins_of(450))] == 1


@pytest.mark.parametrize(
    ("outcome", "goes_beyond", "end"),
    [
        (demand.Outcome.ANSWERED, 1, 1),
        (demand.Outcome.CANCELLED, 1, 1),
        (demand.Outcome.FAILED, 1, 0),
        (demand.Outcome.SHED, 0, 0),
        (demand.Outcome.REFUSED, 0, 0),
    ],
)
def test_an_end_is_one_only_where_the_answer_would_not_have_gone_on(
    outcome: demand.Outcome, goes_beyond: int, end: int
) -> None:
    log = log_at(100.0)
    before = seen(log, 101.0)
    log.started(started("r1"), at=102.0)
    log.ended(ended("r1", outcome=outcome, tokens=300), at=104.0)
    after = seen(log, 105.0)
    assert [beyond(after, 200) - beyond(before, 200), ends(after) - ends(before)] == [goes_beyond, end]


def test_an_answer_that_came_late_is_counted_from_where_it_was() -> None:
    log = log_at(100.0)
    before = seen(log, 101.0)
    log.running(running("old", 1000, age_ms=60_000.0, ttft_ms=500.0), at=105.0)
    met = seen(log, 105.0)
    assert met.running.age_s == (60.0,)
    assert [beyond(met, 100), beyond(met, 900)] == [beyond(before, 100), beyond(before, 900)]
    log.ended(ended("old", output_tokens=3000), at=120.0)
    over = seen(log, 121.0)
    assert [beyond(over, tokens) - beyond(before, tokens) for tokens in (100, 900, 1500, 2500)] == [0, 0, 1, 1]
    assert ends(over) - ends(before) == 1
    log.ended(ended("began before the log", e2e_ms=500_000.0, output_tokens=3000), at=122.0)
    assert ends(seen(log, 123.0)) == ends(over)


def test_an_answer_that_is_lost_went_as_far_as_was_heard() -> None:
    log = log_at(100.0)
    log.started(started("r1"), at=101.0)
    log.running(running("r1", 500, age_ms=10_000.0, ttft_ms=500.0), at=111.0)
    held = seen(log, 111.0)
    lost = seen(log, 150.0)
    assert [lost.running.count, ends(lost), beyond(lost, 300)] == [0, ends(held), beyond(held, 300)]


def test_nothing_is_counted_before_a_gateway_was_heard() -> None:
    log = demand.DemandLog()
    log.configure({"chat": SLO})
    assert seen(log, 5.0).answers is None
    log.heard("gateway", at=6.0)
    found = seen(log, 7.0).answers
    assert found is not None
    assert (found.since, sum(found.ended), sum(found.passed)) == (7.0, 0, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "run", "end", "look"]),
        st.integers(0, 5),
        st.integers(0, 2**64 - 1) | st.integers(0, 10**6),
        st.floats(0, 30),
        st.sampled_from(list(demand.Outcome)),
    ),
    max_size=40,
)


@given(STEPS)
def test_ends_only_grow_and_every_number_is_usable_whatever_is_said(
    steps: list[tuple[str, int, int, float, demand.Outcome]],
) -> None:
    log, at, before = log_at(100.0), 100.0, np.zeros(progress.BINS)
    for kind, number, size, later, outcome in steps:
        at += later
        request = f"r{number}"
        if kind == "start":
            log.started(started(request), at=at)
        elif kind == "run":
            log.running(running(request, 0, output_bytes=size, age_ms=later * 1000, ttft_ms=later * 500), at=at)
        elif kind == "end":
            log.ended(ended(request, outcome=outcome, output_bytes=size, ttft_ms=1.0, e2e_ms=later * 1000), at=at)
        found = seen(log, at)
        assert found.answers is not None
        assert (np.array(found.answers.ended) >= before).all()
        assert min(found.answers.passed) >= 0
        assert found.running.count == found.in_flight == len(found.running.age_s)
        assert all(0 <= tokens <= progress.LONGEST for tokens in found.running.output_tokens)
        assert all(age >= 0 for age in found.running.age_s)
        before = np.array(found.answers.ended)
