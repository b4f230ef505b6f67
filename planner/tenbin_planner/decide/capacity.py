"""What a fleet of n replicas does within the objectives of all of its service's classes.

A fleet behind a least-request router does more than n replicas on their own, since a burst finds the replica that is
least busy. So fleets of a few sizes are simulated, and the rate per replica between these sizes is a straight line; of
the classes the one that binds first decides. The numbers rest on profile, objectives and lengths alone, so they are
found once, outside the tick, and handed to the decision.

An objective that not even a lightly loaded replica keeps is *infeasible*: no number of replicas meets it. Then the
fleet is sized for the best share that money buys, that of light load, with the same error budget below it.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from tenbin_spec.workload import Lengths

from tenbin_planner.decide.observation import Absent, ObservedLengths
from tenbin_planner.model import capacity, fleet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile
    from tenbin_spec.workload import Workload

    from tenbin_planner.decide.memory import ServiceMemory

SIZES = (1, 2, 4, 8, 16)
"""Fleets that are simulated; beyond the last the rate per replica stays."""
REQUESTS = 10_000
"""Requests in one simulation; the first tenth is warm-up and not counted."""
HALVINGS = 8
"""The capacity is known to bound / 2**8, below half a per cent of the bound."""
LIGHT = 1 / 16
"""Share of the bound that counts as light load."""
STABLE = 0.9
"""Share of the bound below which a queue stays finite in practice."""
HOPELESS = 0.5
"""Below this share of good requests at light load, an objective says nothing about the size of a fleet."""
EDGE_BURN = 2.0
"""Multiple of the error budget that may be missed for as long as a replica would have to be bought to avoid it."""
LENGTH_STEP = 1.25
"""Observed lengths count in steps of this factor from the declared ones, so that simulations can be remembered."""
ENOUGH_REQUESTS = 100
"""Requests that an observed mean must rest on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traffic:
    """What capacity rests on besides the profile; hashable."""

    lengths: capacity.Traffic
    objectives: tuple[tuple[str, Objective], ...]
    """By class, in the order of their names."""
    largest: int
    """Replicas in the largest fleet of interest."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FleetCapacity:
    """Requests per second that each replica of a fleet does within the objectives, by size of the fleet."""

    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    """Per replica and at each of `sizes`, within the objectives; never falling. Fewer replicas must keep to these."""
    edges: tuple[float, ...]
    """The same for a miss share of `EDGE_BURN` error budgets, so never less. Beyond these more replicas are bought: a
    fleet at the edge of its capacity neither grows nor shrinks."""
    bound_rps: float
    """What one replica cannot keep up with, in requests per second."""
    slots: int
    """Requests that one replica has in execution at most; more wait."""
    binding: str
    """Class that binds."""
    infeasible: tuple[str, ...]
    """In words, each objective that not even an empty replica keeps."""
    best: tuple[tuple[str, float], ...] = ()
    """Share of good requests that an almost empty replica reaches, for each class whose target is above it."""

    def per_replica(self, replicas: float, *, at_edge: bool = False) -> float:
        """Return what each of `replicas` replicas does; one replica's rate for fewer than one."""
        rates = self.edges if at_edge else self.rates
        if replicas >= self.sizes[-1]:
            return rates[-1]
        if replicas <= self.sizes[0]:
            return rates[0]
        right = bisect.bisect_right(self.sizes, replicas)
        low, high = self.sizes[right - 1], self.sizes[right]
        share = (replicas - low) / (high - low)
        return rates[right - 1] * (1 - share) + rates[right] * share

    def replicas_for(self, rate: float) -> int:
        """Return the smallest number of replicas that serves `rate` requests per second at the edge of its capacity.

        Raises:
            ValueError: for a rate that is negative or not finite.
        """
        if not 0 <= rate < math.inf:
            raise ValueError(f"rate is {rate}; allowed is a finite number of 0 or more")
        count = 0
        while count < self.sizes[-1] and count * self.per_replica(count, at_edge=True) < rate - 1e-9:
            count += 1
        return max(count, math.ceil(rate / self.edges[-1] - 1e-9)) if count == self.sizes[-1] else count


def traffic(document: Document, service: str, memory: ServiceMemory) -> Traffic:
    """Return the traffic that a service's capacity is to be known for."""
    agreed = document.services[service]
    declared = agreed.workload
    return Traffic(
        lengths=capacity.Traffic(
            input_tokens=_scaled(declared.input_tokens, memory.input_step),
            output_tokens=_scaled(declared.output_tokens, memory.output_step),
        ),
        objectives=tuple(sorted(agreed.slo.classes.items())),
        largest=agreed.replicas.max,
    )


def length_steps(declared: Workload, observed: ObservedLengths | Absent, memory: ServiceMemory) -> tuple[int, int]:
    """Return observed lengths in steps from the declared ones: input, output.

    A step is left only for a length well inside another one, so that a mean on the edge between two does not move the
    plan to and fro.
    """
    if isinstance(observed, Absent) or observed.requests < ENOUGH_REQUESTS:
        return memory.input_step, memory.output_step
    return (
        _step(observed.input_tokens / declared.input_tokens.mean, memory.input_step),
        _step(observed.output_tokens / declared.output_tokens.mean, memory.output_step),
    )


def _step(ratio: float, now: int) -> int:
    exact = math.log(ratio) / math.log(LENGTH_STEP)
    return now if abs(exact - now) < 0.75 else round(max(-20.0, min(20.0, exact)))


def _scaled(declared: Lengths, step: int) -> Lengths:
    factor = LENGTH_STEP**step
    mean = max(1, min(round(declared.mean * factor), 10_000_000))
    return Lengths(mean=mean, p95=max(mean, min(round(declared.p95 * factor), 10_000_000)))


def fleet_capacity(profile: EngineProfile, wanted: Traffic) -> FleetCapacity:
    """Find what fleets of an engine do within the objectives, by simulation: a few seconds.

    Monotone: all sizes and objectives see the same requests, and each bisection starts from the same interval, so a
    tighter objective never gets more.
    """
    lengths, limits = wanted.lengths, profile.limits
    bound = capacity.rate_bound(profile, lengths)
    simulated = _Simulations(profile, wanted, bound)
    aims, infeasible, best = _aims(simulated, wanted.objectives)
    sizes = tuple(size for size in SIZES if size <= max(wanted.largest, 1))
    found = [_rate(simulated, size, aims, burn=1.0) for size in sizes]
    edges = [_rate(simulated, size, aims, burn=EDGE_BURN) for size in sizes]
    rates = np.maximum.accumulate([rate for rate, _ in found])
    mean_tokens = lengths.input_tokens.mean + lengths.output_tokens.mean
    return FleetCapacity(
        sizes=sizes,
        rates=tuple(rates.tolist()),
        edges=tuple(np.maximum(rates, np.maximum.accumulate([rate for rate, _ in edges])).tolist()),
        bound_rps=bound,
        slots=max(1, min(limits.max_num_seqs, limits.kv_tokens // mean_tokens)),
        binding=found[-1][1],
        infeasible=infeasible,
        best=best,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Aim:
    """Share of good requests that a class is sized for."""

    best: float
    """All of them or, for an infeasible objective, what light load reaches."""
    budget: float
    """Share below `best` that may be missed."""


class _Simulations:
    """Shares of good requests by class, of fleets under a rate per replica; each is simulated once."""

    def __init__(self, profile: EngineProfile, wanted: Traffic, bound: float) -> None:
        self.bound = bound
        self.first = wanted.objectives[0][0]
        self._profile = profile
        self._wanted = wanted
        self._known: dict[tuple[int, float], Mapping[str, float]] = {}

    def shares(self, size: int, rate_per_replica: float) -> Mapping[str, float]:
        key = (size, rate_per_replica)
        if key not in self._known:
            longest = self._profile.limits.max_model_len
            rate = rate_per_replica * size
            arrivals = self._wanted.lengths.arrivals(rate, count=REQUESTS, seed=0, longest=longest)
            result = fleet.simulate(arrivals, fleet.fixed(self._profile, size))
            self._known[key] = {
                name: float(result.good({"": objective})[REQUESTS // 10 :].mean())
                for name, objective in self._wanted.objectives
            }
        return self._known[key]


def _aims(
    simulated: _Simulations, objectives: tuple[tuple[str, Objective], ...]
) -> tuple[dict[str, _Aim], tuple[str, ...], tuple[tuple[str, float], ...]]:
    """Return the share of good requests to size for by class, what is infeasible, and what is reached there."""
    light = simulated.shares(1, simulated.bound * LIGHT)
    aims, infeasible, best = {}, [], []
    for name, objective in objectives:
        target, budget = float(objective.target), float(objective.error_budget)
        if light[name] >= target:
            aims[name] = _Aim(best=1.0, budget=budget)
            continue
        best.append((name, light[name]))
        infeasible.append(
            f"class {name}: an almost empty replica keeps {light[name]:.1%} of requests within the thresholds,"
            f" the target is {target:.4g}"
        )
        if light[name] >= HOPELESS:
            aims[name] = _Aim(best=light[name], budget=budget)
    return aims, tuple(infeasible), tuple(best)


def _rate(simulated: _Simulations, size: int, aims: Mapping[str, _Aim], *, burn: float) -> tuple[float, str]:
    """Return what each replica of a fleet does while every class misses at most `burn` error budgets; and who binds."""
    by_class = {name: _highest(simulated, size, name, aim.best - burn * aim.budget) for name, aim in aims.items()}
    if not by_class:
        return STABLE * simulated.bound, simulated.first
    binding = min(by_class, key=lambda name: (by_class[name], name))
    return max(by_class[binding], simulated.bound / 2**HALVINGS), binding


def _highest(simulated: _Simulations, size: int, name: str, aim: float) -> float:
    """Return the highest rate per replica at which the class's share of good requests reaches `aim`."""
    low, high = 0.0, simulated.bound
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if simulated.shares(size, middle)[name] >= aim else (low, middle)
    return min(low, STABLE * simulated.bound)
