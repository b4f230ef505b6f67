"""What is shown of a tick: under `/plan`, and of each tick of a back-test."""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING

from tenbin_spec.objectives import budget_left, burn_rate
from tenbin_spec.plan import (
    CandidateView,
    ClassView,
    ConsideredView,
    EngineAttainmentView,
    ForecastView,
    PlanView,
    ReasonView,
    ServiceView,
    StartsView,
    WorkloadView,
)

from tenbin_planner.decide.observation import Phase, WorkloadState

if TYPE_CHECKING:
    from tenbin_planner import ports
    from tenbin_planner.decide.plan import Because, Considered, PlannedService, PlannedWorkload
    from tenbin_planner.demand import Quantiles


def view(tick: ports.Tick) -> PlanView:
    """Return the plan of a tick for people and programs."""
    scene, plan = tick.scene, tick.plan
    return PlanView(
        stack=scene.document.stack,
        at=datetime.datetime.fromtimestamp(plan.at, tz=datetime.UTC),
        leader=tick.is_leader,
        dry_run=tick.is_dry_run,
        document_revision=scene.document.revision,
        document_problem=scene.document_problem,
        findings=scene.document.findings,
        services=tuple(_service(tick, service) for service in plan.services),
        workloads=tuple(_workload(tick, workload) for workload in plan.workloads),
        hourly_usd=plan.hourly_usd,
        hourly_cap_usd=plan.hourly_cap_usd,
        month_usd=plan.month_usd,
        monthly_cap_usd=plan.monthly_cap_usd,
        notes=plan.notes,
        ignored=tuple(str(item) for item in plan.ignored),
    )


def _service(tick: ports.Tick, service: PlannedService) -> ServiceView:
    return ServiceView(
        name=service.name,
        requests_per_second=service.requests_per_second,
        forecast_requests_per_second=service.forecast_requests_per_second,
        in_flight=service.in_flight,
        waiting=service.waiting,
        replica_requests_per_second=service.replica_requests_per_second,
        needed=service.needed,
        planned=service.planned,
        classes=_classes(tick, service.name),
        reasons=tuple(_reason(because) for because in service.because),
        input_tokens=service.input_tokens,
        output_tokens=service.output_tokens,
        lead_s=dict(service.lead_s),
        forecast=tuple(
            ForecastView(ahead_s=item.ahead_s, p50=item.p50_rps, p90=item.p90_rps, p99=item.p99_rps)
            for item in service.forecast
        ),
        considered=None if service.considered is None else _considered(service.considered),
    )


def _considered(found: Considered) -> ConsideredView:
    return ConsideredView(
        horizon_s=found.horizon_s,
        requests=found.requests,
        miss_usd=found.miss_usd,
        candidates=tuple(
            CandidateView(
                replicas=item.replicas,
                hourly_usd=item.hourly_usd,
                attainment=1 - min(item.misses / found.requests, 1.0) if found.requests > 0 else None,
                expected_misses=item.misses,
                usd=item.usd,
                misses_usd=item.misses_usd,
                is_partial=item.is_partial,
            )
            for item in found.candidates
        ),
        chosen=found.chosen,
    )


def _classes(tick: ports.Tick, service: str) -> dict[str, ClassView]:
    objectives = tick.scene.document.services[service].slo.classes
    views = {}
    for seen in tick.scene.observation.gateway.service(service):
        objective = objectives.get(seen.class_name)
        if objective is None:
            continue
        minute = seen.last_minute
        views[seen.class_name] = ClassView(
            target=objective.target,
            attainment_1m=minute.share,
            attainment_window=seen.cumulative.share,
            budget_left=budget_left(good=seen.cumulative.good, total=seen.cumulative.total, objective=objective),
            burn_rate_1m=burn_rate(good=minute.good, total=minute.total, objective=objective),
            requests=seen.cumulative.total,
            ttft_p50_ms=_p50(seen.ttft_ms),
            ttft_p99_ms=_p99(seen.ttft_ms),
            tpot_p50_ms=_p50(seen.tpot_ms),
            tpot_p99_ms=_p99(seen.tpot_ms),
            engines_1m=_engines(tick.scene.estimates.get((service, seen.class_name))),
        )
    return views


def _engines(estimate: ports.EngineAttainment | None) -> EngineAttainmentView | None:
    if estimate is None:
        return None
    return EngineAttainmentView(lower=estimate.lower, upper=estimate.upper, requests=estimate.requests)


def _workload(tick: ports.Tick, workload: PlannedWorkload) -> WorkloadView:
    empty = WorkloadState(name=workload.name, wanted=0, replicas=())
    state = tick.scene.observation.workloads.get(workload.name, empty)
    return WorkloadView(
        name=workload.name,
        service=workload.service,
        role=workload.role,
        pool=workload.pool,
        hourly_usd=workload.hourly_usd,
        wanted=workload.wanted,
        ready=state.count(Phase.READY),
        starting=state.count(Phase.STARTING),
        draining=state.count(Phase.DRAINING, Phase.TERMINATING),
        going=len(state.going),
        reason=_reason(workload.because),
        starts=tuple(StartsView(**dataclasses.asdict(item)) for item in workload.starts),
    )


def _reason(because: Because) -> ReasonView:
    return ReasonView(code=because.reason, detail=because.detail)


def _p50(quantiles: Quantiles | None) -> float | None:
    return None if quantiles is None else quantiles.p50


def _p99(quantiles: Quantiles | None) -> float | None:
    return None if quantiles is None else quantiles.p99
