"""`tenbin validate` as a person and as a script sees it, on runs that the engine model itself has made."""

from __future__ import annotations

import csv
import json
import pathlib

import pytest
from tenbin_cli.__main__ import app
from tenbin_planner import traces
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from typer.testing import CliRunner

NAME = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
TRAFFIC = "generate:constant,rate=4,minutes=1,input=300/900,output=60/160,seed=3"


def record(path: pathlib.Path, *, factor: float = 1.0) -> pathlib.Path:
    """Write a run of an engine whose passes take `factor` times as long as the profile says."""
    profile = catalogue.profiles()[NAME]
    profile = profile.model_copy(update={"forward": profile.forward.scaled(factor)})
    arrivals = traces.load(TRAFFIC).arrivals()
    result = fleet.simulate(arrivals, fleet.fixed(profile, 1))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["due", "sent", "isl", "osl", "ttft", "e2e", "state"])
        columns = (arrivals.arrival_s, arrivals.arrival_s, arrivals.input_tokens, arrivals.output_tokens)
        times = (result.ttft_ms / 1000, result.e2e_ms / 1000)
        writer.writerows((*row, "ok") for row in zip(*(c.tolist() for c in (*columns, *times)), strict=True))
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["validate", "--profile", NAME, *arguments])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_run_that_the_model_made_is_predicted_to_the_last_figure(tmp_path: pathlib.Path) -> None:
    code, shown, _ = run(str(record(tmp_path / "exact.csv")), "--slo", "ttft<=100,tpot<=30", "--slo", "e2e<=2000")
    assert code == 0
    rows = shown.splitlines()[3:6]
    assert [[cell for cell in row.split() if cell[0] in "+-"] for row in rows] == [["+0.0"] * 3] * 3
    assert "good when                       measured" in shown
    assert "TTFT <= 100 ms, TPOT <= 30 ms" in shown
    assert "E2E <= 2,000 ms" in shown
    assert "factor on all step times that makes p50 exact: TPOT 1.00" in shown
    assert "0 of 9 figures are off by more than 10, 15, 20 % at p50, p90, p99." in shown


def test_a_slower_engine_is_found_out_and_its_factor_repairs_it(tmp_path: pathlib.Path) -> None:
    path = str(record(tmp_path / "slow.csv", factor=1.3))
    code, shown, _ = run(path, "--json")
    plain = json.loads(shown)
    (found,) = plain["runs"]
    assert code == 1
    assert plain["holds"] is False
    assert (plain["outside"], plain["figures"]) == (sum(figure["outside"] for figure in found["figures"]), 9)
    assert plain["outside"] > 1
    assert found["tpot_factor"] == pytest.approx(1.3, abs=0.01)
    assert [(figure["metric"], figure["percentile"]) for figure in found["figures"]] == [
        (metric, percentile) for metric in ("ttft", "tpot", "e2e") for percentile in (50, 90, 99)
    ]
    assert all(figure["error"] < 0 for figure in found["figures"])
    assert len(found["attainment"]) == 4
    repaired, shown, _ = run(path, "--json", "--time-factor", "1.3")
    assert json.loads(shown)["outside"] == 0
    assert json.loads(shown)["runs"][0]["tpot_factor"] == pytest.approx(1.0, abs=0.01)
    assert repaired == 0


@pytest.mark.parametrize(("ending", "begin"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_both_distributions_are_drawn_and_equal_runs_give_equal_pictures(
    tmp_path: pathlib.Path, ending: str, begin: bytes
) -> None:
    runs = [str(record(tmp_path / f"{name}.csv", factor=factor)) for name, factor in (("one", 1.0), ("two", 1.1))]
    pictures = [tmp_path / f"{name}{ending}" for name in "ab"]
    for picture in pictures:
        run(*runs, "--plot", str(picture))
    first, again = (picture.read_bytes() for picture in pictures)
    assert first.startswith(begin)
    assert first == again
    if ending == ".svg":
        for text in (b"one, ", b"two, ", b"TTFT, ms", b"TPOT, ms", b"E2E, ms", b"measured", b"model"):
            assert text in first


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--plot", "picture.gif"], "error: --plot picture.gif: allowed are files that end in .svg, .png, .pdf\n"),
        (["--slo", "chat:ttft<=5"], "error: --slo 'chat:ttft<=5': recorded runs have no classes, leave out 'chat'\n"),
        (["nowhere.csv"], "error: nowhere.csv cannot be read: No such file or directory\n"),
    ],
)
def test_wrong_input_ends_with_two_and_names_it(tmp_path: pathlib.Path, arguments: list[str], expected: str) -> None:
    code, shown, errors = run(str(record(tmp_path / "run.csv")), *arguments)
    assert (code, shown, errors) == (2, "", expected)


def test_a_file_without_the_columns_of_a_run_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,1,1\n")
    code, _, errors = run(str(path))
    assert code == 2
    assert errors.startswith(f"error: {path} holds no run: ")
