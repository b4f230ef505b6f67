"""One request over a real socket: its times, and each way to fail."""

from __future__ import annotations

import asyncio
import time

import pytest
from support import addresses
from support.traffic import planned, streaming_server
from support.waiting import PATIENCE_S, until_async
from tenbin_local.load import records
from tenbin_local.load.client import Client, Clock
from tenbin_local.load.records import RequestRecord
from tenbin_local.load.streaming import AnswerMeter


async def sent(url: str, *, timeout_s: float = PATIENCE_S, clock: Clock = time.monotonic) -> RequestRecord:
    async with Client(url, service="chat", model="m", clock=clock, timeout_s=timeout_s) as client:
        return await client.send(planned())


async def test_times_are_those_of_the_first_and_the_last_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server and client share a clock that stands still while bytes are on their way."""
    now, read = 7.0, 0
    feed = AnswerMeter.feed

    def count(meter: AnswerMeter, data: bytes, at: float) -> None:
        nonlocal read
        feed(meter, data, at)
        read += len(data)

    async def pause(seconds: float) -> None:
        nonlocal now
        await until_async(lambda: read == server.written)
        now += seconds

    monkeypatch.setattr(AnswerMeter, "feed", count)
    async with streaming_server(first_s=0.2, gap_s=0.02, pause=pause) as server:
        record = await sent(server.url, clock=lambda: now)
    assert (record.status, record.tokens) == (records.OK, 11)
    assert record.ttft_ms == pytest.approx(200)
    assert record.tpot_ms == pytest.approx(22)
    assert record.e2e_ms == pytest.approx(420)


async def test_asks_for_the_wanted_lengths_class_and_usage() -> None:
    async with streaming_server() as server:
        await sent(server.url)
    asked, headers = server.asked[0], server.headers[0]
    characters = sum(len(message["content"]) for message in asked["messages"])
    assert -(-characters // 4) == 100
    assert {key: asked[key] for key in ("model", "max_tokens", "ignore_eos", "stream", "stream_options")} == {
        "model": "m",
        "max_tokens": 11,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert headers["x-llm-d-inference-objective"] == "interactive"
    assert headers["x-gateway-model-name"] == "chat"


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ("status", "http-503", "No replica of this service is ready."),
        ("unfinished", records.BROKEN_STREAM, "the stream ended without [DONE]"),
        ("error", records.STREAM_ERROR, ""),
        ("short", records.SHORT_ANSWER, "8 of 11 tokens"),
    ],
)
async def test_each_fault_has_its_kind_and_is_never_retried(fault: str, status: str, detail: str) -> None:
    async with streaming_server(fault=fault) as server:
        record = await sent(server.url)
    assert (record.status, record.detail, record.is_error) == (status, detail, True)
    assert len(server.asked) == 1


async def test_a_connection_cut_inside_an_answer_is_a_broken_stream() -> None:
    async with streaming_server(fault="cut", gap_s=0.02) as server:
        record = await sent(server.url)
    assert (record.status, record.e2e_ms) == (records.BROKEN_STREAM, None)
    assert record.ttft_ms is not None
    assert len(server.asked) == 1


async def test_nobody_listening_is_a_connection_error() -> None:
    with addresses.refusing() as (host, port):
        record = await sent(f"http://{host}:{port}")
    assert (record.status, record.ttft_ms, record.e2e_ms) == (records.CONNECTION, None, None)


async def test_an_answer_that_takes_too_long_is_a_timeout() -> None:
    async with streaming_server(first_s=600) as server:
        record = await sent(server.url, timeout_s=0.5)
    assert record.status == records.TIMEOUT


async def test_reading_a_thousand_tokens_per_second_costs_less_than_a_quarter_of_a_core() -> None:
    # The server of this test runs in the same process, so that its share is paid too and the bound is generous.
    async with streaming_server(gap_s=0.01) as server:
        began = time.monotonic()
        async with Client(server.url, service="chat", model="m", clock=lambda: time.monotonic() - began) as client:
            before = time.process_time()
            found = await asyncio.gather(*(client.send(planned(number)) for number in range(100)))
            used_s = time.process_time() - before
    tokens = sum(record.tokens for record in found)
    assert {record.status for record in found} == {records.OK}
    assert used_s / tokens < 0.001
