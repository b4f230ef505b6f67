"""What was judged a moment before stands while forecast and state stand: then nothing is simulated anew."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenbin_planner.decide.lookahead import Judged

LONGEST_S = 60.0
"""After this all is judged anew."""
STILL = 0.03
"""Share by which a number may move and still count as the same."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """The numbers on which a judgement rests."""

    level_rps: float
    ahead_rps: float
    """Demand when replicas asked for now would serve."""
    output_tokens: float
    in_flight: int
    waiting: int
    fleet: tuple[tuple[str, int, int, int], ...]
    """By workload: replicas that serve, that start, and that must not count."""
    miss_usd: float

    def is_like(self, other: View) -> bool:
        """Tell whether nothing that matters differs; requests in flight may by as much as chance moves them."""
        chance = 1 / math.sqrt(max(other.in_flight, 1))
        return (
            self.fleet == other.fleet
            and self.waiting == other.waiting == 0
            and _near(self.level_rps, other.level_rps, STILL)
            and _near(self.ahead_rps, other.ahead_rps, STILL)
            and _near(self.output_tokens, other.output_tokens, STILL)
            and _near(self.in_flight, other.in_flight, max(STILL, chance))
            and _near(self.miss_usd, other.miss_usd, 3 * STILL)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """A judgement that changed nothing."""

    at: float
    view: View
    judged: Judged

    def holds(self, view: View, at: float) -> bool:
        """Tell whether it still stands."""
        return 0 <= at - self.at <= LONGEST_S and view.is_like(self.view)


def _near(value: float, other: float, share: float) -> bool:
    return abs(value - other) <= share * max(abs(other), 1e-9)
