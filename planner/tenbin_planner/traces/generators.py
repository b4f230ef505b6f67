"""Traffic drawn from a rate and from distributions of lengths; the same seed gives the same trace."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.model import lengths
from tenbin_planner.traces import errors, processes, rates, trace

LONGEST = 131_072
"""Tokens that a prompt or an answer is cut to unless a limit is given."""
MOST_REQUESTS = 50_000_000
_UNCUT = 10**9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Requests of one class."""

    class_name: str = ""
    share: float = 1.0
    """Of all requests, relative to the other kinds."""
    input_tokens: lengths.LengthDistribution
    output_tokens: lengths.LengthDistribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """How lengths change: the factor grows in a straight line from 1 at the beginning to these at the end."""

    input_tokens: float = 1.0
    output_tokens: float = 1.0


def generate(
    rate: rates.Rate,
    *,
    duration_s: float,
    kinds: Sequence[Kind],
    seed: int = 0,
    cv: float = 1.0,
    drift: Drift | None = None,
    longest: int = LONGEST,
    name: str = "generated",
) -> trace.Trace:
    """Draw a trace.

    Times, classes, inputs and outputs are drawn from streams of their own: another length leaves the times as they are.

    >>> from tenbin_planner.traces import rates
    >>> chat = lengths.LengthDistribution.fit_moments(mean=300, p95=900)
    >>> kind = Kind(input_tokens=chat, output_tokens=chat)
    >>> len(generate(rates.constant(10.0), duration_s=60.0, kinds=[kind], seed=1))
    614

    Args:
        rate: requests per second over time.
        duration_s: length of the trace, in seconds.
        kinds: classes with their shares and lengths.
        seed: 0 or more.
        cv: coefficient of variation of the gaps, see `processes.renewal`; 1 is a Poisson process.
        drift: of the lengths; None: they stay.
        longest: longer prompts and answers are cut to this, in tokens.
        name: of the trace.

    Raises:
        TraceError: for numbers that give no trace, or more requests than memory holds.
    """
    _check(rate, duration_s, kinds, cv)
    streams = np.random.default_rng(seed).spawn(4)
    process = processes.poisson if cv == 1 else functools.partial(processes.renewal, cv=cv)
    times = process(rate, duration_s, rng=streams[0])
    if not times.size:
        raise errors.TraceError(f"{name} drew no request in {duration_s:g} s: a longer time or a higher rate would")
    shares = np.array([kind.share for kind in kinds])
    chosen = streams[1].choice(len(kinds), size=times.size, p=shares / shares.sum())
    wanted, progress = drift or Drift(), times / duration_s
    inputs, outputs = ([getattr(kind, field) for kind in kinds] for field in ("input_tokens", "output_tokens"))
    return trace.Trace.of(
        name=name,
        arrival_s=times,
        input_tokens=_tokens(inputs, chosen, 1 + (wanted.input_tokens - 1) * progress, longest, streams[2]),
        output_tokens=_tokens(outputs, chosen, 1 + (wanted.output_tokens - 1) * progress, longest, streams[3]),
        classes=[kind.class_name for kind in kinds],
        class_index=chosen,
    )


def _tokens(
    distributions: Sequence[lengths.LengthDistribution],
    chosen: NDArray[np.int64],
    factor: NDArray[np.float64],
    longest: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    tokens = np.ones(chosen.size, dtype=np.int64)
    for index, distribution in enumerate(distributions):
        rows = np.flatnonzero(chosen == index)
        drawn = distribution.sample(rows.size, rng, longest=_UNCUT) * factor[rows]
        tokens[rows] = np.clip(np.rint(drawn), 1, longest).astype(np.int64)
    return tokens


def _check(rate: rates.Rate, duration_s: float, kinds: Sequence[Kind], cv: float) -> None:
    shares = [kind.share for kind in kinds]
    if not kinds or any(not 0 <= share < math.inf for share in shares) or not sum(shares) > 0:
        raise errors.TraceError(f"shares of kinds are {shares}; allowed are numbers of 0 or more that are not all 0")
    if not 0 < duration_s < math.inf:
        raise errors.TraceError(f"duration is {duration_s:g} s; allowed is a finite number above 0")
    if not 0.05 <= cv <= 20:
        raise errors.TraceError(f"cv is {cv:g}; allowed is 0.05 to 20")
    if not 0 < rate.most * duration_s <= MOST_REQUESTS:
        raise errors.TraceError(
            f"up to {rate.most:g} requests per second in {duration_s:g} s; allowed are up to {MOST_REQUESTS:,} requests"
        )
