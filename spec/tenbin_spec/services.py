"""Services: one model served with one SLO agreement."""

from __future__ import annotations

import enum
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.cost_cap import CostCap
from tenbin_spec.engines import Engine, Model
from tenbin_spec.objectives import Slo
from tenbin_spec.quantities import Frozen, Name
from tenbin_spec.workload import Workload


class Role(enum.StrEnum):
    """What a replica does: everything, or one half of a disaggregated pair."""

    SERVE = "serve"
    PREFILL = "prefill"
    DECODE = "decode"


Priority = Annotated[int, Field(strict=True, ge=1, le=100)]
"""Where money is short, a missed request counts so many times as one of a service of priority 1."""


class ReplicaRange(Frozen):
    """How many replicas a service may have over all of its pools."""

    min: Annotated[int, Field(strict=True, ge=0, le=10_000)]
    max: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    on_demand_min: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0
    """Replicas of the minimum that never run on spot pools, so that an interruption of all spot nodes leaves them."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max {self.max} is below min {self.min}: allowed is min or more")
        if self.on_demand_min > self.min:
            raise ValueError(f"on_demand_min {self.on_demand_min} is above min {self.min}: allowed is min or less")
        return self


class Service(Frozen):
    """One model, its engine, where it may run, what it promises and what it may cost."""

    model: Model
    engine: Engine
    pools: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16)]
    """Pools that its replicas may run on; preference follows price, not order."""
    replicas: ReplicaRange
    slo: Slo
    workload: Workload
    cost: CostCap | None = None
    priority: Priority = 1

    @model_validator(mode="after")
    def _names_pools_once(self) -> Self:
        repeated = sorted({pool for pool in self.pools if self.pools.count(pool) > 1})
        if repeated:
            raise ValueError(f"names a pool more than once: {', '.join(repeated)}")
        return self
