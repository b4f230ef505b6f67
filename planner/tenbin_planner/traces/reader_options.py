"""What a reader can be told."""

from __future__ import annotations

import dataclasses
import math

from tenbin_planner.traces import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What a reader can be told; each has a default that changes nothing.

    Raises:
        TraceError: for a value outside of what is allowed.
    """

    seed: int = 0
    """For what is drawn: times within a tick of a coarse clock, requests of a pool of clients."""
    spread: bool = True
    """Whether requests of one tick of a coarse clock are spread over the tick."""
    prefix_cache_blocks: float = 0
    """Blocks of one prefix cache that all requests share, replaced least recently used first; infinity: no limit."""
    scale: float = 1.0
    """Factor on the rates of a pool of clients."""
    day: int = 0
    """Day of a pool of clients, 0 the first."""

    def __post_init__(self) -> None:
        wrong = []
        if self.seed < 0:
            wrong.append(f"seed is {self.seed}; allowed is 0 or more")
        if not self.prefix_cache_blocks >= 0:
            wrong.append(f"prefix_cache_blocks is {self.prefix_cache_blocks:g}; allowed is 0 or more")
        if not 0 < self.scale < math.inf:
            wrong.append(f"scale is {self.scale:g}; allowed is a finite number above 0")
        if self.day < 0:
            wrong.append(f"day is {self.day}; allowed is 0 or more")
        if wrong:
            raise errors.TraceError("; ".join(wrong))

    def set_by_hand(self) -> frozenset[str]:
        """Return the names of the options that differ from their defaults."""
        fields = dataclasses.fields(self)
        return frozenset(field.name for field in fields if getattr(self, field.name) != field.default)
