"""Tokens of answers that do not say how many they had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.demand.tokens import LEAST_BYTES_PER_TOKEN, MOST_BYTES_PER_TOKEN, TokenEstimate


def test_without_any_knowledge_an_event_of_usual_size_is_a_token() -> None:
    assert TokenEstimate().tokens(23_000) == 100
    assert TokenEstimate().tokens(0) == 1


def test_answers_that_say_their_tokens_teach_about_those_that_do_not() -> None:
    estimate = TokenEstimate()
    estimate.learn_usage(output_bytes=100 * 180, output_tokens=100)
    assert estimate.tokens(36_000) == 200


def test_engine_counters_teach_where_no_answer_says_anything() -> None:
    estimate = TokenEstimate()
    for _ in range(10):
        estimate.see_bytes(300 * 250, is_streamed=True)
        estimate.learn_counter(300)
    assert estimate.bytes_per_token() == pytest.approx(250)


def test_text_in_one_piece_does_not_spoil_the_estimate_of_streams() -> None:
    estimate = TokenEstimate()
    for _ in range(10):
        estimate.see_bytes(300 * 250, is_streamed=True)
        estimate.see_bytes(4500, is_streamed=False)
        estimate.learn_counter(300 + 1000)
    assert estimate.bytes_per_token() == pytest.approx(250)


def test_what_answers_say_counts_more_than_counters() -> None:
    estimate = TokenEstimate()
    estimate.see_bytes(1_000_000, is_streamed=True)
    estimate.learn_counter(10_000)
    assert estimate.bytes_per_token() == pytest.approx(100)
    estimate.learn_usage(output_bytes=20_000, output_tokens=100)
    assert estimate.bytes_per_token() == pytest.approx(200)


def test_the_recent_past_weighs_most() -> None:
    estimate = TokenEstimate()
    for size in [100] * 20 + [300] * 20:
        estimate.learn_usage(output_bytes=50_000 * size, output_tokens=50_000)
    assert estimate.bytes_per_token() == pytest.approx(300, rel=0.05)


@given(
    st.lists(st.tuples(st.sampled_from(["usage", "counter", "bytes", "text"]), st.floats(0, 1e12)), max_size=30),
    st.integers(0, 10**12),
)
def test_an_estimate_is_always_within_bounds(steps: list[tuple[str, float]], output_bytes: int) -> None:
    estimate = TokenEstimate()
    for kind, amount in steps:
        if kind == "usage":
            estimate.learn_usage(output_bytes=int(amount), output_tokens=int(amount) % 1000)
        elif kind == "counter":
            estimate.learn_counter(amount)
        else:
            estimate.see_bytes(int(amount), is_streamed=kind == "bytes")
    assert LEAST_BYTES_PER_TOKEN <= estimate.bytes_per_token() <= MOST_BYTES_PER_TOKEN
    assert 1 <= estimate.tokens(output_bytes) <= max(1, output_bytes)
