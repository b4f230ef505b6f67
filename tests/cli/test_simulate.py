"""`tenbin simulate` as a person and as a script sees it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pathlib

import numpy as np
import pytest
from tenbin_cli.__main__ import app
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from typer.testing import CliRunner

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
TRAFFIC = "generate:constant,rate=4,minutes=2,input=300/900,output=60/160,classes=chat:0.8+batch:0.2,seed=3"


def run(*arguments: str, profile: str = PROFILE, trace: str = TRAFFIC, replicas: str = "2") -> tuple[int, str, str]:
    asked = ["simulate", "--profile", profile, "--trace", trace, "--replicas", replicas, *arguments]
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, asked)
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def trace(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0.0,100,1\n0.5,300,20\n9.0,40,5\n")
    return path


def test_json_says_what_the_model_says(trace: pathlib.Path) -> None:
    code, shown, errors = run("--json", trace=str(trace), replicas="1")
    plain = json.loads(shown)
    model = fleet.simulate(
        fleet.Arrivals.of([0.0, 0.5, 9.0], [100, 300, 40], [1, 20, 5]), fleet.fixed(catalogue.profiles()[PROFILE], 1)
    )
    assert (code, errors) == (0, "")
    assert {name: plain[name] for name in ("requests", "finished", "shed", "failed", "extrapolated", "events")} == {
        "requests": 3,
        "finished": 3,
        "shed": 0,
        "failed": 0,
        "extrapolated": False,
        "events": model.events,
    }
    for name, times in (("ttft_ms", model.ttft_ms), ("tpot_ms", model.tpot_ms[1:]), ("e2e_ms", model.e2e_ms)):
        assert plain[name] == pytest.approx({f"p{q}": np.percentile(times, q) for q in (50, 90, 99)}, abs=6e-4)
    assert plain["duration_s"] == pytest.approx(9.0 + model.e2e_ms[2] / 1000)
    assert plain["gpu_hours"] == pytest.approx(plain["duration_s"] / 3600, abs=1e-6)
    assert 0 < plain["wall_s"] < plain["total_s"]


def test_gpu_hours_count_replicas_and_the_accelerators_of_each(trace: pathlib.Path, tmp_path: pathlib.Path) -> None:
    wide = tmp_path / "wide.json"
    wide.write_text(catalogue.profiles()[PROFILE].model_copy(update={"tensor_parallel": 4}).model_dump_json())
    plain = json.loads(run("--json", trace=str(trace), profile=str(wide), replicas="3")[1])
    assert plain["gpu_hours"] == pytest.approx(12 * plain["duration_s"] / 3600, abs=1e-6)


def test_the_table_shows_times_objectives_and_cost() -> None:
    code, shown, _ = run("--slo", "chat:ttft<=1000,tpot<=60@0.99", "--slo", "e2e<=60000@0.95")
    assert code == 0
    assert shown.startswith(f"{PROFILE}, 2 replicas, least-request\n")
    for text in (
        "p50",
        "p90",
        "p99",
        "TTFT",
        "TPOT",
        "E2E",
        "GPU-hours",
        "finished 4",
        "shed 0, failed 0",
        " s in all",
    ):
        assert text in shown
    assert "batch   E2E <= 60,000 ms                    95 %     100.00 %" in shown
    assert "chat    TTFT <= 1,000 ms, TPOT <= 60 ms     99 %     100.00 %" in shown


def test_a_missed_objective_ends_with_one() -> None:
    code, shown, _ = run("--slo", "ttft<=20@0.9", "--json")
    assert code == 1
    assert json.loads(shown)["attainment"]["chat"] == {"share": 0.0, "target": 0.9}


def test_all_step_times_are_scaled_by_the_factor(trace: pathlib.Path) -> None:
    usual, slow = (
        json.loads(run("--json", "--time-factor", factor, trace=str(trace), replicas="1")[1])
        for factor in ("1.0", "2.0")
    )
    api = catalogue.profiles()[PROFILE].api
    # A lone request's E2E is passes, which double, and the API process, which does not.
    fixed = api.per_request_ms + 5 * api.per_output_token_ms
    assert slow["tpot_ms"]["p50"] / usual["tpot_ms"]["p50"] == pytest.approx(2, rel=0.01)
    assert slow["ttft_ms"]["p50"] - fixed == pytest.approx(2 * (usual["ttft_ms"]["p50"] - fixed), rel=0.01)


def test_a_full_queue_sheds() -> None:
    burst = "generate:constant,rate=400,seconds=1,input=300/900,output=60/160,seed=3"
    plain = json.loads(run("--json", "--max-queued", "5", trace=burst, replicas="1")[1])
    assert plain["shed"] > 100
    assert plain["finished"] + plain["shed"] + plain["failed"] == plain["requests"]


def test_requests_are_written_row_by_row_and_the_same_seed_gives_the_same_bytes(tmp_path: pathlib.Path) -> None:
    files = [tmp_path / name for name in ("a.csv.gz", "b.csv.gz", "c.csv.gz")]
    for path, seed in zip(files, ("1", "1", "2"), strict=True):
        assert run("--routing", "random", "--seed", seed, "--out", str(path))[0] == 0
    first, again, other = (path.read_bytes() for path in files)
    assert first == again
    assert first != other
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(first).decode())))
    assert list(rows[0]) == [
        *("arrival_s", "input_tokens", "output_tokens", "class", "outcome", "replica"),
        *("ttft_ms", "tpot_ms", "e2e_ms"),
    ]
    assert {row["class"] for row in rows} == {"chat", "batch"}
    assert {row["outcome"] for row in rows} == {"finished"}
    assert {row["replica"] for row in rows} == {"0", "1"}
    row = next(row for row in rows if int(row["output_tokens"]) > 1)
    gap = (float(row["e2e_ms"]) - float(row["ttft_ms"])) / (int(row["output_tokens"]) - 1)
    assert float(row["tpot_ms"]) == pytest.approx(gap, abs=2e-3)


def test_what_the_reader_changed_and_what_the_engine_refuses_is_warned_of(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n5.0,100,10\n0.0,9000,10\n")
    code, shown, errors = run("--json", trace=str(path))
    assert code == 0
    assert json.loads(shown)["failed"] == 1
    lines = errors.splitlines()
    assert "sorted" in lines[0]
    assert lines[-1] == "warning: 1 request is longer than 8,192 tokens: the engine refuses them"


def test_an_extrapolated_profile_is_warned_of(tmp_path: pathlib.Path) -> None:
    profile = catalogue.profiles()[PROFILE]
    forward = profile.forward.model_copy(update={"prefill_ms": ((0, 0.0), (64, 6.4))})
    path = tmp_path / "narrow.json"
    path.write_text(profile.model_copy(update={"forward": forward, "name": "narrow"}).model_dump_json())
    code, shown, errors = run("--json", profile=str(path))
    assert (code, json.loads(shown)["extrapolated"]) == (0, True)
    assert errors == "warning: passes went beyond what was measured for narrow: their times are extrapolated\n"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"profile": "simulated-l4"},
            f"error: 'simulated-l4' is not a profile of the catalogue or a file; did you mean {PROFILE!r}?",
        ),
        (
            {"profile": "missing.json"},
            "error: there is no profile file missing.json. `tenbin profile list` shows the catalogue",
        ),
        ({"trace": "missing.csv"}, "error: missing.csv cannot be read: No such file or directory"),
        ({"trace": "generate:wave"}, "'wave' is not a shape of traffic"),
        ({"replicas": "0"}, "Invalid value for '--replicas'"),
        ({"replicas": "1000000000"}, "Invalid value for '--replicas'"),
    ],
)
def test_wrong_input_ends_with_two_and_names_it(changed: dict[str, str], expected: str) -> None:
    code, shown, errors = run(**changed)
    assert (code, shown) == (2, "")
    assert expected in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--routing", "best"], "error: --routing: 'best' is not a routing. Allowed: least-queued-tokens, "),
        (["--slo", "ttft<1s@0.9"], "'ttft<1s' is no threshold; allowed are ttft<=MS, tpot<=MS and e2e<=MS"),
        (["--slo", "ttft<=1,ttft<=2"], "ttft is given twice"),
        (["--slo", "ttft<=1@2"], "target: '2' is not a share"),
        (["--slo", "@0.9"], "is not of the form [CLASS:]ttft<=MS,tpot<=MS,e2e<=MS@SHARE"),
        (
            ["--slo", "chat:ttft<=1"],
            "error: --slo: no objective for class 'batch': give it one, or one without a class",
        ),
        (["--slo", "chats:ttft<=1"], "error: --slo: 'chats' is not a class of these requests; did you mean 'chat'?"),
        (["--slo", "ttft<=1", "--slo", "tpot<=1"], "every class has an objective already"),
        (["--out", "/dev/null/x.csv"], "error: --out /dev/null/x.csv cannot be written: "),
    ],
)
def test_wrong_options_end_with_two_and_say_what_is_allowed(options: list[str], expected: str) -> None:
    code, _, errors = run(*options)
    assert code == 2
    assert expected in errors
    assert "Traceback" not in errors
