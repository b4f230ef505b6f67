"""What planning needs from the engine model: rates within an objective, and replicas for a rate.

Capacity is found by simulation: Poisson arrivals at the declared lengths go through one replica, the share of good
requests is counted after a warm-up, and the highest rate whose share reaches the target is searched by bisection. All
rates see the same lengths and the same unit gaps, scaled (common random numbers), so that the share falls with the rate
and not with luck. Results are remembered by their arguments, which are all frozen.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from tenbin_spec.profiles import curve_ms

from tenbin_planner.model import fleet, lengths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile
    from tenbin_spec.workload import Lengths

REQUESTS = 20_000
"""Requests in one simulation; of these the first tenth is warm-up and not counted."""
BISECTIONS = 9
"""Halvings of the interval [0, bound]: the capacity is known to a quarter of a per cent of the bound."""
LIGHT = 1 / 8
"""Share of the bound at which the table knows what a lightly loaded replica does."""
OVERLOADS = (1.25, 1.6, 2.5)
"""Multiples of the capacity at which the table also knows the share of good requests."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traffic:
    """Lengths of requests, hashable."""

    input_tokens: Lengths
    output_tokens: Lengths

    def arrivals(self, rate: float, *, count: int, seed: int, longest: int, request_class: str = "") -> fleet.Arrivals:
        """Draw Poisson arrivals.

        Args:
            rate: requests per second, above 0.
            count: number of requests.
            seed: the same seed gives the same lengths at every rate.
            longest: tokens of prompt and answer together at most.
            request_class: class of all of them.
        """
        if not 0 < rate < math.inf:
            raise ValueError(f"rate is {rate}; allowed is a finite number above 0")
        rng = np.random.default_rng(seed)
        gaps = rng.standard_exponential(count)
        prompt = lengths.LengthDistribution.fit(self.input_tokens).sample(count, rng, longest=max(longest - 1, 1))
        answer = lengths.LengthDistribution.fit(self.output_tokens).sample(count, rng, longest=max(longest - 1, 1))
        return fleet.Arrivals.of(np.cumsum(gaps) / rate, prompt, np.minimum(answer, longest - prompt), request_class)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CapacityTable:
    """Share of good requests of one replica by its rate of requests."""

    target: float
    """Share that the objective asks for."""
    rates: tuple[float, ...]
    """Requests per second, rising."""
    shares: tuple[float, ...]
    """Share of good requests at each rate, not rising."""
    capacity_rps: float
    """Highest rate known to reach the target; 0 when not even a lone request does."""

    def share_at(self, rate: float) -> float:
        """Return the share of good requests at a rate per replica: between the known rates a straight line.

        Beyond the last known rate the good requests per second stay what they are there at best, so their share falls
        with the rate.
        """
        if rate >= self.rates[-1]:
            return self.shares[-1] * self.rates[-1] / rate
        return float(np.interp(rate, self.rates, self.shares))

    def replicas_for(self, rate: float) -> int:
        """Return the smallest number of replicas that serve `rate` requests per second within the objective.

        Conservative: it gives each replica an even share of the rate as a Poisson process of its own, while a
        least-request router pools the fleet. `fixed_fleet` judges a fleet as a whole.

        Raises:
            ValueError: for a rate that is negative or not finite, or when the capacity is 0 and the rate is not.
        """
        if not 0 <= rate < math.inf:
            raise ValueError(f"rate is {rate}; allowed is a finite number of 0 or more")
        if rate == 0:
            return 0
        if self.capacity_rps == 0:
            raise ValueError("one replica reaches the objective at no rate: no number of replicas does")
        return max(1, math.ceil(rate / self.capacity_rps - 1e-9))


@functools.lru_cache(maxsize=256)
def capacity_table(
    profile: EngineProfile, objective: Objective, traffic: Traffic, *, max_queued: int | None = None, seed: int = 0
) -> CapacityTable:
    """Return what one replica does within an objective, by simulation (a fraction of a second, then remembered).

    Args:
        profile: engine.
        objective: thresholds and target of one class.
        traffic: lengths of its requests.
        max_queued: requests that may wait in the replica; more are shed and missed.
        seed: of lengths and gaps.
    """
    known: dict[float, float] = {}

    def share(rate: float) -> float:
        if rate not in known:
            arrivals = traffic.arrivals(rate, count=REQUESTS, seed=seed, longest=profile.limits.max_model_len)
            result = fleet.simulate(arrivals, fleet.fixed(profile, 1), max_queued=max_queued)
            known[rate] = float(result.good({"": objective})[REQUESTS // 10 :].mean())
        return known[rate]

    target, bound = float(objective.target), rate_bound(profile, traffic)
    share(bound * LIGHT)
    low, high = 0.0, bound
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= target else (low, middle)
    for factor in OVERLOADS:
        share(factor * max(low, bound / 2**BISECTIONS))
    rates = tuple(sorted(known))
    shares = np.minimum.accumulate([known[rate] for rate in rates])
    return CapacityTable(target=target, rates=rates, shares=tuple(shares.tolist()), capacity_rps=low)


def rate_bound(profile: EngineProfile, traffic: Traffic) -> float:
    """Return a rate, in requests per second, that one replica cannot keep up with however its batches fall.

    Each prompt token costs at least its share of the pass that computes prompts best, each token of the answer at least
    its share of the batch that decodes best; the API process is a server of its own.
    """
    mean_in, mean_out = traffic.input_tokens.mean, traffic.output_tokens.mean
    limits, cost = profile.limits, profile.forward
    context = mean_in + mean_out / 2
    batches = sorted({min(2**power, limits.max_num_seqs) for power in range(limits.max_num_seqs.bit_length() + 1)})
    token_ms = min(
        (curve_ms(cost.decode_ms, batch) + curve_ms(cost.kv_ms, batch * context)) / batch
        for batch in batches
        if batch == 1 or batch * context <= limits.kv_tokens
    )
    amounts = {min(knot[0], limits.max_num_batched_tokens) for knot in cost.prefill_ms if knot[0]}
    prompt_ms = min(curve_ms(cost.prefill_ms, tokens) / tokens for tokens in amounts | {limits.max_num_batched_tokens})
    engine_ms: float = mean_out * token_ms + mean_in * (prompt_ms + cost.per_prefill_context_ms * mean_in / 2)
    return 1000 / max(engine_ms, api_ms(profile, output_tokens=mean_out))


def api_ms(profile: EngineProfile, *, output_tokens: float) -> float:
    """Return what one request costs the API process, in milliseconds."""
    return profile.api.per_request_ms + profile.api.per_output_token_ms * output_tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedFleet:
    """A constant number of replicas and what it reaches."""

    replicas: int
    attainment: Mapping[str, float]
    """Share of good requests by class."""
    reaches: bool
    """Whether every class reaches its target; False when even the largest allowed fleet does not."""


def fixed_fleet(
    arrivals: fleet.Arrivals,
    objectives: Mapping[str, Objective],
    profile: EngineProfile,
    replicas: int,
    *,
    max_queued: int | None = None,
) -> FixedFleet:
    """Judge a constant fleet on recorded or drawn arrivals.

    Raises:
        KeyError: when a class among the arrivals has no objective.
    """
    attainment = fleet.simulate(arrivals, fleet.fixed(profile, replicas), max_queued=max_queued).attainment(objectives)
    reaches = all(share >= float(objectives[name].target) for name, share in attainment.items())
    return FixedFleet(replicas=replicas, attainment=attainment, reaches=reaches)


def cheapest_fixed_fleet(
    arrivals: fleet.Arrivals,
    objectives: Mapping[str, Objective],
    profile: EngineProfile,
    *,
    max_replicas: int,
    max_queued: int | None = None,
) -> FixedFleet:
    """Return the smallest constant fleet that reaches every class's target on these arrivals.

    Doubles until a fleet reaches the targets, then halves the interval: a larger fleet is taken to be no worse.

    Returns:
        The smallest such fleet; the fleet of `max_replicas` with `reaches` False when that one does not.

    Raises:
        ValueError: without arrivals, or for max_replicas below 1.
        KeyError: when a class among the arrivals has no objective.
    """
    if len(arrivals) == 0:
        raise ValueError("there are no arrivals: every fleet, and none, serves them")
    if max_replicas < 1:
        raise ValueError(f"max_replicas is {max_replicas}; allowed is 1 or more")

    def judge(replicas: int) -> FixedFleet:
        return fixed_fleet(arrivals, objectives, profile, replicas, max_queued=max_queued)

    failing, found = 0, judge(1)
    while not found.reaches and found.replicas < max_replicas:
        failing, found = found.replicas, judge(min(2 * found.replicas, max_replicas))
    while found.reaches and found.replicas - failing > 1:
        middle = judge((failing + found.replicas) // 2)
        failing, found = (failing, middle) if middle.reaches else (middle.replicas, found)
    return found
