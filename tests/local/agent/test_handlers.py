"""Actions of probes and hooks against real servers and processes."""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import grpc.aio
import pytest
from aiohttp import web
from support.waiting import PATIENCE_S
from tenbin_local.agent import handlers, processes


@pytest.fixture
async def target(tmp_path: pathlib.Path) -> AsyncIterator[handlers.Target]:
    """A container with an HTTP server on its port `http`, and nothing on its port `closed`."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text=request.headers.get("X-Note", "-"))

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.router.add_get("/status/{status}", answer)
    app.router.add_get("/slow", slow)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    def run(command: Sequence[str], output: int) -> processes.Process:
        return processes.start(command, variables=dict(os.environ), folder=tmp_path, output=output)

    async with aiohttp.ClientSession() as session:
        ports = {"http": port, "closed": 1}
        yield handlers.Target(address="127.0.0.1", ports=ports, run=run, session=session)
    await runner.cleanup()


async def act(action: dict[str, Any], target: handlers.Target, *, timeout_s: float = PATIENCE_S) -> tuple[bool, str]:
    outcome = await handlers.act(action, target, timeout_s=timeout_s)
    return outcome.succeeded, outcome.message


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/status/200", (True, "")),
        ("/status/302", (True, "")),
        ("/status/404", (False, "HTTP probe failed with statuscode: 404: hello")),
    ],
)
async def test_http_get(target: handlers.Target, path: str, expected: tuple[bool, str]) -> None:
    headers = [{"name": "X-Note", "value": "hello"}]
    assert await act({"httpGet": {"port": "http", "path": path, "httpHeaders": headers}}, target) == expected


async def test_a_port_that_nobody_listens_on_or_that_is_not_declared_fails(target: handlers.Target) -> None:
    succeeded, message = await act({"httpGet": {"port": "closed"}}, target)
    assert not succeeded
    assert "Connect call failed ('127.0.0.1', 1)" in message
    assert await act({"tcpSocket": {"port": "nobody"}}, target) == (False, "couldn't find port: 'nobody'")


async def test_tcp_socket(target: handlers.Target) -> None:
    assert await act({"tcpSocket": {"port": "http"}}, target) == (True, "")
    succeeded, _ = await act({"tcpSocket": {"port": 1}}, target)
    assert not succeeded


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["true"], (True, "")),
        (["sh", "-c", "echo no good; exit 3"], (False, "command 'sh' ended with 3: no good")),
        (["not-there"], (False, 'exec: "not-there": executable file not found in $PATH')),
    ],
)
async def test_exec(target: handlers.Target, command: list[str], expected: tuple[bool, str]) -> None:
    assert await act({"exec": {"command": command}}, target) == expected


@pytest.mark.parametrize(
    "action",
    [{"httpGet": {"port": "http", "path": "/slow"}}, {"exec": {"command": ["sleep", "600"]}}],
    ids=["http", "exec"],
)
async def test_what_takes_too_long_is_ended(target: handlers.Target, action: dict[str, Any]) -> None:
    assert await act(action, target, timeout_s=0.5) == (False, "timeout: no answer within 0.5 s")


async def test_sleep_waits(target: handlers.Target) -> None:
    begun = asyncio.get_running_loop().time()
    assert await act({"sleep": {"seconds": 0.2}}, target) == (True, "")
    assert asyncio.get_running_loop().time() - begun >= 0.19


async def test_grpc_asks_the_health_service(target: handlers.Target) -> None:
    states = {b"": b"\x08\x01", b"\x0a\x03sub": b"\x08\x02"}

    async def check(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if request not in states:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return states[request]

    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    assert await act({"grpc": {"port": port}}, target) == (True, "")
    not_serving = "service unhealthy: it answered, but not SERVING"
    assert await act({"grpc": {"port": port, "service": "sub"}}, target) == (False, not_serving)
    unknown = "service unhealthy: NOT_FOUND: unknown service"
    assert await act({"grpc": {"port": port, "service": "other"}}, target) == (False, unknown)
    # Processes can still be started once gRPC has threads.
    assert await act({"exec": {"command": [sys.executable, "-c", ""]}}, target) == (True, "")
    await server.stop(0)
