"""Replicas by pool, counted from a service's pods, and what they cost.

A replica is billed from the creation of its pod until the pod is gone, as planner and cost cap count it: a node that is
being bought or drained costs what a node that serves does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tenbin_spec import contract
from tenbin_spec.document import Document

SECONDS_PER_HOUR = 3600


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PoolCount:
    """Replicas on one pool at one instant."""

    ready: int = 0
    starting: int = 0
    """Not ready yet, or no longer."""
    draining: int = 0
    """Ready or not, but about to go: gets no new requests."""

    @property
    def billed(self) -> int:
        """Replicas that cost money."""
        return self.ready + self.starting + self.draining


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FleetSample:
    """All replicas of a service at one instant."""

    at_s: float
    """Seconds after the start of the run."""
    pools: Mapping[str, PoolCount]

    @property
    def billed(self) -> int:
        """Replicas that cost money."""
        return sum(count.billed for count in self.pools.values())

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return sum(count.ready for count in self.pools.values())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PoolPrice:
    """What one replica on a pool costs, and how many there may be."""

    pool: str
    hourly_usd: Decimal | None
    """None: unknown, which is not 0."""
    accelerators: int
    max_replicas: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """What was used over a run."""

    replica_seconds: Mapping[str, float]
    """By pool."""
    gpu_hours: float
    usd: Decimal | None
    """None when a pool that was used has no known price."""


def prices_of(document: Document, service: str) -> tuple[PoolPrice, ...]:
    """Return the prices of a service's pools, cheapest first, unknown ones last."""
    return tuple(
        PoolPrice(
            pool=workload.pool,
            hourly_usd=workload.hourly_usd,
            accelerators=workload.accelerators,
            max_replicas=workload.max_replicas,
        )
        for workload in document.workloads
        if workload.service == service
    )


def count(pods: Iterable[Mapping[str, Any]], pools: Iterable[str], at_s: float) -> FleetSample:
    """Count a service's replicas from its pods, plain Kubernetes objects.

    Args:
        pods: the pods of the service.
        pools: pools to name even without a replica, and first, in this order.
        at_s: instant, seconds after the start of the run.
    """
    tally: dict[str, dict[str, int]] = {pool: {} for pool in pools}
    for pod in pods:
        if pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            continue
        metadata = pod["metadata"]
        pool = (metadata.get("labels") or {}).get(contract.LABEL_POOL, "")
        of_pool = tally.setdefault(pool, {})
        state = _state(pod)
        of_pool[state] = of_pool.get(state, 0) + 1
    return FleetSample(at_s=at_s, pools={pool: PoolCount(**states) for pool, states in tally.items()})


def _state(pod: Mapping[str, Any]) -> str:
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    if metadata.get("deletionTimestamp") or annotations.get(contract.ANNOTATION_DRAINING) == "true":
        return "draining"
    conditions = pod.get("status", {}).get("conditions") or []
    is_ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return "ready" if is_ready else "starting"


def spend(samples: Sequence[FleetSample], prices: Sequence[PoolPrice], end_s: float) -> Spend:
    """Add up what replicas cost from instant 0 to `end_s`.

    A sample holds until the next one, the first one also for the time before it.

    Args:
        samples: in the order of time.
        prices: of all pools in the samples; a pool without one has an unknown price and one accelerator.
        end_s: end of the bill, seconds after the start of the run.
    """
    seconds: dict[str, float] = {}
    for index, sample in enumerate(samples):
        start_s = 0.0 if index == 0 else min(sample.at_s, end_s)
        until_s = min(samples[index + 1].at_s, end_s) if index + 1 < len(samples) else end_s
        for pool, of_pool in sample.pools.items():
            seconds[pool] = seconds.get(pool, 0.0) + of_pool.billed * max(until_s - start_s, 0.0)
    known = {price.pool: price for price in prices}
    used = {pool: amount for pool, amount in sorted(seconds.items()) if amount > 0}
    accelerators = {pool: known[pool].accelerators if pool in known else 1 for pool in used}
    return Spend(
        replica_seconds=used,
        gpu_hours=sum(amount * accelerators[pool] for pool, amount in used.items()) / SECONDS_PER_HOUR,
        usd=_total({pool: known[pool].hourly_usd if pool in known else None for pool in used}, used),
    )


def hourly_usd(sample: FleetSample, prices: Sequence[PoolPrice]) -> Decimal | None:
    """Return what the fleet of a sample costs per hour; None when a pool that is used has no known price."""
    known = {price.pool: price.hourly_usd for price in prices}
    used = {pool: float(of_pool.billed) for pool, of_pool in sample.pools.items() if of_pool.billed}
    return _total({pool: known.get(pool) for pool in used}, {pool: number * 3600 for pool, number in used.items()})


def _total(rates: Mapping[str, Decimal | None], seconds: Mapping[str, float]) -> Decimal | None:
    total = Decimal(0)
    for pool, amount in seconds.items():
        rate = rates[pool]
        if rate is None:
            return None
        total += rate * Decimal(repr(amount)) / SECONDS_PER_HOUR
    return total


def cheapest_pools(prices: Sequence[PoolPrice], replicas: int) -> dict[str, int] | None:
    """Spread a fixed number of replicas over pools, the cheapest pool first, each up to its maximum.

    Returns:
        Replicas by pool, pools without any left out; None when the pools of known price do not hold that many.
    """
    spread: dict[str, int] = {}
    left = replicas
    priced = [price for price in prices if price.hourly_usd is not None]
    for price in sorted(priced, key=lambda price: (price.hourly_usd or Decimal(0), price.pool)):
        here = min(left, price.max_replicas)
        if here:
            spread[price.pool] = here
        left -= here
    return spread if left == 0 else None
