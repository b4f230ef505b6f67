"""A scenario without a stack: one service of one profile on one pool, declared as its traffic is."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from tenbin_spec import contract
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.document import Document, DocumentPlanner, DocumentPool, DocumentService, DocumentWorkload
from tenbin_spec.engines import EngineKind
from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.pools import CapacityType
from tenbin_spec.services import ReplicaRange, Role
from tenbin_spec.workload import Lengths, Rate, Workload

from tenbin_planner.backtest.scenario import Scenario

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.traces import Trace

SERVICE, POOL = "service", "pool"
WORKLOAD = contract.workload_name(SERVICE, Role.SERVE, POOL)
DEFAULT_CLASS = "default"
"""Class of requests that have none."""
WINDOW = datetime.timedelta(days=30)
PEAK_S = 60
"""The declared peak is the highest mean rate over so many seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """What a service is promised and may cost."""

    profile: EngineProfile
    hourly_usd: Decimal
    """Of one replica."""
    objectives: Mapping[str, Objective]
    """By class of the trace; the empty name is that of requests without one."""
    lead_s: int
    min_replicas: int = 1
    max_replicas: int = 64
    hourly_cap: Decimal | None = None
    """None: what all replicas cost."""
    interval_s: int = 15
    replicas_per_node: int = 1
    capacity_type: CapacityType = CapacityType.ON_DEMAND


def scenario(terms: Terms, trace: Trace, *, history: Trace | None = None, name: str = "", **more: Any) -> Scenario:
    """Return the scenario of a service on its own.

    Args:
        terms: its agreement; the declared workload is what the history shows or, without one, the trace itself.
        trace: requests.
        history: requests of the time before.
        name: of the scenario; that of the trace when empty.
        more: further fields of the scenario.

    Raises:
        pydantic.ValidationError: for numbers or names that no agreement may have.
        ValueError: for fields that do not fit together.
    """
    return Scenario(
        name=name or trace.name,
        document=_document(terms, declared(history or trace)),
        traces={SERVICE: trace},
        history={} if history is None else {SERVICE: history},
        **more,
    )


def declared(trace: Trace) -> Workload:
    """Return what a trace's owner would declare: mean rate, highest rate of a minute, mean lengths and percentiles."""
    length_s = max(trace.duration_s, 1.0)
    by_minute = np.bincount((trace.arrival_s // PEAK_S).astype(np.int64))
    expected = len(trace) / length_s
    return Workload(
        requests_per_second=Rate(expected=expected, peak=max(expected, float(by_minute.max()) / PEAK_S)),
        input_tokens=_lengths(trace.input_tokens),
        output_tokens=_lengths(trace.output_tokens),
    )


def _lengths(tokens: NDArray[np.int64]) -> Lengths:
    mean = max(1, round(float(tokens.mean())))
    return Lengths(mean=mean, p95=max(mean, math.ceil(float(np.percentile(tokens, 95)))))


def _document(terms: Terms, workload: Workload) -> Document:
    profile, accelerators = terms.profile, terms.profile.tensor_parallel
    classes = {name or DEFAULT_CLASS: objective for name, objective in sorted(terms.objectives.items())}
    cap = terms.max_replicas * terms.hourly_usd if terms.hourly_cap is None else terms.hourly_cap
    return Document(
        stack=SERVICE,
        namespace=SERVICE,
        services={
            SERVICE: DocumentService(
                model=profile.model,
                engine=EngineKind.VLLM,
                replicas=ReplicaRange(min=terms.min_replicas, max=terms.max_replicas),
                slo=Slo(window=WINDOW, classes=classes, default_class=next(iter(classes))),
                workload=workload,
                cost=None,
            )
        },
        pools={
            POOL: DocumentPool(
                instance_type=profile.accelerator,
                accelerators=accelerators * terms.replicas_per_node,
                max_nodes=math.ceil(terms.max_replicas / terms.replicas_per_node),
                lead_time_s=terms.lead_s,
                capacity_type=terms.capacity_type,
            )
        },
        workloads=(
            DocumentWorkload(
                name=WORKLOAD,
                service=SERVICE,
                role=Role.SERVE,
                pool=POOL,
                accelerators=accelerators,
                hourly_usd=terms.hourly_usd,
                max_replicas=terms.max_replicas,
                profile=profile,
            ),
        ),
        cost=CostCap(hourly_usd=cap),
        planner=DocumentPlanner(interval_s=terms.interval_s, dry_run=False),
    )
