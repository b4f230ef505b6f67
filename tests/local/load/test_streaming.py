"""The meter of one answer: right however the bytes are cut."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.engine import answers, protocol
from tenbin_local.load.streaming import AnswerMeter


def event(content: Any) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


ROLE = event({"choices": [{"delta": {"role": "assistant", "content": ""}}], "usage": None})
TOKEN = event({"choices": [{"delta": {"content": 'say "completion_tokens": 7'}}]})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})
DONE = b"data: [DONE]\n\n"


def metered(pieces: list[bytes]) -> AnswerMeter:
    meter = AnswerMeter()
    for number, piece in enumerate(pieces):
        meter.feed(piece, float(number))
    return meter


@given(st.lists(st.integers(min_value=0, max_value=len(ROLE + 3 * TOKEN + USAGE + DONE)), max_size=40))
def test_cuts_in_the_bytes_change_nothing(cuts: list[int]) -> None:
    whole = ROLE + 3 * TOKEN + USAGE + DONE
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(edges)]
    meter = metered(pieces)
    assert (meter.tokens, meter.received, meter.events, meter.done, meter.failed) == (3, 3, 6, True, False)
    seen = b""
    expected = next(number for number, piece in enumerate(pieces) if b'"content": "s' in (seen := seen + piece))
    assert meter.first_at == expected


def test_the_role_is_no_token_yet() -> None:
    meter = metered([ROLE])
    assert (meter.first_at, meter.received, meter.done) == (None, 0, False)


def test_without_usage_events_are_counted() -> None:
    meter = metered([ROLE, TOKEN, TOKEN])
    assert (meter.tokens, meter.received) == (None, 2)


def test_an_error_inside_the_stream_is_seen() -> None:
    assert metered([ROLE, TOKEN, event({"error": {"message": "died", "code": 500}}), DONE]).failed
    assert not metered([ROLE, event({"choices": [{"delta": {"content": 'data: {"error"'}}]}), DONE]).failed


def test_reads_what_the_simulated_engine_writes() -> None:
    ask = protocol.Ask(
        chat=True, model="m", prompt_tokens=5, output_tokens=4, max_tokens=4, stream=True, include_usage=True
    )
    chunks = answers.Chunks(ask, "id", 0)
    meter = metered([chunks.token(position) for position in range(4)])
    assert (meter.first_at, meter.tokens, meter.done, meter.last_at) == (0.0, 4, True, 3.0)


def test_memory_stays_small_for_long_answers() -> None:
    meter = metered([TOKEN * 1000] * 50)
    assert len(meter._tail) <= 2048
    assert meter.events == 50_000
