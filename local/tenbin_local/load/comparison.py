"""What a run is measured against: what one replica can do, and the cheapest fixed fleet on the same arrivals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from tenbin_planner.model import capacity
from tenbin_spec.document import Document
from tenbin_spec.profiles import EngineProfile

from tenbin_local.load import arrivals, fleet
from tenbin_local.load.arrivals import PlannedRequest

DEFAULT_LOAD = 0.6
"""Base rate as a share of what one replica can do within the objectives."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FixedFleet:
    """A constant fleet for the whole run, by the engine model."""

    replicas: int
    pools: Mapping[str, int]
    """Replicas by pool, the cheapest pool first."""
    attainment: Mapping[str, float]
    """By class."""
    reaches: bool
    """Whether it keeps every class's target; False when not even the largest fleet does."""
    gpu_hours: float
    usd: Decimal | None
    """None when the pools of known price do not hold it."""


def profile_of(document: Document, service: str) -> EngineProfile | None:
    """Return the profile of a service's replicas on its cheapest pool that has one; None when none has."""
    profiles = (workload.profile for workload in document.workloads if workload.service == service)
    return next((profile for profile in profiles if profile is not None), None)


def replica_capacity(document: Document, service: str, classes: Iterable[str]) -> float | None:
    """Return the requests per second that one replica serves within the objectives of all of these classes.

    Returns:
        None when the engine has no profile; 0 when one replica keeps the objectives at no rate.
    """
    agreement = document.services[service]
    profile = profile_of(document, service)
    if profile is None:
        return None
    traffic = capacity.Traffic(
        input_tokens=agreement.workload.input_tokens, output_tokens=agreement.workload.output_tokens
    )
    return min(
        capacity.capacity_table(profile, agreement.slo.classes[name], traffic).capacity_rps for name in sorted(classes)
    )


def cheapest_fixed_fleet(
    document: Document, service: str, requests: Sequence[PlannedRequest], duration_s: float
) -> FixedFleet | None:
    """Return the smallest constant fleet that would have kept every target on these requests.

    Its replicas are priced on the cheapest pool first, each pool up to its maximum, for the whole duration: what a
    team pays that sizes the fleet by hindsight and leaves it so.

    Args:
        document: knows objectives, pools, prices and profiles.
        service: one of its services.
        requests: in any order; their times, lengths and classes count.
        duration_s: billed time in seconds, that of the run.

    Returns:
        None without requests, or when the engine has no profile.
    """
    profile = profile_of(document, service)
    if not requests or profile is None:
        return None
    prices = fleet.prices_of(document, service)
    found = capacity.cheapest_fixed_fleet(
        arrivals.as_arrivals(requests),
        document.services[service].slo.classes,
        profile,
        max_replicas=max(sum(price.max_replicas for price in prices), 1),
    )
    pools = fleet.cheapest_pools(prices, found.replicas)
    sample = fleet.FleetSample(
        at_s=0.0, pools={pool: fleet.PoolCount(ready=number) for pool, number in (pools or {}).items()}
    )
    spend = fleet.spend([sample], prices, duration_s)
    return FixedFleet(
        replicas=found.replicas,
        pools=pools or {},
        attainment=found.attainment,
        reaches=found.reaches,
        gpu_hours=spend.gpu_hours,
        usd=None if pools is None else spend.usd,
    )
