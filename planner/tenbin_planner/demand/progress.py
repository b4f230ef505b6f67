"""How far answers have come: those that run, and how many of all that came so far went on or ended there.

Lengths of answers are a matter of survival: an answer that still runs says that it is longer than what has come of it.
So what is counted is, by bins of output tokens, how many answers ended in a bin and how many went beyond it, whether
these have ended since or not. Both are counters that only grow.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PER_DOUBLING = 8
"""Bins for each doubling of the tokens: an answer is known to within 9 per cent."""
LONGEST = 2**20
"""Tokens of the longest answer; what is longer counts as this."""
EDGES: NDArray[np.int64] = np.unique(
    np.rint(2.0 ** (np.arange(PER_DOUBLING * 20 + 1) / PER_DOUBLING)).astype(np.int64).clip(1, LONGEST)
)
EDGES = np.concatenate([[0], EDGES])
EDGES.setflags(write=False)
"""Shape (bins + 1,): bin k holds the answers of more than `EDGES[k]` tokens and at most `EDGES[k + 1]`."""
BINS = EDGES.size - 1
SAMPLE_SIZE = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunningSample:
    """Requests in flight, oldest first; a sample in even steps where they are more than `SAMPLE_SIZE`."""

    count: int = 0
    """Requests in flight, in the sample or not."""
    age_s: tuple[float, ...] = ()
    """Seconds since each came."""
    output_tokens: tuple[int, ...] = ()
    """Tokens that each has brought so far, estimated where the gateway does not know; 0 before the first."""

    @classmethod
    def of(cls, age_s: NDArray[np.float64], output_tokens: NDArray[np.int64]) -> RunningSample:
        """Sample requests in flight; both arrays have shape (requests,)."""
        order = np.lexsort((-output_tokens, -age_s))
        if order.size > SAMPLE_SIZE:
            order = order[((np.arange(SAMPLE_SIZE) + 0.5) * order.size / SAMPLE_SIZE).astype(np.int64)]
        return cls(
            count=age_s.size, age_s=tuple(age_s[order].tolist()), output_tokens=tuple(output_tokens[order].tolist())
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnswerCounts:
    """Answers that ended in each bin of `EDGES`, and those that went beyond it; shape (bins,) each."""

    since: float
    """Seconds of the planner's clock at which counting began."""
    ended: tuple[int, ...] = (0,) * BINS
    """Answers whose last token was in a bin, whether they came to their end or their client cancelled them."""
    passed: tuple[int, ...] = (0,) * BINS
    """Answers that were seen to go beyond a bin."""


def bins_of(tokens: ArrayLike) -> NDArray[np.int64]:
    """Return the bin of each number of tokens; -1 for none."""
    found: NDArray[np.int64] = np.minimum(np.searchsorted(EDGES, tokens, side="left") - 1, BINS - 1)
    return found


def histogram(tokens: ArrayLike) -> NDArray[np.int64]:
    """Count numbers of tokens by bin, shape (bins,); 0 tokens are in none."""
    return np.bincount(bins_of(tokens) + 1, minlength=BINS + 1)[1:]


def passed(reached: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many went beyond each bin, from how many got just as far as each; bins on the last axis."""
    beyond: NDArray[np.int64] = np.flip(np.cumsum(np.flip(reached, axis=-1), axis=-1), axis=-1) - reached
    return beyond
