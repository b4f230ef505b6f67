"""The planner's own metrics: units, counts that are kept elsewhere, and forecasts held against what came."""

from __future__ import annotations

import dataclasses
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import planner_page, planning
from support.planning import NOW, SPOT, replica, workload
from tenbin_planner import ports
from tenbin_planner.controller.metrics import Forecasts, Metrics
from tenbin_planner.decide import decide, memory
from tenbin_planner.decide.observation import Phase, ReplicaState, StartParts, Warmth
from tenbin_planner.decide.plan import ForecastPoint, PlannedService
from tenbin_planner.picker import metrics as picker

UNITS = re.compile(
    r"seconds|USD|US dollars|per second|[Ss]hare|[Rr]eplicas|[Rr]equests|[Ff]orecasts|[Ee]ngines|Numbers|Steps|Orders"
    r"|Gateways|Lists|Times|Unix time|\b1\b"
)
"""What a value can be counted in; `1` where it is a yes."""


def service(rate: float | None, *forecast: ForecastPoint) -> PlannedService:
    return PlannedService(
        name="chat",
        requests_per_second=rate,
        forecast_requests_per_second=rate,
        in_flight=0,
        waiting=0,
        replica_requests_per_second=None,
        needed=1,
        planned=1,
        because=(),
        input_tokens=300.0,
        output_tokens=60.0,
        lead_s={},
        forecast=forecast,
        considered=None,
    )


def point(ahead_s: float, p90_rps: float) -> ForecastPoint:
    return ForecastPoint(ahead_s=ahead_s, p50_rps=p90_rps / 2, p90_rps=p90_rps, p99_rps=2 * p90_rps)


@pytest.mark.parametrize("program", [Metrics, picker.Metrics], ids=["planner", "picker"])
def test_every_metric_has_its_unit_in_its_name_or_help(program: type[Metrics | picker.Metrics]) -> None:
    families = [
        family
        for family in text_string_to_metric_families(program().page().decode())
        if not family.name.endswith("_created")
    ]
    assert families
    for family in families:
        assert UNITS.search(f"{family.name.replace('_', ' ')} {family.documentation}"), family.name


def tick(*replicas: ReplicaState, at: float = NOW) -> ports.Tick:
    agreed = planning.document()
    seen = planning.observe(workload(SPOT, *replicas), at=at)
    plan = decide(agreed, {}, seen, memory.Memory()).plan
    scene = ports.Scene(document=agreed, document_problem=None, observation=seen)
    return ports.Tick(scene=scene, plan=plan, orders=(), done=(), is_leader=True, is_dry_run=False)


def test_the_parts_of_a_start_are_observed_once_when_it_serves() -> None:
    whole = StartParts(node=Warmth.COLD, image=Warmth.COLD, node_s=90.0, image_s=200.0, container_s=5.0, engine_s=80.0)
    partly = StartParts(node=Warmth.WARM, node_s=2.0)

    def seen(phase: Phase, at: float) -> ports.Tick:
        before = dataclasses.replace(replica("was-there"), start=whole)
        return tick(
            before,
            dataclasses.replace(replica("a", phase), start=whole),
            dataclasses.replace(replica("b", phase), start=partly),
            at=at,
        )

    metrics = Metrics()
    for phase, at in ((Phase.STARTING, NOW), (Phase.READY, NOW + 5), (Phase.READY, NOW + 10)):
        metrics.record(seen(phase, at), {})
    families = {item.name: item for item in text_string_to_metric_families(metrics.page().decode())}
    found = {
        (item.labels["pool"], item.labels["part"], item.labels["node"], item.labels["image"]): item.value
        for item in families["tenbin_planner_lead_time_seconds"].samples
        if item.name.endswith("_sum")
    }
    assert found == {
        ("l4-spot", "node", "cold", "cold"): 90.0,
        ("l4-spot", "image", "cold", "cold"): 200.0,
        ("l4-spot", "container", "cold", "cold"): 5.0,
        ("l4-spot", "engine", "cold", "cold"): 80.0,
        ("l4-spot", "total", "cold", "cold"): 375.0,
        ("l4-spot", "node", "warm", "unknown"): 2.0,
    }
    expected = families["tenbin_planner_expected_lead_time_seconds"].samples
    assert {item.labels["pool"] for item in expected} == {"l4-spot", "l4"}
    assert all(item.value == pytest.approx(planning.LEAD_S, rel=0.05) for item in expected)


def test_requests_are_counters_with_what_the_gateway_counted() -> None:
    families = {item.name: item for item in text_string_to_metric_families(planner_page.text())}
    judged, good = (families[f"tenbin_planner_{name}_requests"] for name in ("judged", "good"))
    assert (judged.type, good.type) == ("counter", "counter")
    [of_judged], [of_good] = judged.samples, good.samples
    assert of_judged.labels == of_good.labels == {"service": "chat", "class": "interactive"}
    assert 0 < of_good.value <= of_judged.value


def test_money_of_the_month_is_what_the_plan_says() -> None:
    found = {sample.name: sample.value for sample in planner_page.samples()}
    assert found["tenbin_planner_month_usd"] > 0
    assert found["tenbin_planner_cap_hourly_usd"] == float(planning.document().cost.hourly_usd)


def test_a_running_planner_holds_its_forecasts_against_what_came() -> None:
    found = {sample.name: sample.value for sample in planner_page.samples()}
    assert found["tenbin_planner_forecasts_due_total"] > 0
    assert 0 <= found["tenbin_planner_forecasts_exceeded_total"] <= found["tenbin_planner_forecasts_due_total"]


def test_a_forecast_is_judged_once_when_its_moment_comes() -> None:
    forecasts = Forecasts()
    assert forecasts.judge(service(1.0, point(0, 1.0), point(20, 5.0)), at=100.0) == (0, 0)
    assert forecasts.judge(service(9.0), at=119.0) == (0, 0)
    assert forecasts.judge(service(9.0), at=121.0) == (1, 1)
    assert forecasts.judge(service(9.0), at=122.0) == (0, 0)


@pytest.mark.parametrize(("rate", "exceeded"), [(4.9, 0), (5.0, 0), (5.1, 1)])
def test_a_rate_up_to_the_quantile_is_within_the_forecast(rate: float, exceeded: int) -> None:
    forecasts = Forecasts()
    forecasts.judge(service(1.0, point(20, 5.0)), at=100.0)
    assert forecasts.judge(service(rate), at=120.0) == (1, exceeded)


def test_without_a_signal_nothing_is_judged() -> None:
    forecasts = Forecasts()
    forecasts.judge(service(1.0, point(20, 5.0)), at=100.0)
    assert forecasts.judge(service(None), at=120.0) == (0, 0)
    assert forecasts.judge(service(9.0), at=125.0) == (0, 0)


def test_a_moment_long_past_is_not_judged_by_the_rate_of_today() -> None:
    forecasts = Forecasts()
    forecasts.judge(service(1.0, point(20, 5.0)), at=100.0)
    assert forecasts.judge(service(9.0), at=500.0) == (0, 0)


def test_services_do_not_answer_for_each_other() -> None:
    forecasts = Forecasts()
    forecasts.judge(service(1.0, point(20, 5.0)), at=100.0)
    assert forecasts.judge(dataclasses.replace(service(9.0), name="code"), at=120.0) == (0, 0)
