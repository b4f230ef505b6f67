"""An event loop in virtual time: where everything waits, its clock jumps to the next timer.

Hours of sleeping take no time, and what happens at which instant does not depend on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result], *, settle_s: float = 0.0) -> Result:
    """Run a coroutine in virtual time, which begins at 0.

    Args:
        main: may use sockets between its own tasks, but nothing that takes time elsewhere, such as threads.
        settle_s: real time that bytes between sockets get to arrive in before the clock jumps, in seconds.
    """
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(settle_s)) as runner:
        return runner.run(main)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, settle_s: float) -> None:
        self._selector_in_virtual_time = _JumpingSelector(settle_s)
        super().__init__(self._selector_in_virtual_time)

    def time(self) -> float:
        return self._selector_in_virtual_time.now


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer it makes it due."""

    def __init__(self, settle_s: float) -> None:
        super().__init__()
        self.now = 0.0
        self._settle_s = settle_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        ready = super().select(min(timeout, self._settle_s))
        if not ready:
            self.now += timeout
        return ready
