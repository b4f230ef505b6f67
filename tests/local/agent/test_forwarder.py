"""TCP forwarding with real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import pytest
from support import addresses
from support.waiting import PATIENCE_S, until_async
from tenbin_local.agent import forwarder

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "127.0.0.1"


class Backend:
    """A server on a free port."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0

    async def __aenter__(self) -> Self:
        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            try:
                await self._serve(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        self.server = await asyncio.start_server(count, HOST, 0)
        self.address: tuple[str, int] = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()


async def listen(*targets: tuple[str, int]) -> tuple[forwarder.Listener, tuple[str, int]]:
    listener = await forwarder.Listener.open((HOST, 0), targets)
    assert listener._server
    return listener, listener._server.sockets[0].getsockname()


async def echo_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads to the end, then answers with all of it."""
    writer.write(await reader.read())
    await writer.drain()


async def test_bytes_go_both_ways_and_an_end_is_passed_on_without_closing_the_other_direction() -> None:
    async with Backend(echo_all) as backend:
        listener, address = await listen(backend.address)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello ")
        await asyncio.sleep(0.02)
        writer.write(b"world")
        writer.write_eof()
        assert await reader.read() == b"hello world"
        writer.close()
        listener.close()


async def test_small_chunks_arrive_one_by_one_as_they_are_sent() -> None:
    asked = asyncio.Event()

    async def stream(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(3):
            writer.write(f"token {number}\n".encode())
            await asked.wait()
            asked.clear()

    async with Backend(stream) as backend:
        listener, address = await listen(backend.address)
        reader, writer = await asyncio.open_connection(*address)
        for number in range(3):
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.readline() == f"token {number}\n".encode()
            asked.set()
        writer.close()
        listener.close()


async def test_connections_go_round_robin_and_new_targets_serve_new_ones_only() -> None:
    async with Backend(echo_all) as one, Backend(echo_all) as two, Backend(echo_all) as three:
        listener, address = await listen(one.address, two.address)
        held_reader, held = await asyncio.open_connection(*address)
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address)
            writer.write_eof()
            await reader.read()
            writer.close()
        assert (one.connections, two.connections) == (2, 2)
        listener.targets = (three.address,)
        reader, writer = await asyncio.open_connection(*address)
        writer.write_eof()
        await reader.read()
        writer.close()
        assert three.connections == 1
        held.write(b"still here")
        held.write_eof()
        assert await held_reader.read() == b"still here"
        held.close()
        listener.close()


async def test_a_target_that_refuses_resets_the_client() -> None:
    with addresses.refusing() as gone:
        listener, address = await listen(gone)
        reader, writer = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        listener.close()


async def test_a_reset_by_the_pod_is_passed_on_as_a_reset() -> None:
    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"partial")
        await reader.readexactly(1)
        end = forwarder._End()
        end.transport = writer.transport  # type: ignore[assignment]
        end.abort()

    async with Backend(abort) as backend:
        listener, address = await listen(backend.address)
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readexactly(7) == b"partial"
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        listener.close()


async def test_a_slow_reader_pauses_the_sender() -> None:
    sent = 0
    block = b"x" * 65536

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(1024):
            writer.write(block)
            await writer.drain()
            sent += len(block)

    async with Backend(pour) as backend:
        listener, address = await listen(backend.address)
        reader, writer = await asyncio.open_connection(*address)
        await asyncio.sleep(0.3)
        held = sent
        # Kernel buffers of four sockets, not the 64 MiB that the backend would like to send.
        assert held < 40 * 1024 * 1024
        received = 0
        while data := await reader.read(1 << 20):
            received += len(data)
        assert received == 1024 * len(block)
        writer.close()
        listener.close()


async def test_a_full_listener_refuses_more_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "MAX_CONNECTIONS", 1)
    async with Backend(echo_all) as backend:
        listener, address = await listen(backend.address)
        first_reader, first = await asyncio.open_connection(*address)
        first.write(b"a")
        await until_async(lambda: backend.connections == 1)
        reader, second = await asyncio.open_connection(*address)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        first.write_eof()
        assert await first_reader.read() == b"a"
        first.close()
        second.close()
        listener.close()


async def test_a_stopped_listener_refuses_new_connections_and_keeps_the_running_ones() -> None:
    async with Backend(echo_all) as backend:
        listener, address = await listen(backend.address)
        reader, writer = await asyncio.open_connection(*address)
        await until_async(lambda: backend.connections == 1)
        listener.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        writer.write(b"on")
        writer.write_eof()
        assert await reader.read() == b"on"
        writer.close()
