"""Where a service may run, and what it asks of its pools."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from tenbin_spec.reasons import Reason

    from tenbin_planner.decide.capacity import FleetCapacity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """A workload that can carry replicas of a service."""

    name: str
    pool: str
    accelerators: int
    """Of one replica."""
    hourly_usd: Decimal | None
    capacity: FleetCapacity | None
    max_replicas: int
    floor: int
    """Replicas that stay or come here whatever the need, as a person has set it."""
    closed: Reason | None
    """Why nothing is bought here; None when it is open."""
    current: int
    """Replicas that count now: the cluster is told to run them, and they serve or will."""
    ready: int
    """Of these, replicas that serve."""
    reclaimable: int = 0
    """Replicas that drain and can be taken back at once."""
    stuck: int = 0
    """Replicas that wait for a node in vain: they count for nothing, and stay only where nothing else is to be had."""
    is_spot: bool = False
    """Whether its nodes can be taken away."""
    risk_factor: float = 1.0
    """What a replica costs per time that it serves, over its price: interrupted ones start anew."""
    rank: int | None = None
    """Place in the order of the agreement, where pools are not chosen by price."""

    @property
    def is_counted(self) -> bool:
        """Whether price and capacity are known, so that the plan may count on it."""
        return self.hourly_usd is not None and self.capacity is not None

    @property
    def dearness(self) -> tuple[int, float, str]:
        """Order by price per request, then by price alone where the capacity is unknown, then unknown prices."""
        if self.rank is not None:
            return (0, float(self.rank), self.name)
        if self.hourly_usd is None:
            return (2, math.inf, self.name)
        if self.capacity is None:
            return (1, float(self.hourly_usd), self.name)
        return (0, float(self.hourly_usd) * self.risk_factor / self.capacity.rates[-1], self.name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demanded:
    """What a service asks of its pools."""

    service: str
    buy_rps: float
    """Replicas are bought until the fleet carries this."""
    keep_rps: float
    """Replicas are given up only while the rest carries this; infinite gives up none."""
    least: int
    most: int
    options: tuple[Option, ...]
    least_firm: int = 0
    """Of the least, replicas on pools that are not spot."""
    cut: Reason | None = None
    """The limit for which it asks for less than it wants; None when it asks for all."""
