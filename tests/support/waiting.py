"""Waiting for something that another process does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def until(probe: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Wait until a probe returns something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
    return found
