"""SIGTERM: what vLLM does with requests in flight and with the port."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"


def body(tokens: int) -> str:
    """Return a request for an answer of so many tokens, of about 25 ms each."""
    return json.dumps({"prompt": [1] * 20, "max_tokens": tokens, "ignore_eos": True, "stream": True})


async def start_stream(session: aiohttp.ClientSession, url: str, tokens: int) -> aiohttp.ClientResponse:
    """Start an answer and wait for its first token."""
    response = await session.post(f"{url}/v1/completions", data=body(tokens))
    await response.content.readline()
    return response


async def ended(process: subprocess.Popen[str], within_s: float) -> int:
    """Wait for a process to end and return its exit status."""
    return await asyncio.to_thread(process.wait, within_s)


async def test_without_a_timeout_streams_are_cut_and_the_port_closes(engine_process: Callable[..., Any]) -> None:
    engine = engine_process()
    async with aiohttp.ClientSession() as session:
        response = await start_stream(session, engine.url, 6000)
        engine.terminate()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
        assert await ended(engine.process, 30) == 0
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{engine.url}/health")


async def test_with_a_timeout_the_engine_drains(engine_process: Callable[..., Any]) -> None:
    engine = engine_process("--shutdown-timeout", "60")
    async with aiohttp.ClientSession() as session:
        response = await start_stream(session, engine.url, 300)
        engine.terminate()
        async with asyncio.timeout(30):
            while (await (await session.post(f"{engine.url}/v1/completions", data=body(1))).read())[:8] != b'{"error"':
                pass
        for path in ("/health", "/metrics"):
            async with session.get(engine.url + path) as answer:
                assert answer.status == 200
        async with session.post(f"{engine.url}/v1/completions", data=body(60)) as refused:
            assert refused.status == 500
            assert (await refused.json())["error"] == {
                "message": "EngineCore is shutting down.",
                "type": "InternalServerError",
                "param": None,
                "code": 500,
            }
        assert (await response.read()).endswith(b"data: [DONE]\n\n")
        assert await ended(engine.process, 30) == 0


async def test_a_drain_that_takes_too_long_is_cut(engine_process: Callable[..., Any]) -> None:
    engine = engine_process("--shutdown-timeout", "0.3")
    async with aiohttp.ClientSession() as session:
        response = await start_stream(session, engine.url, 6000)
        before = time.monotonic()
        engine.terminate()
        with pytest.raises(aiohttp.ClientError):
            await response.read()
        assert time.monotonic() - before >= 0.3
        assert await ended(engine.process, 30) == 0


async def test_an_idle_engine_that_drains_ends_at_once(engine_process: Callable[..., Any]) -> None:
    engine = engine_process("--shutdown-timeout", "20")
    engine.terminate()
    assert await ended(engine.process, 30) == 0


async def test_the_port_opens_only_when_the_model_is_loaded(engine_process: Callable[..., Any]) -> None:
    before = time.monotonic()
    engine_process("--load-seconds", "1")
    assert time.monotonic() - before >= 1


async def test_a_port_that_is_taken_is_an_error_of_one_line(engine_process: Callable[..., Any]) -> None:
    port = engine_process().url.rpartition(":")[2]
    command = [sys.executable, "-m", "tenbin_local.engine", "m", "--profile", PROFILE, "--port", port]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1
