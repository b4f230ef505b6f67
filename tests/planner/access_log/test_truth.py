"""What the real Envoy tells about real streams."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.gateway import COMPLETIONS, FIRST_TOKEN_S, Engine, Gateway, event
from support.waiting import PATIENCE_S, until_async
from tenbin_planner import demand
from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLOCKS_MS = 0.01
"""The finest that Envoy tells is a microsecond."""


@contextlib.asynccontextmanager
async def probed(gateway: Gateway) -> AsyncIterator[None]:
    """Ask a gateway again and again whether it is ready, as its node does."""

    async def ask() -> None:
        while True:
            await gateway.is_ready()
            await asyncio.sleep(0.2)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        asking.cancel()


async def test_time_to_first_token_is_the_first_byte_of_the_body() -> None:
    async with (
        Engine(tokens=11, gap_s=0.03, says_usage=True, held=asyncio.Event()) as engine,
        Gateway(endpoints={"chat": [engine]}) as gateway,
    ):
        began = time.monotonic()
        async with gateway.http.post(COMPLETIONS, data=b"{}") as response:
            await response.content.readany()
            first = time.monotonic() - began
            assert engine.held is not None
            engine.held.set()
            await response.read()
            whole = time.monotonic() - began
        await until_async(lambda: gateway.seen().cumulative.total == 1)
        seen = gateway.seen()
    assert seen.ttft_ms is not None
    assert seen.tpot_ms is not None
    assert seen.e2e_ms is not None
    # What the gateway sees lies between what the engine saw and what the client did.
    [engines] = engine.timings
    ttft_ms = [(engines.first_byte - engines.received) * 1000 - CLOCKS_MS, first * 1000 + CLOCKS_MS]
    e2e_ms = [(engines.last_byte - engines.received) * 1000 - CLOCKS_MS, whole * 1000 + CLOCKS_MS]
    assert ttft_ms[0] >= FIRST_TOKEN_S * 1000 - CLOCKS_MS
    assert ttft_ms[0] <= seen.ttft_ms.p50 <= ttft_ms[1]
    assert e2e_ms[0] <= seen.e2e_ms.p50 <= e2e_ms[1]
    assert ttft_ms[1] < e2e_ms[0]
    assert seen.tpot_ms.p50 == pytest.approx((seen.e2e_ms.p50 - seen.ttft_ms.p50) / 10)
    assert (seen.output_tokens, seen.tpot_is_estimated) == (11.0, False)


async def test_tokens_of_a_stream_that_does_not_say_are_estimated_from_those_that_do() -> None:
    async with (
        Engine(tokens=60, gap_s=0.001, says_usage=True) as engine,
        Gateway(endpoints={"chat": [engine]}) as gateway,
    ):
        await gateway.post()
        engine.says_usage, engine.tokens = False, 90
        await gateway.post()
        await until_async(lambda: gateway.seen().cumulative.total == 2)
        seen = gateway.seen()
    assert seen.tpot_is_estimated
    assert seen.output_tokens == pytest.approx((60 + 90) / 2, rel=0.05)


async def test_an_answer_in_one_piece_has_no_time_per_token() -> None:
    async with Engine(tokens=50) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        assert (await gateway.post(body=b'{"stream": false}'))[0] == 200
        await until_async(lambda: gateway.seen().cumulative.total == 1)
        seen = gateway.seen()
    assert seen.ttft_ms is not None
    assert seen.ttft_ms.p50 >= FIRST_TOKEN_S * 1000
    assert (seen.tpot_ms, seen.cumulative.good, seen.tpot_is_estimated) == (None, 1, False)


async def test_a_request_is_seen_when_it_comes_and_until_it_ends() -> None:
    async with (
        Engine(tokens=2, held=asyncio.Event()) as engine,
        Gateway(endpoints={"chat": [engine]}) as gateway,
        probed(gateway),
    ):
        # The second in which the gateway was first heard is not known as a whole.
        await until_async(lambda: len(gateway.seen("batch").arrivals) > 0)
        stream = asyncio.create_task(gateway.post(headers={contract.HEADER_CLASS: "batch"}))
        await until_async(lambda: gateway.seen("batch").in_flight == 1)
        assert not stream.done()
        assert engine.held is not None
        engine.held.set()
        await stream
        await until_async(lambda: gateway.seen("batch").in_flight == 0)
        await until_async(lambda: sum(gateway.seen("batch").arrivals) > 0)
        assert sum(gateway.seen("batch").arrivals) == 1
        assert gateway.seen("interactive").cumulative.total == 0


async def test_a_planner_that_was_away_learns_what_runs() -> None:
    def soon(bootstrap: dict[str, Any]) -> None:
        listener = bootstrap["static_resources"]["listeners"][0]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        manager["access_log_options"]["access_log_flush_interval"] = "0.3s"

    held = asyncio.Event()
    async with Engine(tokens=2, held=held) as engine, Gateway(endpoints={"chat": [engine]}, adjust=soon) as gateway:
        stream = asyncio.create_task(gateway.post())
        await until_async(lambda: gateway.seen().in_flight == 1)
        gateway.log._in_flight.clear()
        await until_async(lambda: gateway.seen().in_flight == 1)
        await until_async(lambda: gateway.log._tokens["chat"]._streamed_bytes > 0)
        stream.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stream


async def test_a_clients_own_cancel_does_not_count() -> None:
    async with Engine(tokens=1_000_000) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        async with gateway.http.post(COMPLETIONS, data=b"{}") as response:
            await response.content.readany()
            response.close()
        await until_async(lambda: gateway.seen().cancelled == 1)
        seen = gateway.seen()
        await until_async(lambda: engine.running == 0)
    assert (seen.cumulative.total, seen.in_flight, seen.failed) == (0, 0, 0)


async def test_failures_and_refusals() -> None:
    async with Engine(status=500) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        await gateway.post()
        engine.status = 400
        await gateway.post()
        engine.status = 429
        await gateway.post()
        gateway.publish({})
        async with asyncio.timeout(PATIENCE_S):
            while await _status(gateway, "/v1/models") != 503:  # no demand, so it counts nowhere
                pass
        await gateway.post()
        await until_async(lambda: gateway.seen().failed == 2)
        seen = gateway.seen()
        ignored = gateway.log.snapshot(time.monotonic()).ignored
    assert (seen.failed, seen.shed, seen.refused, seen.in_flight) == (2, 1, 1, 0)
    assert seen.cumulative == demand.Attainment(good=0, total=3)
    assert ignored == {}


async def _status(gateway: Gateway, path: str) -> int:
    async with gateway.http.get(path) as response:
        return response.status


async def test_an_idle_gateway_is_heard_by_its_probes() -> None:
    async with Gateway() as gateway:
        await gateway.is_ready()
        await until_async(lambda: bool(gateway.log.snapshot(time.monotonic()).gateways))
        observation = gateway.log.snapshot(time.monotonic())
    assert list(observation.gateways) == [f"gateway-{gateway.address}"]
    assert not observation.is_blind


async def test_a_hostile_stream_passes_unchanged_and_says_nothing() -> None:
    hostile = [
        b"data: {broken\n\n",
        b'data: {"usage": {"completion_tokens": "many"}}\n\n',
        b'data: {"usage": {"completion_tokens": -1e400}}\n\n',
        b"data: " + b"[" * 20_000 + b"\n\n",
        b"\x00\xff" * 5000 + b"\n\n",
        event("end"),
    ]
    async with Engine(raw=hostile) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        async with gateway.http.post(COMPLETIONS, data=b"{}") as response:
            assert await response.read() == b"".join(hostile)
        await until_async(lambda: gateway.seen().cumulative.total == 1)
        assert gateway.seen().tpot_is_estimated
        assert await gateway.is_ready()
