"""Addresses that no two tests share: ports that are chosen, let go and taken again may be taken by others between."""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import TYPE_CHECKING

from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import Iterator


def spare() -> str:
    """Return a loopback address of its own, so that fixed ports never meet those of another test."""
    while True:
        address = f"127.253.{1 + secrets.randbelow(254)}.{1 + secrets.randbelow(254)}"
        with contextlib.suppress(OSError), socket.create_server((address, contract.PORT_GATEWAY_HEALTH)):
            return address


@contextlib.contextmanager
def refusing() -> Iterator[tuple[str, int]]:
    """Hold an address that refuses connections: nobody listens on it, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        host, port = held.getsockname()
        yield host, port
