"""`tenbin profile` as a person and as a script sees it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from support import addresses, engine_processes
from tenbin_cli.__main__ import app
from tenbin_spec import catalogue
from tenbin_spec.profiles import EngineProfile
from typer.testing import CliRunner

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
LIMITS = ("--max-num-seqs", "24", "--max-num-batched-tokens", "2048")
PASSES = """\
# tenbin passes 1
# model: some/model
# engine: vllm
# engine_version: 0.23.0
# accelerator: L4
# tensor_parallel: 1
# date: 2026-11-24
# source: made up
# max_num_seqs: 8
# max_num_batched_tokens: 256
# kv_blocks: 500
# block_size: 16
# max_model_len: 768
# api_per_request_ms: 3.5
# api_per_output_token_ms: 0.06
# api_first_token_ms: 1.5
kind,passes,decode_sequences,kv_tokens,prefill_tokens,prefill_context,ms,samples,spread_ms,note
decode,10,8,215,0,0,101.1,10,0.1,
decode,10,4,179,0,0,76.8,10,0.2,
decode,10,1,78,0,0,62.3,10,1.2,
decode,10,8,4229,0,0,117.1,10,0.2,
decode,10,1,584,0,0,64.8,10,0.4,
prefill,1,0,0,1,0.5,66.1,3,0.1,
prefill,1,0,0,128,8192,122.9,3,0.2,
prefill,1,0,0,256,32768,207.7,3,0.4,
chunk,1,0,0,256,98304,219.0,3,0.1,
burst,1,0,0,256,4096,0,0,0,they were never computed in one pass
"""


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["profile", *arguments])
    assert not isinstance(result.exception, Exception), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_catalogue_is_listed_with_kind_accelerator_and_error() -> None:
    code, shown, _ = run("list")
    assert code == 0
    for profile in catalogue.profiles().values():
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{profile.name} ")]
        assert profile.accelerator in line
        assert profile.kind.value in line
    listed = json.loads(run("list", "--json")[1])
    assert [item["name"] for item in listed] == list(catalogue.profiles())


def test_a_profile_is_shown_with_its_source_limits_and_curves() -> None:
    code, shown, _ = run("show", PROFILE)
    assert code == 0
    for text in (
        "1 x L4",
        "simulated 0.23.0",
        "synthetic, 2026-11-24",
        "Made up for the embedded environment",
        "up to 24 sequences and 2,048 tokens in a pass",
        "80,000 tokens, 5,000 blocks of 16",
        "24 at 0, 32.4 at 24",
        "10 per million tokens squared",
    ):
        assert text in shown
    assert EngineProfile.model_validate_json(run("show", PROFILE, "--json")[1]) == catalogue.profiles()[PROFILE]


def test_a_profile_that_is_not_there_is_named_with_what_may_be_meant() -> None:
    code, _, errors = run("show", PROFILE.replace("llama", "lama"))
    assert code == 2
    assert f"did you mean {PROFILE!r}?" in errors


def test_a_broken_profile_file_is_refused_with_all_that_is_wrong(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(
        json.dumps({**catalogue.profiles()[PROFILE].model_dump(mode="json"), "modell": "x", "tensor_parallel": 0})
    )
    code, _, errors = run("show", str(path))
    assert code == 2
    assert errors.startswith(f"error: {path} holds no engine profile:\n")
    assert "  - modell: unknown key; did you mean 'model'?" in errors
    assert "  - tensor_parallel: 0: " in errors


def test_fitting_writes_a_profile_and_shows_its_errors(tmp_path: pathlib.Path) -> None:
    data, out = tmp_path / "passes.csv", tmp_path / "fitted.json"
    data.write_text(PASSES)
    code, shown, _ = run("fit", str(data), "--out", str(out), "--accelerator", "L40S")
    assert code == 0
    for text in ("fitted", "decode", "prefill", "passes.csv line 27 is left out: they were never computed in one pass"):
        assert text in shown
    profile = EngineProfile.model_validate_json(out.read_text())
    assert (profile.name, profile.model, profile.accelerator) == ("fitted", "some/model", "L40S")
    report = json.loads(run("fit", str(data), "--out", str(out), "--json")[1])
    assert {kind["kind"] for kind in report["kinds"]} >= {"decode", "prefill"}
    assert [left["why"] for left in report["left_out"]] == ["they were never computed in one pass"]


def test_bad_rows_are_refused_with_their_lines_and_nothing_is_written(tmp_path: pathlib.Path) -> None:
    data, out = tmp_path / "passes.csv", tmp_path / "fitted.json"
    data.write_text(PASSES.replace("76.8", "-76.8").replace("122.9", "nan"))
    code, _, errors = run("fit", str(data), "--out", str(out))
    assert code == 2
    assert "passes.csv has 2 problems:" in errors
    assert "line 19" in errors
    assert "line 24" in errors
    assert not out.exists()


def test_what_the_files_do_not_say_is_asked_for(tmp_path: pathlib.Path) -> None:
    data, out = tmp_path / "passes.csv", tmp_path / "fitted.json"
    data.write_text(PASSES.replace("# model: some/model\n", "").replace("# kv_blocks: 500\n", ""))
    code, _, errors = run("fit", str(data), "--out", str(out))
    assert code == 2
    assert "--model" in errors
    assert "--kv-blocks" in errors


@pytest.mark.parametrize("span", ["5", "5:3", "a:b", "3:3"])
def test_a_span_that_is_none_is_refused(tmp_path: pathlib.Path, span: str) -> None:
    data = tmp_path / "passes.csv"
    data.write_text(PASSES)
    code, _, errors = run("fit", str(data), "--out", str(tmp_path / "p.json"), "--leave-out", span)
    assert (code, errors) == (2, f"error: --leave-out {span!r} is not of the form FROM:TO, seconds that rise\n")


def test_measuring_nothing_is_an_error_and_writes_nothing(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "passes.csv"
    with addresses.refusing() as (host, port):
        code, _, errors = run("measure", "--url", f"http://{host}:{port}", "--out", str(out), *LIMITS)
    assert code == 2
    assert errors.startswith(f"error: http://{host}:{port} does not answer: ")
    assert not out.exists()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "passes.csv"
    out.write_text("precious")
    code, _, errors = run("measure", "--url", "http://127.0.0.1:1", "--out", str(out), *LIMITS)
    assert (code, errors) == (2, f"error: {out} exists: name another file with --out, or remove it\n")
    assert out.read_text() == "precious"


def test_a_bounded_measurement_is_written_and_says_what_is_missing(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "passes.csv"
    with engine_processes.running(PROFILE, "--time-scale", "0.1") as url:
        missing = run("measure", "--url", url, "--out", str(out))
        code, shown, errors = run("measure", "--url", url, "--out", str(out), *LIMITS, "--max-requests", "440")
    assert missing[0] == 2
    assert missing[2] == (
        "error: the server does not say these limits, so give them:\n"
        "  - --max-num-seqs: vLLM's log says it at the start, or its flag --max-num-seqs\n"
        "  - --max-num-batched-tokens: vLLM's log says it at the start, or its flag --max-num-batched-tokens\n"
    )
    assert code == 1
    assert "warning: the allowed 440 requests are used up: " in errors
    assert "prefill" in shown
    head = out.read_text().splitlines()
    assert head[:5] == [
        "# tenbin passes 1",
        "# model: m",
        "# engine: vllm",
        "# engine_version: 0.23.0",
        "# tensor_parallel: 1",
    ]
    assert "# kv_blocks: 5000" in head


def test_ctrl_c_keeps_what_was_measured(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "passes.csv"
    with engine_processes.running(PROFILE) as url:
        command = [sys.executable, "-m", "tenbin_cli", "profile", "measure", "--url", url, "--out", str(out), *LIMITS]
        # Its progress says what is being measured.
        environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "160"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        seen = b""
        assert process.stderr is not None
        while not re.search(rb"lone prompts: (512|1024|2048|4096) tokens", seen):
            more = process.stderr.read1()
            assert more, seen
            seen += more
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130, (shown, errors)
    assert b"interrupted: what was measured until then is kept" in errors
    assert b"prefill" in shown
    assert "prefill,1,0,0,256," in out.read_text()
