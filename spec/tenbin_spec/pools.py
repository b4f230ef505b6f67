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


class Backend(enum.StrEnum):
    """Who makes a pool's nodes, on a cluster that the stack builds."""

    MANAGED = "managed"
    """A managed node group of EKS."""
    KARPENTER = "karpenter"
    """A NodePool of Karpenter with its node class: nodes come with the pods that need them and go when empty."""


class PlacementStrategy(enum.StrEnum):
    """Whether a pool's nodes lie close together; a choice of its own, whatever the network and the way of buying."""

    NONE = "none"
    CLUSTER = "cluster"
    """In a placement group that the pool makes."""
    EXISTING = "existing"
    """In a placement group that exists, as a reservation may have been made in."""


class LocalStorage(enum.StrEnum):
    """What a node does with the NVMe disks of its instance type."""

    RAID0 = "raid0"
    """One volume over all of them, for images and the caches of engines."""
    NONE = "none"


InstanceType = Annotated[str, Text(r"[a-z0-9-]+\.[a-z0-9-]+", "an instance type", "g6.xlarge")]

_Reservation = Annotated[str, Text("cr-[0-9a-f]{8,17}", "the id of a capacity reservation", "cr-0123456789abcdef0")]
_RELEASE = r"\d+\.\d+\.\d+-\d{8}|v\d{8}"

DEFAULT_LEAD_TIME_S = 300
"""From asking for a replica until it serves: a new node, image and weights of an 8B model.

About 5 minutes for a new Karpenter node with a large image against about 1 minute on a warm one (vendor blogs and
forum reports of 2026, few and heterogeneous): a prior that the planner replaces by what it measures. Of that, vLLM 0.23
with an 8B model on an H200 takes 88 to 105 s from its process to its first answer, or 72 s with a warm compile cache
(measured 2026-11-23), and reading 15 GiB of weights 14 to 48 s more (benchmarks of runai-model-streamer, 2026).
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
    """Zones of the nodes; the cluster's own choice when empty. EFA, placement and capacity blocks need exactly one."""
    hourly_usd: Usd | None = None
    """Price of one node for an hour; overrides price file and catalogue, and is needed where both have none."""
    priced_on: Day | None = None
    """Day of the price in `hourly_usd`, so that its age can be judged."""
    lead_time_s: Seconds | None = None
    """Prior for the time from asking for a replica until it serves, in seconds."""
    backend: Backend = Backend.MANAGED
    """Who makes the nodes, on a cluster of kind `eks`; on an existing one somebody else does."""
    capacity_reservation: _Reservation | None = None
    """Id of the reservation or capacity block that the nodes are taken from."""
    efa: Annotated[bool, Field(strict=True)] = False
    """Whether the nodes have Elastic Fabric Adapters, for replicas that span nodes."""
    placement: PlacementStrategy = PlacementStrategy.NONE
    """Whether the nodes lie close together."""
    placement_group: Annotated[str, Text(r"[!-~]{1,255}", "the name of a placement group", "h200-training")] | None = (
        None
    )
    """Name of the group of `placement: existing`."""
    nvme: LocalStorage = LocalStorage.RAID0
    """What the nodes do with their NVMe disks."""
    volume_gb: Annotated[int, Field(strict=True, ge=50, le=16_384)] = 200
    """Size of a node's root volume in GiB; images of engines take 20 and more."""
    ami_release: Annotated[str, Text(_RELEASE, "a release of the EKS images", "1.35.2-20260714")] | None = None
    """Release of the machine image: `1.35.2-20260714` of a managed group, `v20260714` of Karpenter; the newest when
    absent."""

    @model_validator(mode="after")
    def _has_the_price_that_is_dated(self) -> Self:
        if self.priced_on is not None and self.hourly_usd is None:
            raise ValueError(f"priced_on {self.priced_on} is the day of hourly_usd, which is missing")
        return self

    @property
    def lead_time_prior_s(self) -> int:
        """Lead time to plan with until one has been measured, in seconds."""
        return DEFAULT_LEAD_TIME_S if self.lead_time_s is None else self.lead_time_s
