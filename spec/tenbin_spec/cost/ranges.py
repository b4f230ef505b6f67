"""What a stack costs per hour at its minimum and its maximum."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal

from tenbin_spec.placements import Placement, least, placements
from tenbin_spec.stack import Stack

ZERO = Decimal(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HourlyRange:
    """Price per hour in USD; None where a price that counts is unknown."""

    minimum: Decimal | None
    maximum: Decimal | None

    def capped(self, cap: Decimal) -> HourlyRange:
        """Return the range under a cap that plans never exceed."""
        maximum = None if self.maximum is None else min(self.maximum, cap)
        return HourlyRange(minimum=self.minimum, maximum=maximum)


def service_range(stack: Stack, name: str) -> HourlyRange:
    """Return what a service costs per hour: its minimum on the cheapest pools, its maximum on the dearest."""
    service = stack.services[name]
    own = [placement for placement in placements(stack) if placement.service == name]
    cheapest_first = sorted(own, key=lambda item: (item.hourly_usd is None, item.hourly_usd or ZERO))
    dearest_first = sorted(own, key=lambda item: (item.hourly_usd is not None, -(item.hourly_usd or ZERO)))
    return HourlyRange(
        minimum=_price(cheapest_first, least(service.replicas, cheapest_first)),
        maximum=_fill(dearest_first, service.replicas.max),
    )


def stack_range(stack: Stack) -> HourlyRange:
    """Return what a stack's replicas cost per hour, before its cap."""
    ranges = [service_range(stack, name) for name in stack.services]
    return HourlyRange(
        minimum=_total(item.minimum for item in ranges),
        maximum=_total(item.maximum for item in ranges),
    )


def _price(own: Iterable[Placement], counts: Mapping[str, int]) -> Decimal | None:
    """Price counts by workload; None when the price of one that runs is unknown."""
    running = [item for item in own if counts[item.workload]]
    return _total(None if item.hourly_usd is None else counts[item.workload] * item.hourly_usd for item in running)


def _fill(ordered: Iterable[Placement], replicas: int) -> Decimal | None:
    """Price replicas placed in the given order, each placement up to its maximum."""
    total, left = ZERO, replicas
    for placement in ordered:
        taken = min(left, placement.max_replicas)
        if taken == 0:
            continue
        if placement.hourly_usd is None:
            return None
        total, left = total + taken * placement.hourly_usd, left - taken
    return total


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = list(amounts)
    return None if None in known else sum((amount for amount in known if amount is not None), ZERO)
