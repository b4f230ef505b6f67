"""What replicas, or the nodes on which they are packed, cost: by the second, from their start until they are gone."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenbin_spec.document import Document

    from tenbin_planner.backtest.nodes import Node
    from tenbin_planner.backtest.replicas import Replica

ZERO = Decimal(0)
HOUR_S = 3600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Charge:
    """One thing that costs from an instant until another."""

    pool: str
    from_s: float
    until_s: float
    hourly_usd: Decimal
    accelerators: int
    shares: Mapping[str, float]
    """Of the services that pay for it, 1 in sum."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bill:
    """Money and accelerators of a run, up to the end of its scenario."""

    usd: Decimal
    usd_by_pool: Mapping[str, Decimal]
    usd_by_service: Mapping[str, Decimal]
    gpu_hours: float
    """Accelerators times the hours for which they were paid."""
    gpu_hours_by_service: Mapping[str, float]
    peak_hourly_usd: Decimal
    """The most that all that existed at an instant cost per hour."""


def of_replicas(replicas: Iterable[Replica], *, end_s: float) -> Iterator[Charge]:
    """Return what replicas cost, each for itself.

    Args:
        replicas: all that ever were; a price that is unknown counts as nothing.
        end_s: nothing is counted from then on.
    """
    for replica in replicas:
        workload = replica.workload
        yield Charge(
            pool=workload.pool,
            from_s=replica.node_s,
            until_s=min(replica.gone_s, end_s),
            hourly_usd=workload.hourly_usd or ZERO,
            accelerators=workload.accelerators,
            shares={workload.service: 1.0},
        )


def of_nodes(nodes: Iterable[Node], document: Document, *, end_s: float) -> Iterator[Charge]:
    """Return what nodes cost; services share each by the accelerators that they had of it, and for how long.

    Args:
        nodes: all that ever were.
        document: the agreement, which prices replicas: a node costs as much as what would fill it.
        end_s: nothing is counted from then on.
    """
    prices = node_prices(document)
    for node in nodes:
        held: defaultdict[str, float] = defaultdict(float)
        for item in node.replicas:
            seconds = max(min(item.gone_s, end_s) - item.node_s, 0.0)
            held[item.workload.service] += item.workload.accelerators * seconds
        total = math.fsum(held.values())
        first = node.replicas[0].workload.service
        yield Charge(
            pool=node.pool,
            from_s=node.start_s,
            until_s=min(node.end_s, end_s),
            hourly_usd=prices[node.pool],
            accelerators=node.accelerators,
            shares={name: part / total for name, part in held.items()} if total else {first: 1.0},
        )


def node_prices(document: Document) -> dict[str, Decimal]:
    """Return the USD per hour of one node by pool, from the share of it for which a replica is priced."""
    found = dict.fromkeys(document.pools, ZERO)
    for item in document.workloads:
        whole = (item.hourly_usd or ZERO) * document.pools[item.pool].accelerators / item.accelerators
        found[item.pool] = max(found[item.pool], whole)
    return found


def bill(charges: Iterable[Charge], *, minimum_billed_s: Mapping[str, float]) -> Bill:
    """Add up.

    Args:
        charges: what costs.
        minimum_billed_s: seconds that each costs at least, by pool, also beyond the end; a begun second counts in full.
    """
    by_pool: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    by_service: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    hours: defaultdict[str, float] = defaultdict(float)
    steps: defaultdict[float, Decimal] = defaultdict(lambda: ZERO)
    for charge in charges:
        if not charge.from_s < charge.until_s:
            continue
        # A nanosecond is forgiven, since instants are sums of binary fractions.
        seconds = math.ceil(charge.until_s - charge.from_s - 1e-9)
        billed = max(Decimal(seconds), Decimal(str(minimum_billed_s.get(charge.pool, 0))))
        usd = billed * charge.hourly_usd / HOUR_S
        by_pool[charge.pool] += usd
        for service, part in _divided(usd, charge.shares):
            by_service[service] += part
        for service, share in charge.shares.items():
            hours[service] += share * charge.accelerators * (charge.until_s - charge.from_s) / HOUR_S
        steps[charge.from_s] += charge.hourly_usd
        steps[charge.until_s] -= charge.hourly_usd
    return Bill(
        usd=sum(by_pool.values(), ZERO),
        usd_by_pool=dict(sorted(by_pool.items())),
        usd_by_service=dict(sorted(by_service.items())),
        gpu_hours=math.fsum(hours.values()),
        gpu_hours_by_service=dict(sorted(hours.items())),
        peak_hourly_usd=_highest(steps),
    )


def _divided(usd: Decimal, shares: Mapping[str, float]) -> Iterator[tuple[str, Decimal]]:
    """Divide an amount so that the parts add up to it."""
    *others, last = sorted(shares)
    left = usd
    for name in others:
        part = usd * Decimal(str(shares[name]))
        left -= part
        yield name, part
    yield last, left


def _highest(steps: Mapping[float, Decimal]) -> Decimal:
    """Return the highest sum of steps up to an instant; what ends then is gone before what begins then."""
    highest = level = ZERO
    for _, step in sorted(steps.items()):
        level += step
        highest = max(highest, level)
    return highest
