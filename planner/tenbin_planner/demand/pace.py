"""How far an answer has come that still runs: from its bytes when last heard of, and the pace since."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.demand.progress import LONGEST

if TYPE_CHECKING:
    from tenbin_planner.demand.observation import Quantiles
    from tenbin_planner.demand.tokens import TokenEstimate


@dataclasses.dataclass(kw_only=True, slots=True)
class Seen:
    """A request in flight; instants in seconds of the planner's clock."""

    key: tuple[str, str]
    """Service and class."""
    came_at: float
    heard_at: float
    """When the gateway last said that it runs."""
    is_heard: bool = False
    """Whether it said so at least once since the request came."""
    is_streamed: bool = False
    first_at: float | None = None
    """When the first byte of the answer's body came."""
    output_bytes: int = 0
    """Of the answer, when last heard of."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast answers of late came, in seconds; None where nothing is known."""

    first_s: float | None = None
    """Median time to the first token."""
    token_s: float | None = None
    """Median time per further token of streamed answers."""
    plain_token_s: float | None = None
    """Median time per token of answers in one piece."""

    @classmethod
    def of(cls, ttft_ms: Quantiles | None, tpot_ms: Quantiles | None, plain_token_ms: float | None) -> Pace:
        """Return the pace of a sample of answers."""
        return cls(
            first_s=ttft_ms.p50 / 1000 if ttft_ms else None,
            token_s=tpot_ms.p50 / 1000 if tpot_ms else None,
            plain_token_s=plain_token_ms / 1000 if plain_token_ms else None,
        )


def so_far(seen: Seen, estimate: TokenEstimate, pace: Pace, *, now: float) -> int:
    """Return the tokens that an answer has brought by now; 0 while none is known to have come.

    Bytes tell of a streamed answer, and its own pace of the seconds since it was last heard of. Before it was heard of
    at all, and for an answer in one piece, whose bytes all come at its end, there is its age alone.
    """
    if seen.output_bytes > 0:
        tokens = estimate.tokens(seen.output_bytes)
        token_s = pace.token_s
        if seen.first_at is not None and tokens > 1 and seen.heard_at > seen.first_at:
            token_s = (seen.heard_at - seen.first_at) / (tokens - 1)
        return min(tokens + _tokens_in(now - seen.heard_at, token_s), LONGEST)
    if seen.is_streamed:
        return 0
    if seen.is_heard:
        return min(_tokens_in(now - seen.came_at, pace.plain_token_s), LONGEST)
    if pace.first_s is None or pace.token_s is None or now - seen.came_at < pace.first_s:
        return 0
    return min(1 + _tokens_in(now - seen.came_at - pace.first_s, pace.token_s), LONGEST)


def _tokens_in(seconds: float, token_s: float | None) -> int:
    return int(seconds / token_s) if token_s is not None and token_s > 1e-6 and seconds > 0 else 0
