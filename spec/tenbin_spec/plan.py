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


class StartsView(Frozen):
    """Starts of a workload that were alike, in parts: medians in seconds, None for what nobody told."""

    node: Literal["warm", "cold", "unknown"]
    """Whether the node was there when the replica was made."""
    image: Literal["warm", "cold", "unknown"]
    """Whether the image was on the node."""
    count: int
    """Starts that completed and are remembered."""
    node_s: float | None
    """From the making of the replica until it had a node."""
    image_s: float | None
    """The pull of its image."""
    container_s: float | None
    """From having a node until the engine's program ran, without the pull."""
    engine_s: float | None
    """From there until it served."""
    total_s: float | None


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
    going: int = 0
    """Of these, replicas whose node is about to go."""
    reason: ReasonView
    starts: tuple[StartsView, ...] = ()
    """What was measured of its starts, by what was there when they began."""


class EngineAttainmentView(Frozen):
    """Share of a service's requests within a class's thresholds over the last minute, by its engines' own histograms.

    An estimate for the time when no gateway is heard: of all classes together, without requests that never reached an
    engine or were refused there, and counted in no error budget.
    """

    lower: float
    upper: float
    requests: float
    """Requests that it rests on."""


class ClassView(Frozen):
    """How a request class fares; shares are over the span named, None without requests."""

    target: Share
    attainment_1m: float | None
    attainment_window: float | None
    """Since the start of the window or of the record, whichever is later."""
    budget_left: float | None
    """Share of the error budget of `attainment_window` that is left: 1 untouched, 0 spent, below 0 overspent."""
    burn_rate_1m: float | None
    requests: int
    """Requests counted in `attainment_window`."""
    ttft_p50_ms: float | None
    ttft_p99_ms: float | None
    tpot_p50_ms: float | None
    tpot_p99_ms: float | None
    engines_1m: EngineAttainmentView | None = None
    """None while a gateway is heard, and where engines do not tell."""


class ForecastView(Frozen):
    """Quantiles of the rate at one moment to come, in requests per second."""

    ahead_s: float
    p50: float
    p90: float
    p99: float


class CandidateView(Frozen):
    """A fleet that was weighed against others, over the horizon."""

    replicas: int
    hourly_usd: Usd | None
    """Price of its replicas for an hour; None where one has no known price."""
    attainment: float | None
    """Share of requests that is expected to be good, all classes together; None where no request is expected."""
    expected_misses: float
    usd: float
    """What it costs over the horizon, starts and stops included."""
    misses_usd: float
    """What its misses are worth; the fleet with the least `usd` + `misses_usd` is worth most."""
    is_partial: bool
    """Whether it was given up as too dear before all futures were played: it misses at least so many."""


class ConsideredView(Frozen):
    """What a service's fleet was chosen from."""

    horizon_s: float
    """Seconds over which futures were simulated: the lead time and a hold."""
    requests: float
    """Requests that are expected to come within it."""
    miss_usd: float
    """Price of the dearest miss."""
    candidates: tuple[CandidateView, ...]
    """By replicas."""
    chosen: int
    """Replicas of the one that is worth most, before caps and bounds."""


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
    input_tokens: float
    output_tokens: float
    """Means that are believed of prompts and answers."""
    lead_s: dict[str, float]
    """Seconds that the next start is believed to take, median, by workload."""
    forecast: tuple[ForecastView, ...]
    """Now, and until what is asked for now would serve; empty without a signal."""
    considered: ConsideredView | None
    """None where no future could be simulated."""


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
    month_usd: Usd
    """Spent in this calendar month (UTC), as far as it was watched."""
    monthly_cap_usd: Usd | None
    notes: tuple[str, ...]
    """What was noticed besides: counts that somebody else wrote, for example."""
    ignored: tuple[str, ...]
    """Numbers of the observation that cannot be used, and why."""
