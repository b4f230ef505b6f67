"""The command line: vLLM's names, and refusals that say what is allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tenbin_local.engine import arguments
from tenbin_spec import catalogue

if TYPE_CHECKING:
    import pathlib

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
USUAL = ["m", "--profile", PROFILE]


def test_defaults_are_those_of_vllm_and_of_the_profile() -> None:
    options = arguments.parse(USUAL)
    assert (options.model, options.served_names, options.port, options.shutdown_timeout_s) == ("m", ("m",), 8000, 0)
    assert options.profile == catalogue.profiles()[PROFILE]
    assert (options.max_queued, options.time_scale, options.buckets) == (None, 1.0, {})


def test_flags_change_the_limits_of_the_profile() -> None:
    flags = ["--max-num-seqs", "3", "--max-num-batched-tokens", "512", "--max-model-len", "1000"]
    limits = arguments.parse([*USUAL, *flags]).profile.limits
    assert (limits.max_num_seqs, limits.max_num_batched_tokens, limits.max_model_len) == (3, 512, 1000)
    assert limits.kv_blocks == catalogue.profiles()[PROFILE].limits.kv_blocks


def test_vllm_serve_and_its_other_flags_are_taken() -> None:
    flags = ["--revision", "0e9e39f2", "--gpu-memory-utilization", "0.9", "--no-enable-prefix-caching"]
    assert arguments.parse(["serve", *USUAL, *flags]).model == "m"
    assert arguments.parse(["--model", "m", "--served-model-name", "a", "b", "--profile", PROFILE]).served_names == (
        "a",
        "b",
    )


def test_a_profile_can_be_a_file(tmp_path: pathlib.Path) -> None:
    own = catalogue.profiles()[PROFILE].model_copy(update={"name": "mine"})
    file = tmp_path / "mine.json"
    file.write_text(own.model_dump_json())
    assert arguments.parse(["m", "--profile", str(file)]).profile.name == "mine"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--profile", PROFILE], "name the model once: MODEL or --model MODEL"),
        (["m", "--model", "m", "--profile", PROFILE], "name the model once: MODEL or --model MODEL"),
        (["m"], "the following arguments are required: --profile"),
        (
            ["m", "--profile", "nope"],
            "profile 'nope' is neither a file nor in the catalogue. Allowed: "
            + ", ".join(sorted(catalogue.profiles())),
        ),
        ([*USUAL, "--port", "65536"], "argument --port: '65536' is not a whole number from 0 to 65535"),
        ([*USUAL, "--max-num-seqs", "0"], "argument --max-num-seqs: '0' is not a whole number from 1 to 10000000"),
        ([*USUAL, "--time-scale", "nan"], "argument --time-scale: 'nan' is not a number from 0.0001 to 100"),
        ([*USUAL, "--shutdown-timeout", "-1"], "argument --shutdown-timeout: '-1' is not a number from 0 to 86400"),
        (
            [*USUAL, "--max-model-len", "90000"],
            f"profile {PROFILE}: a KV cache of 80000 tokens cannot hold one sequence of max_model_len 90000",
        ),
        (
            [*USUAL, "--custom-histogram-buckets", '{"ttft": [1]}'],
            (
                "argument --custom-histogram-buckets: unknown families ttft. Allowed: time_to_first_token, "
                "inter_token_latency, request_latency"
            ),
        ),
        (
            [*USUAL, "--custom-histogram-buckets", '{"request_latency": [2, 1]}'],
            "argument --custom-histogram-buckets: request_latency: [2, 1] is not a list of rising numbers above 0",
        ),
    ],
)
def test_refusals_say_what_is_allowed(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        arguments.parse(flags)
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m tenbin_local.engine: error: {message}"


def test_unknown_flags_are_named_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments.parse([*USUAL, "--enable-lora"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the simulated engine does not know --enable-lora. Allowed: --custom-histogram-buckets, " in line


def test_a_broken_profile_file_is_refused_with_its_key(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = json.loads(catalogue.profiles()[PROFILE].model_dump_json())
    plain["forward"]["per_prefill_context_ms"] = -1
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(plain))
    with pytest.raises(SystemExit):
        arguments.parse(["m", "--profile", str(file)])
    assert "forward.per_prefill_context_ms" in capsys.readouterr().err
