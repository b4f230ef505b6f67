"""`tenbin backtest` with a scenario in a file, drawn classes and several processes."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from typing import Any

import pytest
from ruamel.yaml import YAML
from tenbin_cli.__main__ import app
from typer.testing import CliRunner

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
TRAFFIC = "generate:step,before=3,after=14,at_s=180,minutes=6,input=300/900,output=60/160,longest=4000,seed=3"
HOW_TO = pathlib.Path(__file__).parents[2] / "docs/how-to.md"
ROUGH = {
    "name": "rough",
    "profile": PROFILE,
    "price": "0.80",
    "slo": {"default": {"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60}},
    "replicas": {"min": 1, "max": 8},
    "replicas_per_node": 2,
    "traces": {"service": TRAFFIC},
    "leads": {"pool": {"median_s": 40, "p95_s": 60}},
    "node_lead_s": {"pool": 10},
    "spot": {"pool": {"interruptions_per_hour": 2, "reclaims_per_hour": 20, "notice_s": 30, "drought_s": [10, 30]}},
    "billing": "node",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that is over."""

    code: int
    shown: str
    errors: str


def backtest(*words: str) -> Ran:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["backtest", *words])
    assert not isinstance(result.exception, Exception), result.exception
    return Ran(code=result.exit_code, shown=result.stdout, errors=result.stderr)


def file(folder: pathlib.Path, changes: dict[str, Any] | None = None) -> str:
    path = folder / "rough.yaml"
    YAML(typ="safe", pure=True).dump(ROUGH | (changes or {}), path)
    return str(path)


def own(*words: str) -> Ran:
    return backtest(
        *("--profile", PROFILE, "--price", "0.80", "--trace", TRAFFIC, "--policies", "tenbin", "--json", "-"), *words
    )


def test_several_processes_give_the_same_figures_and_the_same_page(tmp_path: pathlib.Path) -> None:
    plain, pages = [], []
    for jobs in ("1", "2"):
        page = tmp_path / f"{jobs}.html"
        words = ["--policies", "tenbin,fixed,hpa", "--seeds", "2", "--jobs", jobs, "--json", "-", "--html", str(page)]
        found = json.loads(backtest("--scenario", file(tmp_path), *words).shown)
        del found["wall_s"]
        plain.append(found)
        pages.append(re.sub(r"[\d,]+ s of computing", "", page.read_text()))
    assert plain[0] == plain[1]
    assert pages[0] == pages[1]
    rows = plain[0]["results"]
    assert {(row["policy"], row["seed"]) for row in rows} == {
        (p, s) for p in ("tenbin", "fixed", "hpa") for s in (0, 1)
    }
    assert {(row["trace"], row["lead_time_s"]) for row in rows} == {("rough", 40.0)}
    assert {corner["seed"] for corner in plain[0]["hull"]} == {0, 1}
    for told in ("taken at once 20 times an hour", "by the second and node", "there 10 s after it is asked for"):
        assert told in pages[0]


def test_whole_nodes_cost_more_than_replicas(tmp_path: pathlib.Path) -> None:
    usd = {}
    for billing in ("node", "replica"):
        words = ["--scenario", file(tmp_path, {"billing": billing, "spot": {}}), "--policies", "fixed", "--json", "-"]
        rows = json.loads(backtest(*words).shown)["results"]
        usd[billing] = {row["replicas"]: row["usd"] for row in rows}
    assert usd["node"].keys() == usd["replica"].keys()
    for count, paid in usd["node"].items():
        assert paid == pytest.approx(usd["replica"][count] * (count + count % 2) / count)


def test_a_lead_time_of_the_command_line_is_that_of_all_pools(tmp_path: pathlib.Path) -> None:
    ran = backtest("--scenario", file(tmp_path), "--lead-time", "20,30", "--policies", "tenbin", "--json", "-")
    assert [row["lead_time_s"] for row in json.loads(ran.shown)["results"]] == [20.0, 30.0]


def test_what_costs_more_than_the_cap_for_a_moment_is_said(tmp_path: pathlib.Path) -> None:
    changes = {"hourly_cap": "1.60", "initial": {"service-serve-pool": 1}, "replicas_per_node": 4}
    ran = backtest("--scenario", file(tmp_path, changes), "--policies", "tenbin")
    assert re.search(r"tenbin cost up to \d\.\d\d USD an hour, above the cap of 1\.60, in rough at 40 s ", ran.shown)


def test_the_example_of_the_documentation_runs(tmp_path: pathlib.Path) -> None:
    (block,) = re.findall(r"```yaml\n(# A scenario of `tenbin backtest.*?)```", HOW_TO.read_text(), re.DOTALL)
    path = tmp_path / "hour.yaml"
    path.write_text(block.replace("minutes=60", "minutes=4"))
    ran = backtest("--scenario", str(path), "--policies", "fixed", "--json", "-")
    (name,) = {row["trace"] for row in json.loads(ran.shown)["results"]}
    assert (ran.code, name) == (0, "spot-heavy hour")


def test_files_of_traces_lie_beside_the_scenario(tmp_path: pathlib.Path) -> None:
    (tmp_path / "day.csv").write_text("arrival_s,input_tokens,output_tokens\n2.5,100,1\n")
    path = file(tmp_path, {"traces": {"service": "day.csv"}, "history": {"service": "day.csv"}, "spot": {}})
    ran = backtest("--scenario", path, "--policies", "tenbin", "--json", "-")
    assert json.loads(ran.shown)["results"][0]["requests"] == 1


def test_classes_are_drawn_for_a_trace_without_any() -> None:
    words = ["--slo", "chat:ttft<=1000@0.99", "--slo", "batch:e2e<=60000@0.95", "--class-mix", "chat=0.8,batch=0.2"]
    first, again = (json.loads(own(*words).shown) for _ in range(2))
    assert set(first["results"][0]["attainment_by_class"]) == {"service/chat", "service/batch"}
    assert first["traces"][0]["sha256"] == again["traces"][0]["sha256"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--class-mix", "chat=0.8"], "--class-mix 'chat=0.8': shares add up to 0.8; allowed is 1"),
        (["--class-mix", "chat:1"], "--class-mix 'chat:1': 'chat:1': allowed is NAME=SHARE, each name once, shares "),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (
            ["--scenario", "x.yaml"],
            "--profile, --price, --slo, --trace and --scenario: the file says this; allowed is ",
        ),
    ],
)
def test_wrong_values_are_told(words: list[str], expected: str) -> None:
    ran = own("--slo", "ttft<=1000@0.99", *words)
    assert ran.code == 2
    assert expected in ran.errors
    assert "Traceback" not in ran.errors


def test_an_objective_is_for_a_class_that_is_drawn() -> None:
    ran = own("--slo", "chats:ttft<=1000", "--class-mix", "chat=0.5,batch=0.5")
    assert ran.code == 2
    assert "--slo: 'chats' is not a class of these requests; did you mean 'chat'? Allowed: batch, chat" in ran.errors


def test_a_class_of_no_service_of_the_stack_is_refused() -> None:
    words = ["--stack", "local", "--trace", f"chat={TRAFFIC}", "--class-mix", "interactve=1"]
    ran = backtest(*words)
    assert ran.code == 2
    assert "class mix: 'interactve' is not a class of the stack; did you mean 'interactive'?" in ran.errors


def test_classes_that_a_trace_has_are_kept() -> None:
    mixed = TRAFFIC.replace("seed=3", "seed=3,classes=chat:0.5+batch:0.5")
    words = ["--profile", PROFILE, "--price", "0.80", "--slo", "ttft<=1000", "--trace", mixed, "--class-mix", "a=1"]
    ran = backtest(*words)
    assert ran.code == 2
    assert "has classes already: batch, chat; allowed are traces without" in ran.errors


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spott": {}}, "spott: unknown key; did you mean 'spot'?"),
        ({"profile": "none"}, "'none' is not a profile of the catalogue or a file"),
        ({"leads": {"gpu": {"median_s": 9}}}, "leads: gpu unknown; known are pool"),
        (
            {"faults": [{"kind": "no-nodes", "at_s": 1, "for_s": 1, "pool": "gpu"}]},
            "faults[0]: pool is 'gpu'; allowed is one of pool",
        ),
        ({"initial": {"nobody": 1}}, "initial: nobody unknown; known are service-serve-pool"),
        (
            {"billing": "replica", "consolidation_s": {"pool": 9}},
            "consolidation_s is given; allowed is it with billing by node only",
        ),
        ({"window": "9"}, "window '9': allowed is START:END"),
        ({"traces": {"chat": TRAFFIC}}, "traces.chat: 'chat' is not the service of a scenario without a stack"),
        ({"history": {"chat": TRAFFIC}}, "history.chat: 'chat' is not the service of a scenario without a stack"),
        ({"traces": {"service": "missing.csv"}}, "missing.csv cannot be read: No such file or directory"),
        (
            {"slo": {"chat": {"target": "0.99", "ttft_ms": 9}}},
            "slo: has no objective for default: give one, or one named default",
        ),
        ({"class_mix": {"chat": 0.5}}, "class_mix: shares add up to 0.5; allowed is 1"),
        ({"price": "0.00"}, "price: 0.00: allowed are US dollars per hour above 0"),
        ({"hourly_cap": "0.10"}, "hourly_cap: 0.10 is below 0.80, what the smallest fleet costs"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: pathlib.Path, changes: dict[str, Any], expected: str) -> None:
    ran = backtest("--scenario", file(tmp_path, changes), "--policies", "fixed")
    assert ran.code == 2
    assert expected in ran.errors
    assert "Traceback" not in ran.errors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "is not YAML"),
        ("stack: local\nstack: dev\n", "is not YAML: found duplicate key"),
        ("", "file: holds no mapping of keys to values"),
        (None, "file: cannot be read"),
    ],
)
def test_what_is_no_scenario_is_refused(tmp_path: pathlib.Path, text: str | None, expected: str) -> None:
    path = tmp_path / "x.yaml"
    if text is not None:
        path.write_text(text)
    ran = backtest("--scenario", str(path))
    assert ran.code == 2
    assert expected in ran.errors


def test_the_file_and_options_do_not_say_the_same(tmp_path: pathlib.Path) -> None:
    ran = backtest("--scenario", file(tmp_path), "--price", "1", "--max-replicas", "3")
    assert ran.code == 2
    assert "--price, --max-replicas and --scenario: the file says this; allowed is one or the other" in ran.errors


def test_the_schema_is_that_of_scenario_files() -> None:
    found = json.loads(backtest("--schema").shown)
    assert set(ROUGH) <= set(found["properties"])
