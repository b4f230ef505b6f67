"""What the planner serves under `/plan`: the current plan with its reasons, for people, `tenbin` and reports."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

from tenbin_spec.quantities import Frozen, Share, Usd
from tenbin_spec.reasons import Reason
from tenbin_spec.services import Role

Moment = Annotated[datetime.datetime, Field(strict=False)]


class ReasonView(Frozen):
    """A reason with its numbers in words."""

    code: Reason
    detail: str


class WorkloadView(Frozen):
    """Replicas of a service's role on one pool."""

    name: str
    service: str
    role: Role
    pool: str
    hourly_usd: Usd | None
    """Price of one replica for an hour; None when unknown."""
    wanted: int
    """Replicas that the plan wants."""
    ready: int
    starting: int
    draining: int
    reason: ReasonView


class ClassView(Frozen):
    """How a request class fares; shares are over the span named, None without requests."""

    target: Share
    attainment_1m: float | None
    attainment_window: float | None
    """Since the start of the window or of the record, whichever is later."""
    burn_rate_1m: float | None
    requests: int
    """Requests counted in `attainment_window`."""
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    tpot_p50_ms: float | None
    tpot_p99_ms: float | None


class ServiceView(Frozen):
    """Demand and capacity of a service."""

    name: str
    requests_per_second: float | None
    """Observed at the gateway; None without a signal."""
    forecast_requests_per_second: float | None
    """At now plus lead time, the quantile that is planned for."""
    in_flight: int | None
    waiting: int | None
    replica_requests_per_second: float | None
    """What one replica can do within the objectives."""
    needed: int
    """Replicas that the forecast needs, before limits."""
    planned: int
    classes: dict[str, ClassView]
    reasons: tuple[ReasonView, ...]
    """Main reason first."""


class PlanView(Frozen):
    """The plan in force."""

    version: Literal[1] = 1
    stack: str
    at: Moment
    leader: bool
    dry_run: bool
    document_revision: str
    """Identifies the wire document in force."""
    document_problem: str | None
    """Why a newer document was refused, if one was."""
    findings: tuple[str, ...]
    services: tuple[ServiceView, ...]
    workloads: tuple[WorkloadView, ...]
    hourly_usd: Usd
    """Price of the plan per hour."""
    hourly_cap_usd: Usd
