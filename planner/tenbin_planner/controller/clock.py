"""The planner's time: seconds since the epoch that never go back, whatever happens to the machine's clock."""

from __future__ import annotations

import time

MOST_MOVED_S = 600.0
"""No farther does the planner's time leave the machine's: beyond that, it is not known which clock is wrong."""


class SteadyClock:
    """Wall clock of the start, carried on by the monotonic clock; only what a planner saved moves it, and forward."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self.moved_s = 0.0
        """Seconds by which it was moved forward in all."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._offset + time.monotonic()

    def catch_up(self, moment: float) -> bool:
        """Go on from a moment at which a planner before this one already was, in seconds since the epoch.

        Returns:
            Whether that moment has now passed; False where it is too far ahead, and the clock is as it was.
        """
        behind_s = moment - self.now()
        if behind_s <= 0:
            return True
        if self.moved_s + behind_s > MOST_MOVED_S:
            return False
        self._offset += behind_s
        self.moved_s += behind_s
        return True
