"""Every expression of dashboard and alerts on a real Prometheus that scrapes a planner's own page, as it is served."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from support import addresses, planner_page, planning
from support import prometheus as real
from support.waiting import until_async
from tenbin._layout import alerts, dashboard
from tenbin._layout.monitoring import Series
from tenbin_planner import ports
from tenbin_planner.controller import http
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.controller.recorder import ClusterRecorder
from tenbin_spec import contract
from tenbin_spec.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DOCUMENT = planning.document(cost={"hourly_usd": "10.00", "monthly_usd": "4000"})
OURS = Series(matchers={"namespace": "tenbin"})
RULES = [rule for group in alerts.groups(DOCUMENT, OURS) for rule in group["rules"]]
PANELS = dashboard.model(DOCUMENT, OURS)["panels"]
QUERIES = [(panel["title"], target["legendFormat"], target["expr"]) for panel in PANELS for target in panel["targets"]]
REASON = {
    "TenbinObjectiveInfeasible": {Reason.INFEASIBLE},
    "TenbinPoolWithoutNodes": {Reason.STUCK_PENDING},
    "TenbinCostCapReached": {Reason.HOURLY_CAP, Reason.MONTHLY_CAP},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Live:
    """A Prometheus that has scraped a planner twice: in the middle of its life and at the end."""

    url: str
    at: float
    """When it scraped last, in seconds since the epoch."""
    middle: ports.Tick
    end: ports.Tick

    def ask(self, expression: str) -> list[dict[str, Any]]:
        return real.ask(self.url, expression, at=self.at)

    def value(self, expression: str) -> float:
        [found] = self.ask(expression)
        return float(found["value"][1])

    def missed(self) -> float:
        """Return the share of requests between the two that missed."""
        [(good, total), (more_good, more)] = (_judged(tick) for tick in (self.middle, self.end))
        return 1 - (more_good - good) / (more - total)


class Sight:
    """What the recorder asks of the observer."""

    engines_unread: dict[str, str] = {}  # noqa: RUF012


def _judged(tick: ports.Tick) -> tuple[int, int]:
    [seen] = tick.scene.observation.gateway.service("chat")
    return seen.cumulative.good, seen.cumulative.total


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    ticks = planner_page.ticks()
    # Late enough that counters have more than they gain: what `rate` extrapolates to then is the same for all of them.
    middle = 2 * len(ticks) // 3
    host = addresses.spare()
    target = {"targets": [f"{host}:{contract.PORT_PLANNER_HTTP}"], "labels": {"namespace": "tenbin", "pod": "planner"}}
    job = {"job_name": "planner", "honor_labels": True, "static_configs": [target]}
    with real.scraping(tmp_path_factory.mktemp("prometheus"), [job]) as url:
        at = asyncio.run(_lived(url, host, ticks[: middle + 1], ticks[middle + 1 :]))
        yield Live(url=url, at=at, middle=ticks[middle], end=ticks[-1])


async def _lived(url: str, host: str, first: Sequence[ports.Tick], then: Sequence[ports.Tick]) -> float:
    """Serve a planner until its first and its last ticks are scraped, and return when the last one was."""
    metrics = Metrics()
    clock = SteadyClock()
    recorder = ClusterRecorder(
        metrics=metrics,
        observer=Sight(),  # type: ignore[arg-type]
        documents=Documents(),
        clock=clock,
        stopwatch=clock,
    )
    runner = await http.serve(
        host,
        contract.PORT_PLANNER_HTTP,
        recorder=recorder,
        metrics=metrics,
        is_alive=lambda: True,
        is_ready=lambda: True,
    )
    try:
        scraped_at = 0.0
        for ticks in (first, then):
            for tick in ticks:
                recorder.record(tick)
            scraped_at = await until_async(functools.partial(_scraped_at, url, ticks[-1]))
        return scraped_at
    finally:
        await runner.cleanup()


def _scraped_at(url: str, tick: ports.Tick) -> float | None:
    """Return when Prometheus scraped a tick, None before."""
    name = OURS.of("last_tick_seconds")
    found = real.ask(url, f"timestamp({name} == {tick.plan.at!r})")
    return float(found[0]["value"][1]) if found else None


def series(expression: str) -> list[tuple[str, str]]:
    """Return the metrics of an expression, each with its matchers."""
    return re.findall(r"(tenbin_planner_\w+)(?:{([^}]*)})?", expression)


def test_every_series_of_an_expression_is_one_that_is_scraped(live: Live) -> None:
    expressions = [rule["expr"] for rule in RULES] + [expression for _, _, expression in QUERIES]
    asked = {found for expression in expressions for found in series(expression)}
    assert len({name for name, _ in asked}) > 10
    for name, inside in sorted(asked):
        labels = [f'{label}!=""' for label in re.findall(r"(\w+)=~?\"", inside)]
        assert live.ask(f"{name}{{{','.join(labels)}}}"), f"{name} with {labels}"


def test_every_query_of_the_dashboard_shows_something(live: Live) -> None:
    for title, legend, expression in QUERIES:
        found = live.ask(expression)
        assert found, (title, legend)
        for sample in found:
            assert all(name in sample["metric"] for name in re.findall(r"{{(\w+)}}", legend)), (title, legend)
            assert not math.isnan(float(sample["value"][1])), (title, legend)


def test_the_dashboard_shows_what_the_plan_says(live: Live) -> None:
    shown = {(title, legend): expression for title, legend, expression in QUERIES}
    plan = live.end.plan
    assert live.value(shown["USD per hour, and cap", "plan"]) == float(plan.hourly_usd)
    assert live.value(shown["USD this month (UTC)", "spent"]) == pytest.approx(float(plan.month_usd))
    wanted = {
        sample["metric"]["pool"]: float(sample["value"][1])
        for sample in live.ask(shown["Replicas by pool", "{{service}} {{pool}} wanted"])
    }
    assert wanted == {item.pool: float(item.wanted) for item in plan.workloads}
    reasons = {sample["metric"]["reason"] for sample in live.ask(shown["Reasons", "{{service}} {{reason}}"])}
    assert reasons >= {str(because.reason) for because in plan.services[0].because}
    attained = live.value(shown["Attainment over 5 min, and target", "{{service}} {{class}}"])
    assert attained == pytest.approx(1 - live.missed(), abs=0.01)


def test_every_alert_says_what_is_so(live: Live) -> None:
    reasons = {because.reason for service in live.end.plan.services for because in service.because}
    budget = float(DOCUMENT.services["chat"].slo.classes["interactive"].error_budget)
    burned, factors = live.missed() / budget, set[float]()
    for rule in RULES:
        found, name = live.ask(rule["expr"]), rule["alert"]
        if name in REASON:
            assert bool(found) is bool(REASON[name] & reasons), name
        elif name == "TenbinErrorBudgetBurn":
            factor = float(rule["expr"].rpartition("> ")[2])
            factors.add(factor)
            assert bool(found) is (burned > factor), rule["labels"]
            assert not found or float(found[0]["value"][1]) == pytest.approx(burned, rel=0.01)
        elif name == "TenbinPlannerStandsStill":
            assert found, "a planner of virtual time decided last in 1970"
        else:
            assert found == [], name
    assert min(factors) < burned < max(factors), "one budget alert fires, and one does not"
