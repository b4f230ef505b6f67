"""A day of the traffic that a service declares, and what the planner makes of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tenbin_planner.backtest import running, scores
from tenbin_planner.backtest.nodes import Billing
from tenbin_planner.backtest.policies.tenbin import Tenbin
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.model.lengths import LengthDistribution
from tenbin_planner.traces import generators, rates

if TYPE_CHECKING:
    from tenbin_spec.document import Document
    from tenbin_spec.workload import Rate

    from tenbin_planner.traces import Trace

HOUR_S = 3600.0
SEED = 0
"""Of arrivals, lengths and lead times: one seed, so that a difference between two agreements is theirs."""
_HALVINGS = 60
_SHARPEST = 1e6
"""Exponent of the sharpest peak: its mean is a 1,800th of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expectation:
    """What came of a service's day under the planner."""

    hourly_usd: Mapping[str, Decimal]
    """USD per hour by pool, of whole nodes where nodes are paid."""
    attainment: Mapping[str, float]
    """Share of good requests by class; declared traffic has no classes, so that each is judged on all requests."""


def day(declared: Rate, *, hours: float) -> rates.Rate:
    """Return a rate whose mean over so many hours is the expected one and whose highest is the peak.

    It begins at its lowest and swings once: trough + (peak - trough) * ((1 - cos(2 pi t / day)) / 2)^k. Where the
    expected rate is half of the peak or more, k is 1 and the trough what gives the mean; where it is less, the trough
    is 0 and k what gives it, by mean = peak * Gamma(k + 1/2) / (sqrt(pi) * Gamma(k + 1)).

    Args:
        declared: the expected rate and the peak.
        hours: length of the day, above 0.
    """
    low = max(0.0, 2 * declared.expected - declared.peak)
    exponent = 1.0 if low > 0 else _exponent(declared.expected / declared.peak)

    def per_second(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        swing: NDArray[np.float64] = (1 - np.cos(2 * math.pi * at_s / (hours * HOUR_S))) / 2
        return low + (declared.peak - low) * swing**exponent

    return rates.Rate(per_second=per_second, most=declared.peak)


def trace(document: Document, service: str, *, hours: float) -> Trace:
    """Draw a service's day; prompts and answers are cut to half of the shortest context, so that none is refused.

    Raises:
        TraceError: where so little is declared that no request came.
    """
    agreed = document.services[service]
    longest = min(
        item.profile.limits.max_model_len
        for item in document.workloads
        if item.service == service and item.profile is not None
    )
    kind = generators.Kind(
        class_name=agreed.slo.fallback_class,
        input_tokens=LengthDistribution.fit(agreed.workload.input_tokens),
        output_tokens=LengthDistribution.fit(agreed.workload.output_tokens),
    )
    return generators.generate(
        day(agreed.workload.requests_per_second, hours=hours),
        duration_s=hours * HOUR_S,
        kinds=[kind],
        seed=SEED,
        longest=longest // 2,
        name=f"declared traffic of {service}",
    )


def expectation(
    document: Document,
    service: str,
    *,
    hours: float,
    billing: Billing,
    progress: Callable[[float, float], None] | None = None,
) -> Expectation | None:
    """Run the planner through a service's day, alone with its pools; None where none has a price and a profile.

    Args:
        document: the agreement.
        service: whose day.
        hours: its length.
        billing: what is paid for.
        progress: takes the instant reached and the end, in seconds, now and then.
    """
    if not any(
        item.service == service and item.profile is not None and item.hourly_usd is not None
        for item in document.workloads
    ):
        return None
    drawn = trace(document, service, hours=hours)
    given = Scenario(
        name=document.stack,
        document=document,
        traces={service: drawn},
        billing=billing,
        duration_s=hours * HOUR_S,
    ).only(service)
    run = running.run(given, Tenbin(given.interval_s), seed=SEED, progress=progress)
    result, objectives = run.results[service], given.objectives(service)
    return Expectation(
        hourly_usd={pool: usd / Decimal(str(hours)) for pool, usd in scores.score(run).usd_by_pool.items()},
        attainment={
            name: float(result.good({drawn.classes[0]: objective}).mean()) for name, objective in objectives.items()
        },
    )


def _exponent(share: float) -> float:
    """Return the exponent at which the mean of the swing is a share of its peak, of at most 1/2."""
    low, high = 1.0, _SHARPEST
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        mean = math.exp(math.lgamma(middle + 0.5) - math.lgamma(middle + 1)) / math.sqrt(math.pi)
        low, high = (middle, high) if mean > share else (low, middle)
    return high
