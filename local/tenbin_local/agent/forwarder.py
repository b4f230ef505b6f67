"""TCP forwarding: transports joined in pairs, with no task and no copy of its own for the chunks between them."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import Self, cast

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 4096
"""Open connections of one listener; more are refused."""
CONNECT_TIMEOUT_S = 5.0
WRITE_BUFFER_BYTES = 256 * 1024
"""Bytes waiting for a slow reader at which the sender is paused."""
_BACKLOG = 512
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""Linger for 0 s: a close sends a reset."""


class _End(asyncio.Protocol):
    """One end of a forwarded connection: what comes in here goes out at its peer.

    asyncio sets TCP_NODELAY and reads up to 256 KiB at a time. A full write buffer at the peer pauses the reading here.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _End | None = None
        self.finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Half-close: the other direction goes on until it ends too."""
        self.finished = True
        peer = self.peer
        if peer is None or peer.transport is None:
            return False
        if peer.transport.can_write_eof() and not peer.transport.is_closing():
            peer.transport.write_eof()
        if peer.finished:
            peer.close()
            return False
        return True

    def pause_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and self.peer.transport:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        peer, self.peer, self.transport = self.peer, None, None
        if peer:
            peer.peer = None
            # A reset goes on as a reset: a broken stream must not look like a complete one.
            peer.abort() if exc else peer.close()

    def close(self) -> None:
        """Close once everything is written."""
        if self.transport:
            self.transport.close()

    def abort(self) -> None:
        """Close now, with a reset."""
        if self.transport:
            if (sock := self.transport.get_extra_info("socket")) is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


class _Accepted(_End):
    """The client's end: waits for the connection to a pod before it reads."""

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        listener = self._listener
        if len(listener.accepted) >= MAX_CONNECTIONS:
            self.abort()
            return
        listener.accepted.add(self)
        if self.transport:
            # Not at once: asyncio of early 3.11 begins to read after this call, whatever was paused in it.
            asyncio.get_running_loop().call_soon(self.transport.pause_reading)
        self._connecting = asyncio.create_task(self._connect(listener.next_target()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.accepted.discard(self)
        if self._connecting:
            self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self, target: tuple[str, int]) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, other = await asyncio.get_running_loop().create_connection(_End, *target)
        except OSError as error:
            log.debug("%s:%d: %s", *target, error)
            self.abort()
            return
        if self.transport is None:
            other.abort()
            return
        self.peer, other.peer = other, self
        self.transport.resume_reading()


class Listener:
    """Listens on one address and forwards each connection to the next of its targets, round robin.

    Attributes:
        targets: Addresses of ready pods; never empty. Replacing it leaves running connections alone.
    """

    def __init__(self, targets: tuple[tuple[str, int], ...]) -> None:
        self.targets = targets
        self.accepted: set[_Accepted] = set()
        self._turn = 0
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, address: tuple[str, int], targets: tuple[tuple[str, int], ...]) -> Self:
        """Begin to listen.

        Raises:
            OSError: The address cannot be listened on.
        """
        listener = cls(targets)
        loop = asyncio.get_running_loop()
        listener._server = await loop.create_server(lambda: _Accepted(listener), *address, backlog=_BACKLOG)
        return listener

    def next_target(self) -> tuple[str, int]:
        """The target of the next connection."""
        self._turn += 1
        return self.targets[self._turn % len(self.targets)]

    def stop(self) -> None:
        """Accept no more connections; the running ones go on."""
        if self._server:
            self._server.close()

    def close(self) -> None:
        """Accept no more connections and close the running ones."""
        self.stop()
        for connection in list(self.accepted):
            connection.abort()
