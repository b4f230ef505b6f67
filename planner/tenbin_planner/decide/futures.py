"""What may come: a few futures of a service's requests, drawn so that few tell of many.

Each future is a path of demand at one quantile, from quiet to beyond what is likely, with a weight; arrivals along it
are drawn, and so are lengths. What is in flight now comes first in each: its prompt and the tokens so far are in the
cache, what is left of the answer is drawn given how long it is already.

All draws come from one fixed stream, so that candidates, and the ticks one after another, are judged on the same luck:
they differ by what is decided, not by chance (common random numbers).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model.arrivals import Arrivals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tenbin_planner.decide.answers import TokenLengths
    from tenbin_planner.decide.outlook import Outlook

SCORES = (2.7, 2.1, 1.6, 1.1, 0.6, 0.0, -0.75, -1.6)
"""Quantiles of demand that are played, as scores of the normal distribution, the busiest first: misses come from busy
futures, so these lie closer."""
STEP_S = 5.0
"""Along a path the rate changes in such steps."""
SEED = 20_260_105
ABOVE_NOW = 1.5
"""Demand beyond the declared peak is expected to grow by no more than this factor."""
LEAP = 4.0
"""Up to the declared peak, demand is expected to grow by no more than this factor within a horizon, or to half as much
again as is declared as usual: a leap that was seen once is not bet on for hours."""
MOST_TOKENS = 10_000_000
MOST_REQUESTS = 40_000
"""Drawn for one future; of more, a share is drawn."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Multiples of it are spread over 0 to 1 as evenly as can be, any few in a row too (golden ratio)."""


def _weights(scores: Sequence[float]) -> tuple[float, ...]:
    """Return the chance that demand is nearer to a score than to its neighbours."""
    borders = [math.inf, *((left + right) / 2 for left, right in itertools.pairwise(scores)), -math.inf]
    normal = NormalDist()
    at = [1.0 if border == math.inf else 0.0 if border == -math.inf else normal.cdf(border) for border in borders]
    return tuple(high - low for high, low in itertools.pairwise(at))


WEIGHTS = _weights(SCORES)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class InFlight:
    """Requests that have come and not ended."""

    output_tokens: NDArray[np.float64]
    """Tokens of each answer so far, 0 for none yet, shape (requests in a sample,)."""
    class_index: NDArray[np.int64]
    """Shape (requests in a sample,)."""
    count: int
    """How many there are; the sample stands for them."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Demand:
    """All that futures are drawn from."""

    outlook: Outlook
    horizon_s: float
    """Requests come until then."""
    inputs: TokenLengths
    outputs: TokenLengths
    in_flight: InFlight
    shares: Mapping[str, float]
    """Of requests, by class."""
    expected_rps: float
    """Declared as usual."""
    peak_rps: float
    """Declared: demand far above is not agreed on, and so it counts once it is there."""
    share: float = 1.0
    """Of all requests that are drawn, 0 to 1: of a large fleet a part tells enough."""
    longest: int
    """Tokens of prompt and answer that the engine takes."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Future:
    """One future."""

    weight: float
    """Its chance."""
    arrivals: Arrivals
    """What is in flight now, at the instant 0, and what comes."""
    present: int
    """How many of these are in flight now; they come first."""
    share: float
    """Of all requests, above 0: so many were drawn, each with that chance."""
    mark: NDArray[np.float64]
    """A number between 0 and 1 for each request: the requests below some share are that share of those drawn, at any
    time, so that few requests come as evenly as many."""
    lateness: float
    """A number between 0 and 1 for the lead time: over all futures, by their weights, these are spread evenly."""


def draw(given: Demand) -> tuple[Future, ...]:
    """Draw the futures, the busiest first."""
    rng = np.random.default_rng(SEED)
    steps = max(1, math.ceil(given.horizon_s / STEP_S))
    paths = _paths(given, steps)
    spread = max(0.0, given.outlook.dispersion - 1.0)
    lateness = _spread(rng.permutation(len(SCORES)))
    found = []
    for index, weight in enumerate(WEIGHTS):
        own = np.random.default_rng([SEED, index])
        mean = paths[index] * STEP_S
        share = _share(given, float(mean.sum()))
        mean = mean * share
        count = own.poisson(_bursty(mean, spread, own))
        at_s = (np.repeat(np.arange(steps), count) + own.random(int(count.sum()))) * STEP_S
        at_s = np.sort(at_s[at_s < given.horizon_s])
        found.append(_future(given, weight, at_s, own, lateness=float(lateness[index]), share=share))
    return tuple(found)


def _spread(order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return numbers between 0 and 1 in some order, each in the middle of a part as wide as its future's weight."""
    weights = np.array(WEIGHTS)[order]
    spread = np.empty(order.size)
    spread[order] = np.cumsum(weights) - weights / 2
    return spread


def _share(given: Demand, arriving: float) -> float:
    """Return the share of requests that is drawn."""
    expected = arriving + given.in_flight.count
    return min(given.share, MOST_REQUESTS / max(expected, 1.0))


def _paths(given: Demand, steps: int) -> NDArray[np.float64]:
    """Return the rate along each path, shape (futures, steps)."""
    coarse = given.outlook.paths(np.array(SCORES))
    place = np.minimum(((np.arange(steps) + 0.5) * STEP_S / given.outlook.step_s).astype(np.int64), coarse.shape[1] - 1)
    level = float(given.outlook.median[0])
    agreed = max(given.peak_rps, ABOVE_NOW * level)
    leap = max(LEAP * level, ABOVE_NOW * given.expected_rps)
    paths: NDArray[np.float64] = np.minimum(coarse[:, place], min(agreed, leap))
    return paths


def _bursty(mean: NDArray[np.float64], spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return means of a Poisson process whose counts vary (1 + spread) times as much as their mean."""
    if spread < 0.05:
        return mean
    return np.where(mean > 0, rng.gamma(np.maximum(mean, 1e-9) / spread) * spread, 0.0)


def _future(
    given: Demand,
    weight: float,
    at_s: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    lateness: float,
    share: float,
) -> Future:
    now = _present(given, rng, share)
    classes = tuple(sorted(given.shares))
    reached = np.cumsum([given.shares[name] for name in classes])
    drawn = np.searchsorted(reached, rng.random(at_s.size) * reached[-1], side="right")
    prompt = _within(given.inputs.sample(rng.random(at_s.size)), given.longest - 1)
    answer = _within(given.outputs.sample(rng.random(at_s.size)), given.longest - prompt)
    size = now.prompt.size
    return Future(
        weight=weight,
        arrivals=Arrivals(
            arrival_s=np.concatenate([np.zeros(size), at_s]),
            input_tokens=np.concatenate([now.prompt, prompt]),
            output_tokens=np.concatenate([now.left, answer]),
            cached_tokens=np.concatenate([now.cached, np.zeros(at_s.size, dtype=np.int64)]),
            class_index=np.concatenate([now.class_index, np.minimum(drawn, len(classes) - 1)]),
            classes=classes,
        ),
        present=size,
        share=share,
        mark=np.concatenate([(np.arange(size) + 0.5) / max(size, 1), (np.arange(at_s.size) + 0.5) * GOLDEN % 1.0]),
        lateness=lateness,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Present:
    prompt: NDArray[np.int64]
    left: NDArray[np.int64]
    cached: NDArray[np.int64]
    class_index: NDArray[np.int64]


def _present(given: Demand, rng: np.random.Generator, share: float) -> _Present:
    sample = given.in_flight.output_tokens.size
    count = math.ceil(given.in_flight.count * share) if sample else 0
    rows = rng.permutation(np.arange(count) % max(sample, 1)) if count else np.empty(0, dtype=np.int64)
    so_far = given.in_flight.output_tokens[rows]
    asked = _within(given.inputs.sample(rng.random(count)), given.longest - 1)
    prompt = np.minimum(asked + so_far.astype(np.int64), given.longest - 1)
    left = np.where(
        so_far >= 1,
        given.outputs.remaining(np.maximum(so_far, 1.0), rng.random(count)),
        given.outputs.sample(rng.random(count)),
    )
    return _Present(
        prompt=prompt,
        left=_within(left, given.longest - prompt),
        cached=np.where(so_far >= 1, prompt - 1, 0),
        class_index=given.in_flight.class_index[rows],
    )


def _within(tokens: NDArray[np.int64], most: NDArray[np.int64] | int) -> NDArray[np.int64]:
    limited: NDArray[np.int64] = np.clip(tokens, 1, most).astype(np.int64)
    return limited
