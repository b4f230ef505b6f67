"""Files made from a known profile give that profile back; what is missing is named, all of it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from support import measured
from tenbin_planner.model import fit as model_fit
from tenbin_planner.model import fleet
from tenbin_planner.profiling import errors, fitting
from tenbin_spec.profiles import EngineProfile

if TYPE_CHECKING:
    import pathlib

KNOWN = measured.known_profile()
ABOUT = fitting.About(
    name="known",
    model="m",
    accelerator="H200",
    tensor_parallel=1,
    engine="vllm",
    engine_version="0.23.0",
    source="made up.",
    date=datetime.date(2026, 11, 24),
    **KNOWN.limits.model_dump(),
    api_per_request_ms=4.0,
    api_per_output_token_ms=0.05,
    api_first_token_ms=2.0,
)


def pass_file(folder: pathlib.Path, remarks: str = "") -> pathlib.Path:
    text = remarks + measured.table_text(measured.PASS_HEADER, measured.pass_rows(KNOWN))
    return measured.write(folder / "passes.csv.gz", text)


def assert_times_alike(found: EngineProfile, known: EngineProfile, within: float) -> None:
    """All passes of the grid take the same time."""
    passes = measured.measurements(known, measured.grid())
    assert model_fit.predict(found.forward, passes).tolist() == pytest.approx(passes.ms.tolist(), rel=within)


def test_a_pass_file_gives_back_the_profile_that_made_it(tmp_path: pathlib.Path) -> None:
    report = fitting.fit([pass_file(tmp_path)], ABOUT)
    assert_times_alike(report.profile, KNOWN, within=0.01)
    assert (report.profile.limits, report.profile.api) == (KNOWN.limits, KNOWN.api)
    assert (report.scalars, report.runs, report.left_out) == ((), (), ())
    assert report.profile.source == "made up. Made by `tenbin profile fit passes.csv.gz`."
    assert [kind.kind for kind in report.kinds] == ["decode", "prefill"]
    assert report.profile.error is not None
    assert report.profile.error.startswith("Passes before calibration: decode (27) median 0.0 %, nine of ten within ")


def test_what_a_pass_file_says_of_its_server_need_not_be_said_again(tmp_path: pathlib.Path) -> None:
    keys = {**KNOWN.limits.model_dump(), "model": "m", "engine": "vllm", "engine_version": "0.23.0"}
    keys |= {"accelerator": "H200", "tensor_parallel": 1, "date": "2026-11-24", "source": "a sweep"}
    keys |= {"api_per_request_ms": 4.0, "api_per_output_token_ms": 0.05, "api_first_token_ms": 2.0}
    path = pass_file(tmp_path, "".join(f"# {key}: {value}\n" for key, value in keys.items()))
    profile = fitting.fit([path], fitting.About(name="known", model="other")).profile
    assert (profile.model, profile.engine_version, profile.date) == ("other", "0.23.0", datetime.date(2026, 11, 24))
    assert (profile.limits, profile.api) == (KNOWN.limits, KNOWN.api)


def test_all_kinds_of_files_together_give_back_the_profile(tmp_path: pathlib.Path) -> None:
    rows = measured.pass_rows(KNOWN)
    decode_rows = [(row[1], row[2] / row[1], row[5]) for row in rows if row[0] == "decode"]
    decodes = measured.write(
        tmp_path / "decode.csv", measured.table_text("batch,mean_ctx,client_itl_p50_ms", decode_rows)
    )
    api_ms = 4.0 + 0.05 + 2.0
    lone_rows = [("single", 0, row[3], 1, *[(row[5] + api_ms) / 1000] * 2) for row in rows[27:34]]
    lone = measured.write(tmp_path / "lone.csv", measured.table_text("kind,sent,isl,osl,ttft,e2e", lone_rows))
    chunks = measured.write(tmp_path / "chunks.csv", measured.table_text(measured.PASS_HEADER, rows[34:]))
    stages: list[str] = []
    report = fitting.fit([decodes, lone, chunks], ABOUT, report=stages.append)
    assert_times_alike(report.profile, KNOWN, within=0.03)
    assert [kind.kind for kind in report.kinds] == ["decode", "lone prompts", "prefill"]
    assert stages == ["reading", "fitting passes", "comparing"]


def test_runs_calibrate_what_single_passes_do_not_tell(tmp_path: pathlib.Path) -> None:
    forward = KNOWN.forward
    loaded = KNOWN.model_copy(
        update={
            "forward": forward.model_copy(
                update={
                    "kv_ms": tuple((amount, 1.2 * ms) for amount, ms in forward.kv_ms),
                    "prefill_ms": tuple((amount, 1.06 * ms) for amount, ms in forward.prefill_ms),
                    "per_prefill_context_ms": 1.06 * forward.per_prefill_context_ms,
                }
            ),
            "api": KNOWN.api.model_copy(update={"per_request_ms": 5.0, "first_token_ms": 3.0}),
        }
    )
    runs = [
        measured.write(
            tmp_path / f"replay_r{rate}.csv", measured.records_text(loaded, measured.traffic(rate, 500, rate))
        )
        for rate in (6, 11, 16)
    ]
    report = fitting.fit([pass_file(tmp_path), *runs], ABOUT)
    values = {scalar.name: scalar.value for scalar in report.scalars}
    assert values == pytest.approx(
        {"prefill factor": 1.06, "kv factor": 1.2, "api per request ms": 5.0, "api first token ms": 3.0}, rel=0.2
    )
    assert [run.name for run in report.runs] == ["r6", "r11", "r16"]
    for run in report.runs:
        assert (run.tpot_factor, run.e2e_factor) == pytest.approx((1, 1), abs=0.02)
        assert not any(figure.outside for figure in run.figures)
    error = report.profile.error or ""
    assert error.startswith("Replays: 27 of 27 figures of TTFT, TPOT and E2E are within 10, 15 and 20 % at p50, p90")
    assert "(r6, r11, r16; the profile was calibrated on them)" in error


def test_the_same_files_give_the_same_profile(tmp_path: pathlib.Path) -> None:
    run = measured.write(tmp_path / "run.csv", measured.records_text(KNOWN, measured.traffic(3, 150, 8.0)))
    first, second = (fitting.fit([pass_file(tmp_path), run], ABOUT) for _ in range(2))
    assert fitting.written(first.profile) == fitting.written(second.profile)


def test_curves_reach_as_far_as_the_runs_they_suit(tmp_path: pathlib.Path) -> None:
    small = [row for row in measured.grid() if row[0][0] <= 8]
    exact = measured.measurements(KNOWN, small)
    rows = zip(
        exact.decode_sequences, exact.kv_tokens, exact.prefill_tokens, exact.prefill_context, exact.ms, strict=True
    )
    passes = measured.write(
        tmp_path / "passes.csv", measured.table_text(measured.PASS_HEADER.removeprefix("kind,"), rows)
    )
    together = fleet.Arrivals.of([0.0] * 40, [100] * 40, [60] * 40)
    run = measured.write(tmp_path / "run.csv", measured.records_text(KNOWN, together))
    (last_batch, last_ms), (before_batch, before_ms) = reversed(
        fitting.fit([passes, run], ABOUT).profile.forward.decode_ms[-2:]
    )
    assert (before_batch, last_batch) == (8, 40)
    assert last_ms > before_ms


def test_a_written_profile_reads_back(tmp_path: pathlib.Path) -> None:
    profile = fitting.fit([pass_file(tmp_path)], ABOUT).profile
    text = fitting.written(profile)
    assert EngineProfile.model_validate_json(text) == profile
    first = profile.forward.decode_ms[0]
    assert f"      [{first[0]}, {first[1]}],\n" in text


def test_everything_that_is_missing_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.DataError) as refused:
        fitting.fit([pass_file(tmp_path)], fitting.About(name="known", model="m", kv_blocks=5))
    assert str(refused.value) == (
        "the files do not say what was measured; missing are --accelerator, --engine, --engine-version, --source, "
        "--date, --max-num-seqs, --max-num-batched-tokens, --block-size, --max-model-len, --api-per-request-ms, "
        "--api-per-output-token-ms"
    )


def test_a_description_that_cannot_be_is_refused_with_all_its_problems(tmp_path: pathlib.Path) -> None:
    remarks = "# max_num_seqs: many\n# date: yesterday\n# api_per_request_ms: -3\n"
    about = fitting.About(**{**vars_of(ABOUT), "max_num_seqs": None, "date": None, "api_per_request_ms": None})
    with pytest.raises(errors.DataError) as refused:
        fitting.fit([pass_file(tmp_path, remarks)], about)
    lines = str(refused.value).splitlines()
    assert lines[0] == "the description of the profile has 3 problems:"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  - date",
        "  - limits.max_num_seqs",
        "  - api.per_request_ms",
    ]


def vars_of(about: fitting.About) -> dict[str, object]:
    return {name: getattr(about, name) for name in about.__dataclass_fields__}


def test_too_little_is_refused_with_what_more_is_needed(tmp_path: pathlib.Path) -> None:
    run = measured.write(tmp_path / "run.csv", "sent,isl,osl,ttft,e2e\n0,10,5,0.1,0.2\n")
    with pytest.raises(errors.DataError) as refused:
        fitting.fit([run], ABOUT)
    assert str(refused.value) == (
        "the measurements have 2 problems:\n"
        "  - passes that only decode are of 0 batch sizes; needed are 2 or more\n"
        "  - passes that compute prompts are of 0 sizes; needed are 2 or more"
    )


def test_lone_prompts_faster_than_the_api_process_are_refused(tmp_path: pathlib.Path) -> None:
    lone = measured.write(tmp_path / "lone.csv", "kind,sent,isl,osl,ttft,e2e\nsingle,0,64,1,0.005,0.005\n")
    with pytest.raises(errors.DataError) as refused:
        fitting.fit([pass_file(tmp_path), lone], ABOUT)
    assert str(refused.value) == (
        "the measurements have 1 problem:\n"
        "  - lone.csv line 2, prompts of 64 tokens: ms is -1.05; allowed are numbers above 0"
    )
