"""The requests that every fleet of a menu is judged by: drawn at the declared peak, or the busiest hour of a trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model import capacity, fleet

if TYPE_CHECKING:
    from tenbin_spec.document import DocumentService
    from tenbin_spec.objectives import Objective

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.traces import Trace

REQUESTS = 100_000
"""Requests that are drawn at the declared peak; the first tenth is warm-up and not counted.

Misses come in bursts, so few requests say little about a target of 0.999: of three simulated L4, whose share is 0.9989,
it has a standard deviation over seeds of 0.0002 with so many, of 0.0003 with 8,000.
"""
SEED = 0
"""Of lengths and gaps. One seed for all fleets (common random numbers): a difference is the fleet's, not luck."""
HOUR_S = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Demand:
    """Requests, and how a fleet's result on them is read."""

    arrivals: fleet.Arrivals
    warm_up: int
    """The first requests, which are not counted."""
    sustained_rps: float
    """Rate that a fleet must keep up with for ever, in requests per second; 0 where traffic that ends is replayed."""
    rate_rps: float
    """Mean rate of `arrivals`, in requests per second."""
    output_tokens_per_hour: float
    """Tokens of answers that the bill is spread over: of the expected rate, or the mean of the whole trace."""
    trace: str | None = None
    """Name of the trace; None for declared traffic."""

    @classmethod
    def declared(cls, agreed: DocumentService, *, longest: int) -> Demand:
        """Draw Poisson arrivals at the declared peak with the declared lengths.

        Args:
            agreed: the service.
            longest: tokens of prompt and answer together at most.
        """
        rate, lengths = agreed.workload.requests_per_second, agreed.workload
        drawn = capacity.Traffic(input_tokens=lengths.input_tokens, output_tokens=lengths.output_tokens)
        return cls(
            arrivals=drawn.arrivals(rate.peak, count=REQUESTS, seed=SEED, longest=longest),
            warm_up=REQUESTS // 10,
            sustained_rps=rate.peak,
            rate_rps=rate.peak,
            output_tokens_per_hour=rate.expected * lengths.output_tokens.mean * HOUR_S,
        )

    @classmethod
    def recorded(cls, given: Scenario, service: str) -> Demand:
        """Take the busiest hour of a service's trace as it was; a class that nobody knows is the default class.

        Raises:
            KeyError: when the scenario has no trace for the service.
        """
        whole = given.traces[service]
        hour = busiest_hour(whole)
        arrivals = dataclasses.replace(given, traces={service: hour}).arrivals(service)
        return cls(
            arrivals=arrivals,
            warm_up=0,
            sustained_rps=0.0,
            rate_rps=len(hour) / min(HOUR_S, max(whole.duration_s, 1.0)),
            output_tokens_per_hour=float(whole.output_tokens.sum()) / max(whole.duration_s, 1.0) * HOUR_S,
            trace=whole.name,
        )

    @property
    def requests(self) -> int:
        """Number of requests that count."""
        return len(self.arrivals) - self.warm_up

    def shares(self, result: fleet.FleetResult, objectives: Mapping[str, Objective]) -> dict[str, float]:
        """Return the share of good requests by class.

        Declared traffic has no classes: each class is judged on all requests, as for the planner's capacity. A class
        without a request in a trace is absent.
        """
        if self.trace is not None:
            return result.attainment(objectives)
        return {name: float(result.good({"": own})[self.warm_up :].mean()) for name, own in objectives.items()}


def busiest_hour(trace: Trace) -> Trace:
    """Return the hour, from some arrival on, in which most requests arrive: the first of equals."""
    ends = np.searchsorted(trace.arrival_s, trace.arrival_s + HOUR_S)
    first = int(np.argmax(ends - np.arange(len(trace))))
    start_s = float(trace.arrival_s[first])
    return trace.window(start_s, start_s + HOUR_S)
