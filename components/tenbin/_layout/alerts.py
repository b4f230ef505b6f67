"""Alerts of a stack as Prometheus rules: error budgets that burn, and what keeps the planner from holding objectives.

Budget alerts are those of the Google SRE workbook, chapter 5, "multiwindow, multi-burn-rate": an alert fires while the
error budget burns faster than a factor over a long window and over a short one, a twelfth of it, which lets the alert
clear soon after the end. A class has three of them, fewer where its window is short.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec.document import Document
from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.quantities import window_text
from tenbin_spec.reasons import Reason

from tenbin._layout.manifests import Json
from tenbin._layout.monitoring import Series

CRITICAL = "critical"
"""Somebody should look now."""
WARNING = "warning"
"""Somebody should look in working hours."""

FORECAST_SHARE = 0.1
"""Share of rates above the quantile that `forecasts_exceeded_total` counts against, where forecasts are right."""

_SPENT = ((Decimal("0.02"), 720, CRITICAL), (Decimal("0.05"), 120, CRITICAL), (Decimal("0.10"), 10, WARNING))
"""Of each alert: the share of the budget that is spent when it fires, how many of its long windows fill the objective's
window, and its severity. For 30 days these are 1 h, 6 h and 3 days, at 14.4, 6 and 1 times the even pace."""
_LEAST_LONG_MINUTES = 10
_LEAST_SHORT_MINUTES = 2
"""Shorter windows hold too few scrapes for a rate."""
_MOST_MISSED = Decimal("0.9")
"""A share of missed requests that always counts as too fast: with a budget of 10 % all requests may miss and burn it at
no more than 10 times the even pace."""
_STANDSTILL_S = 120
_FORECAST_WINDOW = "6h"
_MOST_FORECAST_SHARE = 0.3
"""Three times as often as forecasted: neighbouring rates miss together, so that less may be chance."""
_LEAST_STUCK_MINUTES = 10
_LEAD_TIMES = 3
"""A replica that needs so many lead times is stuck."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BurnWindows:
    """The two windows of a budget alert."""

    long: str
    """As PromQL writes it."""
    short: str
    factor: Decimal
    """Times the even pace, above which the alert fires."""
    severity: str


def burn_windows(slo_window: datetime.timedelta, objective: Objective) -> tuple[BurnWindows, ...]:
    """Return the windows of a class's budget alerts, shortest first.

    factor = share of the budget x objective's window / long window, for windows of whole minutes. A window that would
    be too short to measure is lengthened, which lowers its factor; pairs that then coincide are one. No factor lies
    below 1, the even pace.

    >>> from tenbin_spec.objectives import Objective
    >>> month = burn_windows(datetime.timedelta(days=30), Objective(target="0.99", ttft_ms=1000))
    >>> [(item.long, item.short, str(item.factor), item.severity) for item in month]
    [('1h', '5m', '14.4', 'critical'), ('6h', '30m', '6', 'critical'), ('3d', '6h', '1', 'warning')]
    """
    total = math.ceil(slo_window.total_seconds() / 60)
    found: dict[int, BurnWindows] = {}
    for share, parts, severity in _SPENT:
        long = min(max(math.ceil(total / parts), _LEAST_LONG_MINUTES), total)
        short = min(max(math.ceil(long / 12), _LEAST_SHORT_MINUTES), long)
        most = max(_MOST_MISSED / objective.error_budget, Decimal(1))
        factor = min(max(share * total / long, Decimal(1)), most)
        found.setdefault(
            long,
            BurnWindows(long=_minutes(long), short=_minutes(short), factor=_rounded(factor), severity=severity),
        )
    return tuple(found.values())


def missed_share(series: Series, service: str, class_name: str, window: str) -> str:
    """Return the share of a class's requests that missed its objective; without requests it is no number."""
    labels = {"service": service, "class": class_name}
    good, judged = (
        f"sum by (service, class) (rate({series.of(name, labels=labels)}[{window}]))"
        for name in ("good_requests_total", "judged_requests_total")
    )
    return f"(1 - {good} / {judged})"


def burn_rate(series: Series, service: str, class_name: str, window: str, objective: Objective) -> str:
    """Return how fast a class's error budget is spent: missed share / error budget."""
    return f"{missed_share(series, service, class_name, window)} / {objective.error_budget}"


def groups(document: Document, series: Series) -> list[Json]:
    """Return the groups of a Prometheus rule file.

    Args:
        document: the agreement.
        series: how this stack's series are told from others.
    """
    objectives = [
        rule
        for service, item in document.services.items()
        for rule in _budget_rules(series, document.stack, service, item.slo)
    ]
    return [
        {"name": "tenbin-objectives", "rules": objectives},
        {"name": "tenbin-planner", "rules": [*_planner_rules(document, series), *_stuck_rules(document, series)]},
    ]


def standstill_s(document: Document) -> int:
    """Return the age of the last decision, in seconds, from which on the planner stands still."""
    return max(_STANDSTILL_S, 3 * document.planner.interval_s)


def _budget_rules(series: Series, stack: str, service: str, slo: Slo) -> Iterator[Json]:
    for class_name, objective in slo.classes.items():
        for pair in burn_windows(slo.window, objective):
            long, short = (
                f"{burn_rate(series, service, class_name, window, objective)} > {pair.factor}"
                for window in (pair.long, pair.short)
            )
            yield _rule(
                "TenbinErrorBudgetBurn",
                stack,
                f"{long} and {short}",
                severity=pair.severity,
                summary=f"{service}: {class_name} requests miss their objective too often",
                description=(
                    f"Over {pair.long} the error budget of {class_name} requests burned at {{{{ $value | humanize }}}}"
                    f" times the even pace; the limit is {pair.factor}. Target: {objective.target} over"
                    f" {window_text(slo.window)}."
                ),
                runbook=(
                    "Look at the reasons of this service in the planner's /plan: a cap, a full pool or stuck replicas"
                    " name what is missing; without such a reason look at the engines' latency."
                ),
                service=service,
                **{"class": class_name, "window": pair.long},
            )


def _planner_rules(document: Document, series: Series) -> Iterator[Json]:
    stack = document.stack
    caps = f"{Reason.HOURLY_CAP}|{Reason.MONTHLY_CAP}"
    yield _rule(
        "TenbinCostCapReached",
        stack,
        f"max by (service, reason) ({series.of('reason_info', like={'reason': caps})}) == 1",
        pending="5m",
        severity=WARNING,
        summary="{{ $labels.service }}: the cost cap keeps it from the replicas that it needs",
        description=(
            "{{ $labels.service }} has the reason {{ $labels.reason }} (tenbin_planner_reason_info is {{ $value }}), so"
            " fewer replicas run than it needs."
        ),
        runbook="Raise the cap, lower the objective, or accept the misses; /plan names the nearest feasible objective.",
    )
    yield _rule(
        "TenbinObjectiveInfeasible",
        stack,
        f"max by (service) ({series.of('reason_info', labels={'reason': Reason.INFEASIBLE})}) == 1",
        pending="5m",
        severity=WARNING,
        summary="{{ $labels.service }}: no number of replicas meets the objective",
        description=(
            "{{ $labels.service }} has the reason infeasible (tenbin_planner_reason_info is {{ $value }}): even one"
            " empty replica misses the objective."
        ),
        runbook="Loosen the thresholds that /plan names, or move the service to a faster accelerator.",
    )
    yield _rule(
        "TenbinPlannerBlind",
        stack,
        f"min({series.of('gateway_blind')}) == 1",
        pending="2m",
        severity=CRITICAL,
        summary="The planner hears no gateway",
        description="tenbin_planner_gateway_blind is {{ $value }}: without a signal the planner keeps what runs.",
        runbook=(
            "Check that the gateway runs and reaches the planner's access log port; meanwhile"
            " tenbin_planner_engine_attainment_ratio estimates attainment."
        ),
    )
    yield _rule(
        "TenbinPlannerAbsent",
        stack,
        f"absent({series.of('last_tick_seconds')})",
        pending="5m",
        severity=CRITICAL,
        summary="There is no planner",
        description="No planner has been scraped for 5 minutes (absent() is {{ $value }}): nothing is known to scale.",
        runbook="Check the planner's pod, and that monitoring may reach its metrics port.",
    )
    limit = standstill_s(document)
    yield _rule(
        "TenbinPlannerStandsStill",
        stack,
        f"time() - max({series.of('last_tick_seconds')}) > {limit}",
        pending="1m",
        severity=CRITICAL,
        summary="The planner decides nothing",
        description=f"The last decision is {{{{ $value | humanizeDuration }}}} old; {limit} s are the limit.",
        runbook="The planner's log and tenbin_planner_step_failures_total name the step that fails.",
    )
    exceeded, due = (
        f"sum by (service) (increase({series.of(name)}[{_FORECAST_WINDOW}]))"
        for name in ("forecasts_exceeded_total", "forecasts_due_total")
    )
    # Ticks of an hour: neighbouring forecasts come true or not together, so that a few of them say little.
    enough = 3600 // document.planner.interval_s
    yield _rule(
        "TenbinForecastOff",
        stack,
        f"{exceeded} / {due} > {_MOST_FORECAST_SHARE} and {due} > {enough}",
        pending="30m",
        severity=WARNING,
        summary="{{ $labels.service }}: demand exceeds the forecast too often",
        description=(
            f"Over {_FORECAST_WINDOW} {{{{ $value | humanizePercentage }}}} of the rates lay above the forecast's 90 %"
            f" quantile; {FORECAST_SHARE:.0%} should."
        ),
        runbook="Compare the dashboard's forecast with its rate; raise the service's minimum while demand is unusual.",
    )


def _stuck_rules(document: Document, series: Series) -> Iterator[Json]:
    for pool in sorted({item.pool for item in document.workloads}):
        starting, ready = (
            series.of("replicas", labels={"pool": pool, "phase": phase}) for phase in ("starting", "ready")
        )
        minutes = max(_LEAST_STUCK_MINUTES, math.ceil(_LEAD_TIMES * document.pools[pool].lead_time_s / 60))
        yield _rule(
            "TenbinReplicasStuck",
            document.stack,
            f"sum by (service, pool) (max by (service, pool, workload) ({starting})) > 0"
            # Where replicas become ready all the time, new ones are always starting.
            f" unless sum by (service, pool) (changes({ready}[5m])) > 0",
            pending=_minutes(minutes),
            severity=WARNING,
            summary="{{ $labels.service }}: replicas on {{ $labels.pool }} do not become ready",
            description=f"{{{{ $value }}}} replicas have been starting for {_minutes(minutes)}, and none became ready.",
            runbook="Describe the pods: a node that does not come, an image, weights or memory is the usual cause.",
            pool=pool,
        )
    yield _rule(
        "TenbinPoolWithoutNodes",
        document.stack,
        f"max by (service) ({series.of('reason_info', labels={'reason': Reason.STUCK_PENDING})}) == 1",
        pending="5m",
        severity=WARNING,
        summary="{{ $labels.service }}: a pool gives no nodes",
        description=(
            "{{ $labels.service }} has the reason stuck-pending (tenbin_planner_reason_info is {{ $value }}): replicas"
            " wait for a node in vain."
        ),
        runbook="The planner tries another pool by itself; check quota and capacity of the pool that /plan names.",
    )
    yield _rule(
        "TenbinWorkloadNotScalable",
        document.stack,
        # The plan's count of it, which may be 0; the series is there while the reason holds.
        f"max by (service, pool) ({series.of('replicas_wanted', labels={'reason': Reason.NOT_SCALABLE})}) >= 0",
        pending="5m",
        severity=WARNING,
        summary="{{ $labels.service }}: its workload on {{ $labels.pool }} cannot be scaled",
        description=(
            "The planner cannot tell what {{ $labels.service }} runs on {{ $labels.pool }}, or change it: the reason is"
            " not-scalable, and {{ $value }} replicas are counted on there."
        ),
        runbook=(
            "/plan names the object and why: it is missing, the planner may not read or scale it, or it did not take"
            " its count. Replicas that run there go on, and their rent is not counted."
        ),
    )


def _rule(
    alert: str,
    stack: str,
    expression: str,
    *,
    severity: str,
    summary: str,
    description: str,
    runbook: str,
    pending: str | None = None,
    **labels: str,
) -> Json:
    """Return a rule; `labels` are further ones, which tell it from others of the same name."""
    return {
        "alert": alert,
        "expr": expression,
        **({"for": pending} if pending else {}),
        "labels": {"severity": severity, "stack": stack, **labels},
        "annotations": {"summary": summary, "description": description, "runbook": runbook},
    }


def _minutes(count: int) -> str:
    return window_text(datetime.timedelta(minutes=count))


def _rounded(factor: Decimal) -> Decimal:
    """Return a factor with three digits after the point at most, written without exponent."""
    found = factor.quantize(Decimal("0.001")).normalize()
    return found.quantize(Decimal(1)) if found == found.to_integral() else found
