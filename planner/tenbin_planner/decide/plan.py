"""What the planner wants, each number with its reason."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.reasons import Reason
    from tenbin_spec.services import Role

    from tenbin_planner.decide.observation import Warmth


@dataclasses.dataclass(frozen=True, kw_only=True)
class Because:
    """A reason, with its numbers in words."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredStarts:
    """Starts of a workload that were alike, in parts: medians in seconds, None for what nobody told."""

    node: Warmth
    image: Warmth
    count: int
    """Starts that completed and are remembered."""
    node_s: float | None
    image_s: float | None
    container_s: float | None
    engine_s: float | None
    total_s: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedWorkload:
    """Replicas of a service's role on one pool."""

    name: str
    service: str
    role: Role
    pool: str
    hourly_usd: Decimal | None
    """Price of one replica for an hour; None when unknown."""
    wanted: int
    because: Because
    starts: tuple[MeasuredStarts, ...] = ()
    """What was measured of its starts, by what was there when they began."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastPoint:
    """Quantiles of the rate at one moment to come, in requests per second."""

    ahead_s: float
    p50_rps: float
    p90_rps: float
    p99_rps: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fleet that was weighed against others."""

    replicas: int
    hourly_usd: Decimal | None
    """Price of its replicas for an hour; None where one has no known price."""
    usd: float
    """What it costs over the horizon, starts and stops included."""
    misses: float
    """Requests that are expected to miss over the horizon."""
    misses_usd: float
    """What these are worth."""
    is_partial: bool
    """Whether it was given up as too dear before all futures were played: it misses at least so many."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Considered:
    """What a service's fleet was chosen from."""

    horizon_s: float
    """Seconds over which futures were simulated: the lead time and a hold."""
    requests: float
    """Requests that are expected to come within it."""
    miss_usd: float
    """Price of the dearest miss."""
    candidates: tuple[Candidate, ...]
    """By replicas."""
    chosen: int
    """Replicas of the one that is worth most, before caps and bounds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedService:
    """A service's demand, what it needs and what it gets."""

    name: str
    requests_per_second: float | None
    """Level of the arrivals now; None without a signal."""
    forecast_requests_per_second: float | None
    """At now plus lead time, the quantile that is planned for."""
    in_flight: int | None
    waiting: int | None
    """Requests that wait in engines; None when no engine said so."""
    replica_requests_per_second: float | None
    """What one replica does within the objectives in a fleet of this size; None while unknown."""
    needed: int
    """Replicas that the forecast needs, before limits."""
    planned: int
    because: tuple[Because, ...]
    """Main reason first."""
    input_tokens: float
    output_tokens: float
    """Means that are believed of prompts and answers."""
    lead_s: Mapping[str, float]
    """Seconds that the next start is believed to take, median, by workload."""
    forecast: tuple[ForecastPoint, ...]
    """Now, and until what is asked for now would serve; empty without a signal."""
    considered: Considered | None
    """None where no future could be simulated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ignored:
    """A number of the observation that cannot be used."""

    where: str
    value: str
    why: str

    def __str__(self) -> str:
        return f"{self.where} is {self.value}: {self.why}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one moment."""

    at: float
    """Seconds of the planner's clock."""
    services: tuple[PlannedService, ...]
    """By name."""
    workloads: tuple[PlannedWorkload, ...]
    """By service, then as the document has them."""
    hourly_usd: Decimal
    """Price of the wanted replicas for an hour."""
    hourly_cap_usd: Decimal
    month_usd: Decimal
    """Spent in this calendar month (UTC), as far as it was watched."""
    monthly_cap_usd: Decimal | None
    notes: tuple[str, ...]
    """What was noticed besides: counts that somebody else wrote, for example."""
    ignored: tuple[Ignored, ...]

    def wanted(self) -> dict[str, int]:
        """Return the wanted replicas by workload."""
        return {workload.name: workload.wanted for workload in self.workloads}
