"""What the planner says of a tick: the view under /plan, metrics, logs, events."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.resources
import json
import re
from typing import Any

import httpx
import pytest
import structlog.testing
from prometheus_client.parser import text_string_to_metric_families
from support import planning
from support.planning import SPOT
from support.virtual_world import World
from tenbin_planner import plan_view, ports
from tenbin_planner.controller import events, http
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.controller.recorder import ClusterRecorder
from tenbin_planner.model import fleet
from tenbin_spec.plan import PlanView


class Sight:
    """What the recorder asks of the observer."""

    engines_unread = {"chat-serve-l4-spot-001": "TimeoutError"}  # noqa: RUF012


@pytest.fixture(scope="module")
def ticks() -> list[ports.Tick]:
    """Ninety seconds of 20 requests per second on one ready replica."""
    moments = [second / 20 for second in range(1800)]
    arrivals = fleet.Arrivals.of(moments, [300] * 1800, [60] * 1800, "interactive")
    world = World(planning.document(), arrivals, class_name="interactive", lead_s={"l4-spot": 20.0, "l4": 20.0})
    world.start({SPOT: 1})
    world.run(90, world.new_loop(), interval_s=5)
    return world.ticks


def recorder(metrics: Metrics) -> ClusterRecorder:
    clock = SteadyClock()
    return ClusterRecorder(
        metrics=metrics,
        observer=Sight(),  # type: ignore[arg-type]
        documents=Documents(),
        clock=clock,
        stopwatch=clock,
    )


def test_the_view_reads_back_as_the_shared_type(ticks: list[ports.Tick]) -> None:
    found = plan_view.view(ticks[-1])
    assert PlanView.model_validate_json(found.model_dump_json()) == found
    assert found.document_revision == planning.document().revision
    [service] = found.services
    assert service.requests_per_second == pytest.approx(20, abs=1)
    assert service.planned == sum(item.wanted for item in found.workloads)
    assert set(service.classes) == {"interactive"}
    seen = service.classes["interactive"]
    assert seen.requests > 100
    assert seen.burn_rate_1m is not None
    assert seen.ttft_p99_ms is not None
    assert seen.ttft_p50_ms is not None
    assert seen.ttft_p50_ms <= seen.ttft_p99_ms


def test_metrics_say_what_the_plan_says(ticks: list[ports.Tick]) -> None:
    metrics = Metrics()
    said = recorder(metrics)
    for tick in ticks:
        said.record(tick)
    families = {item.name: item for item in text_string_to_metric_families(metrics.page().decode())}
    wanted = {sample.labels["workload"]: sample.value for sample in families["tenbin_planner_replicas_wanted"].samples}
    assert wanted == ticks[-1].plan.wanted()
    assert families["tenbin_planner_plan_hourly_usd"].samples[0].value == float(ticks[-1].plan.hourly_usd)
    assert families["tenbin_planner_engines_unread"].samples[0].value == 1
    assert all(family.documentation for family in families.values())


def test_what_engines_tell_of_attainment_is_a_figure_of_its_own(ticks: list[ports.Tick]) -> None:
    estimate = ports.EngineAttainment(lower=0.9, upper=0.95, requests=40.0)
    told = dataclasses.replace(ticks[-1].scene, estimates={("chat", "interactive"): estimate})
    metrics = Metrics()
    said = recorder(metrics)
    said.record(ticks[-1])
    before = metrics.page().decode()
    said.record(dataclasses.replace(ticks[-1], scene=told))
    new = set(metrics.page().decode().split("\n")) - set(before.split("\n"))
    labels = 'class="interactive",service="chat"'
    assert new == {
        f'tenbin_planner_engine_attainment_ratio{{bound="lower",{labels}}} 0.9',
        f'tenbin_planner_engine_attainment_ratio{{bound="upper",{labels}}} 0.95',
    }
    assert said.last_view is not None
    seen = said.last_view.services[0].classes["interactive"]
    assert seen.engines_1m is not None
    assert (seen.engines_1m.lower, seen.engines_1m.upper, seen.engines_1m.requests) == (0.9, 0.95, 40.0)
    said.record(ticks[-1])
    assert metrics.page().decode() == before
    assert said.last_view.services[0].classes["interactive"].engines_1m is None


def test_a_series_of_what_is_unknown_is_absent(ticks: list[ports.Tick]) -> None:
    metrics = Metrics()
    said = recorder(metrics)
    said.record(ticks[-1])
    assert b'tenbin_planner_requests_per_second{service="chat"}' in metrics.page()
    said.record(ticks[0])
    assert b'tenbin_planner_requests_per_second{service="chat"}' not in metrics.page()


def test_the_log_has_a_line_for_what_changes_and_none_for_what_stays(ticks: list[ports.Tick]) -> None:
    with structlog.testing.capture_logs() as lines:
        said = recorder(Metrics())
        for tick in ticks:
            said.record(tick)
        count = len(lines)
        said.record(ticks[-1])
    scaled = [line for line in lines if line["event"] == "scaled"]
    assert (SPOT, "warming-up") in [(line["workload"], line["reason"]) for line in scaled]
    assert {"backlog", "forecast"} & {line["reason"] for line in scaled}
    assert all(line["detail"] for line in scaled)
    repeated = [line for line in lines[count:] if line["event"] not in ("scaled", "drains", "drains no more")]
    assert repeated == []


def test_a_failure_that_lasts_is_told_once_and_its_end_too() -> None:
    with structlog.testing.capture_logs() as lines:
        said = recorder(Metrics())
        for _ in range(3):
            said.step("observe", 0.1, ConnectionError("away"))
        said.step("observe", 0.1, None)
    assert [line["event"] for line in lines] == ["step failed, tried again", "step works again"]
    assert lines[0]["why"] == "ConnectionError: away"
    assert said.last_failure == "observe: ConnectionError: away"


async def test_a_scaled_workload_gets_an_event_with_the_reason(ticks: list[ports.Tick]) -> None:
    told: list[dict[str, Any]] = []

    class Cluster:
        async def tell_event(self, event: dict[str, Any]) -> None:
            told.append(event)

    tick = next(tick for tick in ticks if tick.done)
    await events.tell(Cluster(), tick, namespace="tenbin", identity="p")  # type: ignore[arg-type]
    event = next(event for event in told if event["involvedObject"]["name"] == SPOT)
    assert event["reason"] == "WarmingUp"
    assert event["message"].startswith("1 -> 2 replicas: warming-up: ")


async def test_http_serves_plan_health_readiness_and_metrics(ticks: list[ports.Tick]) -> None:
    metrics = Metrics()
    said = recorder(metrics)
    state = {"alive": True, "ready": False}
    runner = await http.serve(
        "127.0.0.1",
        0,
        recorder=said,
        metrics=metrics,
        is_alive=lambda: state["alive"],
        is_ready=lambda: state["ready"],
    )
    port = runner.addresses[0][1]

    async def get(path: str) -> httpx.Response:
        return await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{port}{path}")

    try:
        assert (await get("/plan")).status_code == 503
        assert (await get("/plan")).json() == {"problem": "no decision has been made yet"}
        said.record(ticks[-1])
        assert json.loads((await get("/plan")).text)["stack"] == "test"
        assert (await get("/healthz")).text == "ok\n"
        assert (await get("/readyz")).status_code == 503
        state.update(alive=False, ready=True)
        assert (await get("/healthz")).text == "the loop stands still\n"
        assert (await get("/readyz")).text == "ok\n"
        assert "version=0.0.4" in (await get("/metrics")).headers["content-type"]
        page = await get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
    finally:
        await runner.cleanup()


def test_the_page_for_people_shows_what_a_plan_has_and_loads_nothing_from_elsewhere(ticks: list[ports.Tick]) -> None:
    page = importlib.resources.files("tenbin_planner.controller").joinpath("status_page.html").read_text()
    assert set(re.findall(r"https?://[^\"]*", page)) <= {"http://www.w3.org/2000/svg"}
    asked = set(re.findall(r"\b(?:item|plan|service|found|last|seen)\.([a-z]+(?:_[a-z0-9]+)+)", page))
    plan = json.dumps(json.loads(plan_view.view(ticks[-1]).model_dump_json()))
    assert len(asked) > 20
    assert {name for name in asked if f'"{name}":' not in plan} == set()
