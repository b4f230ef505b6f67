"""Pools: nodes of one instance type and one capacity type."""

from __future__ import annotations

import enum
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Day, Frozen, Seconds, Text, Usd


class CapacityType(enum.StrEnum):
    """How a pool's nodes are bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVATION = "reservation"
    CAPACITY_BLOCK = "capacity-block"


InstanceType = Annotated[str, Text(r"[a-z0-9-]+\.[a-z0-9-]+", "an instance type", "g6.xlarge")]

DEFAULT_LEAD_TIME_S = 300
"""From asking for a replica until it serves: a new node, image and weights of an 8B model.

About 5 minutes for a new Karpenter node with a large image against about 1 minute on a warm one (vendor blogs and
forum reports of 2026, few and heterogeneous): a prior that the planner replaces by what it measures.
"""


class NodeRange(Frozen):
    """How many nodes a pool may have."""

    min: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0
    max: Annotated[int, Field(strict=True, ge=1, le=10_000)]

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}: allowed is min or more")
        return self


class Pool(Frozen):
    """Nodes of one instance type and one capacity type in a zone set."""

    instance_type: InstanceType
    """Instance type from the catalogue; it decides accelerator, memory and, unless overridden, price."""
    capacity_type: CapacityType = CapacityType.ON_DEMAND
    nodes: NodeRange
    region: Annotated[str, Text("[a-z]{2}-[a-z0-9-]{1,30}", "a region", "us-east-1")] = "us-east-1"
    """Region whose price counts."""
    zones: tuple[str, ...] = ()
    """Zones of the nodes; the cluster's own choice when empty."""
    hourly_usd: Usd | None = None
    """Price of one node for an hour; overrides price file and catalogue, and is needed where both have none."""
    priced_on: Day | None = None
    """Day of the price in `hourly_usd`, so that its age can be judged."""
    lead_time_s: Seconds | None = None
    """Prior for the time from asking for a replica until it serves, in seconds."""

    @model_validator(mode="after")
    def _has_the_price_that_is_dated(self) -> Self:
        if self.priced_on is not None and self.hourly_usd is None:
            raise ValueError(f"priced_on {self.priced_on} is the day of hourly_usd, which is missing")
        return self

    @property
    def lead_time_prior_s(self) -> int:
        """Lead time to plan with until one has been measured, in seconds."""
        return DEFAULT_LEAD_TIME_S if self.lead_time_s is None else self.lead_time_s
