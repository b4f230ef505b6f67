"""Bytes of a streamed answer become times of tokens, however they are split."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.profiling.measure_answers import Answer


def event(**keys: object) -> bytes:
    return b"data: " + json.dumps({"object": "text_completion", **keys}).encode() + b"\n\n"


TOKENS = [event(choices=[{"index": 0, "text": text}]) for text in ("a", "", "data: [DONE]", "\n\n\u0000")]
USAGE = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 4})
DONE = b"data: [DONE]\n\n"
WHOLE = b"".join([*TOKENS, USAGE, DONE])


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=12, unique=True))
def test_every_split_gives_the_same_tokens(cuts: list[int]) -> None:
    answer = Answer()
    bounds = [0, *sorted(cuts), len(WHOLE)]
    for at, (start, end) in enumerate(itertools.pairwise(bounds)):
        answer.feed(WHOLE[start:end], float(at))
    assert len(answer.times) == 4
    assert answer.times == sorted(answer.times)
    assert (answer.prompt_tokens, answer.output_tokens, answer.complete, answer.error) == (7, 4, True, "")


def test_a_token_has_the_time_of_the_bytes_that_end_its_event() -> None:
    answer = Answer()
    answer.feed(TOKENS[0][:-1], 1.0)
    assert answer.times == []
    answer.feed(b"\n" + TOKENS[1] + TOKENS[2], 2.0)
    assert answer.times == [2.0, 2.0, 2.0]


def test_usage_that_every_event_brings_counts_no_token_twice() -> None:
    answer = Answer()
    for number in (1, 2, 3):
        answer.feed(event(choices=[{"text": "x"}], usage={"prompt_tokens": 5, "completion_tokens": number}), number)
    assert (answer.times, answer.output_tokens) == ([1, 2, 3], 3)


def test_line_ends_of_windows_are_read() -> None:
    answer = Answer()
    answer.feed(WHOLE.replace(b"\n\n", b"\r\n\r\n"), 1.0)
    assert (len(answer.times), answer.complete) == (4, True)


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": "out of memory", "code": 500}}, {"object": "error", "message": "out of memory"}],
    ids=["new", "old"],
)
def test_an_error_in_the_stream_is_kept_and_is_no_token(body: dict[str, object]) -> None:
    answer = Answer()
    answer.feed(b"data: " + json.dumps(body).encode() + b"\n\n", 1.0)
    assert answer.times == []
    assert "out of memory" in answer.error
