"""The planner's time: seconds since the epoch that never go back, whatever happens to the machine's clock."""

from __future__ import annotations

import time


class SteadyClock:
    """Wall clock of the start, carried on by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._offset + time.monotonic()
