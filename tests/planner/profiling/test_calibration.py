"""Scalars are chosen within their bounds, and change nothing else of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import measured
from tenbin_planner.profiling import calibration, records

if TYPE_CHECKING:
    import pathlib

KNOWN = measured.known_profile()


def test_scalars_change_what_they_are_named_after() -> None:
    changed = calibration.apply(KNOWN, [1.1, 1.5, 6.0, 0.5])
    assert changed.forward.decode_ms == KNOWN.forward.decode_ms
    assert changed.forward.kv_ms == ((0, 0.0), (1_024_000, 45.0))
    assert changed.forward.prefill_ms == ((0, 0.55), (256, 6.6), (2048, 66.0))
    assert changed.forward.per_prefill_context_ms == pytest.approx(2.2e-6)
    assert (changed.api.per_request_ms, changed.api.per_output_token_ms, changed.api.first_token_ms) == (6.0, 0.05, 0.5)
    assert changed.limits == KNOWN.limits


def test_at_the_start_they_change_nothing() -> None:
    start = [scalar.value for scalar in calibration.start(KNOWN.api)]
    assert calibration.apply(KNOWN, start) == KNOWN


def test_a_run_that_suits_leaves_the_scalars_where_they_are(tmp_path: pathlib.Path) -> None:
    run = measured.write(tmp_path / "run.csv", measured.records_text(KNOWN, measured.traffic(5, 200, 8.0)))
    found = calibration.calibrate(KNOWN, [records.read_run(run)])
    values = [scalar.value for scalar in found.scalars]
    assert values == pytest.approx([scalar.value for scalar in calibration.start(KNOWN.api)], rel=0.03)
    assert not any(scalar.at_bound for scalar in found.scalars)


def test_a_run_of_another_machine_ends_at_a_bound_and_says_so(tmp_path: pathlib.Path) -> None:
    slow = KNOWN.model_copy(update={"forward": KNOWN.forward.scaled(2.0)})
    run = measured.write(tmp_path / "run.csv", measured.records_text(slow, measured.traffic(5, 200, 4.0)))
    words: list[str] = []
    found = calibration.calibrate(KNOWN, [records.read_run(run)], words.append)
    scalars = {scalar.name: scalar for scalar in found.scalars}
    assert (scalars["prefill factor"].value, scalars["prefill factor"].at_bound) == (1.3, True)
    assert all(scalar.low <= scalar.value <= scalar.high for scalar in found.scalars)
    assert words[0] == f"round 1 of at most {calibration.ROUNDS}"


def test_a_run_of_single_tokens_calibrates_too(tmp_path: pathlib.Path) -> None:
    rows = "".join(f"{second},{500 + second},1,0.05,0.05\n" for second in range(20))
    run = records.read_run(measured.write(tmp_path / "run.csv", "sent,isl,osl,ttft,e2e\n" + rows))
    found = calibration.calibrate(KNOWN, [run])
    assert all(scalar.low <= scalar.value <= scalar.high for scalar in found.scalars)
