"""`tenbin explain` and `tenbin status`, on the planner's own HTTP side and on the plans of a back-test."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.server
import json
import pathlib
import threading
from collections.abc import Iterator

import pytest
import typer
from support import planning
from support.planning import SPOT
from support.virtual_world import World
from tenbin_cli import plan_source
from tenbin_cli import status as status_command
from tenbin_cli.explain import explain
from tenbin_cli.status import status
from tenbin_planner import plan_view, ports
from tenbin_planner.controller import http as planner_http
from tenbin_planner.controller.clock import SteadyClock
from tenbin_planner.controller.documents import Documents
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.controller.recorder import ClusterRecorder
from tenbin_planner.decide.observation import Warmth
from tenbin_planner.decide.plan import MeasuredStarts
from tenbin_planner.model import fleet
from tenbin_spec.plan import PlanView
from typer.testing import CliRunner

app = typer.Typer()
app.command("explain")(explain)
app.command("status")(status)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "220"}).invoke(app, list(arguments))
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def ticks() -> list[ports.Tick]:
    """Two minutes of 20 requests per second on one ready replica, which is too few."""
    moments = [second / 20 for second in range(2400)]
    arrivals = fleet.Arrivals.of(moments, [300] * 2400, [60] * 2400, "interactive")
    world = World(planning.document(), arrivals, class_name="interactive", lead_s={"l4-spot": 20.0, "l4": 20.0})
    world.start({SPOT: 1})
    world.run(120, world.new_loop(), interval_s=5)
    return world.ticks


@pytest.fixture(scope="module")
def plans(ticks: list[ports.Tick], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("plans") / "plans.jsonl"
    path.write_text("".join(f"{plan_view.view(tick).model_dump_json()}\n" for tick in ticks))
    return path


@contextlib.contextmanager
def planner(last: ports.Tick | None) -> Iterator[str]:
    """Serve the planner's HTTP side on a thread of its own; yields its address."""

    class Sight:
        engines_unread: dict[str, str] = {}  # noqa: RUF012

    metrics, clock = Metrics(), SteadyClock()
    recorder = ClusterRecorder(
        metrics=metrics,
        observer=Sight(),  # type: ignore[arg-type]
        documents=Documents(),
        clock=clock,
        stopwatch=clock,
    )
    if last is not None:
        recorder.record(last)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        served = planner_http.serve(
            "127.0.0.1", 0, recorder=recorder, metrics=metrics, is_alive=lambda: True, is_ready=lambda: True
        )
        runner = asyncio.run_coroutine_threadsafe(served, loop).result(30)
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def test_a_live_plan_is_explained_with_forecast_candidates_and_reasons(ticks: list[ports.Tick]) -> None:
    with planner(ticks[-1]) as url:
        code, shown, _ = run("explain", "--planner", url)
        as_json = PlanView.model_validate_json(run("explain", "--planner", f"{url}/", "--json")[1])
    assert code == 0
    [service] = as_json.services
    assert service.considered is not None
    assert service.considered.chosen in {item.replicas for item in service.considered.candidates}
    assert service.forecast[0].ahead_s == 0
    for text in (service.reasons[0].code, "in flight", "expected", "weighed over", "money", "USD per hour"):
        assert text in shown
    chosen = next(line for line in shown.splitlines() if "→" in line)
    assert f" {service.considered.chosen} " in chosen


def test_measured_starts_are_shown_in_their_parts_and_what_is_unknown_as_such(
    ticks: list[ports.Tick], tmp_path: pathlib.Path
) -> None:
    measured = MeasuredStarts(
        node=Warmth.COLD,
        image=Warmth.UNKNOWN,
        count=3,
        node_s=91.0,
        image_s=None,
        container_s=None,
        engine_s=82.4,
        total_s=None,
    )
    workloads = tuple(dataclasses.replace(item, starts=(measured,)) for item in ticks[-1].plan.workloads)
    tick = dataclasses.replace(ticks[-1], plan=dataclasses.replace(ticks[-1].plan, workloads=workloads))
    path = tmp_path / "plans.jsonl"
    path.write_text(f"{plan_view.view(tick).model_dump_json()}\n")
    status, out, _ = run("explain", "--plans", str(path))
    assert status == 0
    assert "starts so far, median" in out
    assert f"{SPOT}  cold  unknown       3        91 s     -          -    82 s         -" in out
    status, out, _ = run("explain", "--plans", str(path), "--json")
    assert PlanView.model_validate_json(out).workloads[0].starts[0].engine_s == 82.4


def test_the_fleet_that_is_chosen_is_worth_most_of_those_weighed_in_full(ticks: list[ports.Tick]) -> None:
    for tick in ticks:
        for service in plan_view.view(tick).services:
            found = service.considered
            if found is None:
                continue
            worth = {item.replicas: item.usd + item.misses_usd for item in found.candidates if not item.is_partial}
            assert found.chosen in worth
            for item in found.candidates:
                assert item.attainment is None or 0 <= item.attainment <= 1
                assert item.hourly_usd is not None


def test_plans_of_a_back_test_are_explained_at_a_time(ticks: list[ports.Tick], plans: pathlib.Path) -> None:
    for at_s, index in (("0", 0), ("7.5", 1), ("60", 12), ("9999", -1)):
        found = PlanView.model_validate_json(run("explain", "--plans", str(plans), "--at", at_s, "--json")[1])
        assert found == plan_view.view(ticks[index])
    last = PlanView.model_validate_json(run("explain", "--plans", str(plans), "--json")[1])
    assert last == plan_view.view(ticks[-1])


def test_one_service_only(plans: pathlib.Path) -> None:
    assert run("explain", "--plans", str(plans), "--service", "chat")[0] == 0
    code, _, errors = run("explain", "--plans", str(plans), "--service", "chatt")
    assert code == 2
    assert "'chatt' is no service of the plan. Allowed: chat" in errors


def test_status_shows_services_replicas_attainment_budget_and_money(ticks: list[ports.Tick]) -> None:
    with planner(ticks[-1]) as url:
        code, shown, _ = run("status", "--planner", url)
        plan = json.loads(run("status", "--planner", url, "--json")[1])
    assert code == 0
    for text in ("chat", "interactive", "99.00 %", "budget left", "ready / wanted", "l4-spot", "of the cap of"):
        assert text in shown
    assert f"{plan['hourly_usd']} USD per hour" in shown
    assert "USD this month" in shown


def test_status_marks_what_only_engines_tell(ticks: list[ports.Tick]) -> None:
    estimate = ports.EngineAttainment(lower=0.9, upper=0.95, requests=40.0)
    scene = dataclasses.replace(ticks[-1].scene, estimates={("chat", "interactive"): estimate})
    with planner(dataclasses.replace(ticks[-1], scene=scene)) as url:
        _, shown, _ = run("status", "--planner", url)
        _, explained, _ = run("explain", "--planner", url)
    with planner(ticks[-1]) as url:
        _, usual, _ = run("status", "--planner", url)
    assert "≈ 90.0 to 95.0 %" in shown
    assert "≈ 90.0 to 95.0 %" in explained
    assert "no gateway is heard: ≈ is an estimate by the engines" in shown
    assert "≈" not in usual


def test_status_watches_on_while_the_planner_is_away(ticks: list[ports.Tick], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str | None] = []
    view = status_command.view

    def seen(plan: PlanView, trouble: str | None = None) -> object:
        shown.append(trouble)
        if len(shown) >= 5:
            raise KeyboardInterrupt
        return view(plan, trouble)

    monkeypatch.setattr(status_command, "view", seen)
    with planner(ticks[-1]) as url:
        fetch, asked = plan_source.fetch, iter((False, False, True, False, False))

        def sometimes(address: str) -> PlanView:
            return fetch("http://127.0.0.1:9" if next(asked) else address)

        monkeypatch.setattr(plan_source, "fetch", sometimes)
        CliRunner().invoke(app, ["status", "--planner", url, "--watch", "--interval", "0.2"])
    assert shown[:2] == [None, None]
    assert "does not answer" in (shown[2] or "")
    assert shown[3] is None


def test_without_a_plan_there_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    with planner(None) as url:
        code, _, errors = run("explain", "--planner", url)
        assert (code, "no decision has been made yet" in errors) == (2, True)
    code, _, errors = run("status", "--planner", url)
    assert (code, f"The planner at {url} does not answer" in errors) == (2, True)
    code, _, errors = run("status", "--planner", "planner:8081")
    assert (code, "'planner:8081' is no address" in errors) == (2, True)
    code, _, errors = run("explain", "--at", "5")
    assert (code, "give --plans too" in errors) == (2, True)
    code, _, errors = run("explain", "--plans", str(tmp_path / "none"))
    assert (code, "cannot be read" in errors) == (2, True)
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.write_text("\n")
    other.write_text('{"version": 7}\n')
    assert "holds no plan" in run("explain", "--plans", str(empty))[2]
    assert "line 1 cannot be read" in run("explain", "--plans", str(other))[2]
    assert "exclude each other" in run("explain", "--plans", str(empty), "--planner", "http://127.0.0.1:1")[2]


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65536)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(plan_source, "MOST_BYTES", 1_000_000)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        code, _, errors = run("status", "--planner", f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)
    assert (code, "more than 1000000 bytes" in errors) == (2, True)
