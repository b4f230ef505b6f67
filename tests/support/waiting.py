"""Waiting for what has no event; a deadline is reached only where something is wrong, however slow the machine is."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 60.0
"""No machine that can run these tests takes so long for one step of them."""


def until(probe: Callable[[], Any], *, seconds: float = PATIENCE_S) -> Any:
    """Wait until a probe returns something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        time.sleep(0.1)
    return found


async def until_async(probe: Callable[[], Any], *, seconds: float = PATIENCE_S) -> Any:
    """Wait inside an event loop until a probe, a coroutine function or not, returns something true; return that."""
    end = time.monotonic() + seconds
    while not (found := await _result(probe)):
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        await asyncio.sleep(0.02)
    return found


async def _result(probe: Callable[[], Any]) -> Any:
    found = probe()
    return await found if inspect.isawaitable(found) else found
