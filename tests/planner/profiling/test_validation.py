"""Predicted beside measured: nothing is off where the profile made the data, and what is off is told by how much."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import measured
from tenbin_planner.profiling import records, validation
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    import pathlib

    from tenbin_planner.profiling.records import MeasuredRun

KNOWN = measured.known_profile()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MeasuredRun:
    """300 requests at 10 a second, measured on a server that is exactly the profile."""
    text = measured.records_text(KNOWN, measured.traffic(7, 300, 10.0))
    return records.read_run(measured.write(tmp_path_factory.mktemp("runs") / "replay_exact.csv", text))


def slower(run: MeasuredRun, factor: float) -> MeasuredRun:
    """The run of a server whose every time was so many times as long."""
    return dataclasses.replace(run, ttft_ms=run.ttft_ms * factor, e2e_ms=run.e2e_ms * factor)


def test_a_profile_predicts_the_run_that_it_made(run: MeasuredRun) -> None:
    found = validation.compare(KNOWN, run)
    assert (found.name, found.requests, found.compared) == ("exact", 300, 300)
    assert (found.preemptions, found.extrapolated) == (0, False)
    assert [(figure.metric, figure.percentile) for figure in found.figures] == [
        (metric, percentile) for metric in ("ttft", "tpot", "e2e") for percentile in (50, 90, 99)
    ]
    assert [figure.error for figure in found.figures] == pytest.approx([0] * 9, abs=1e-4)
    assert validation.outside([found]) == (0, 9)
    assert (found.tpot_factor, found.e2e_factor) == pytest.approx((1, 1), abs=0.001)
    assert all(attained.measured == attained.predicted for attained in found.attainments)
    np.testing.assert_allclose(found.predicted.ttft_ms, found.measured.ttft_ms, rtol=1e-4)
    assert np.isnan(found.measured.tpot_ms).sum() == (run.output_tokens == 1).sum()


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.3])
def test_the_factor_that_makes_medians_exact_is_that_of_the_server(run: MeasuredRun, factor: float) -> None:
    result = validation.replay(validation.scaled(KNOWN, factor), run)
    of_server = dataclasses.replace(run, ttft_ms=result.ttft_ms, e2e_ms=result.e2e_ms)
    found = validation.compare(KNOWN, of_server)
    assert (found.tpot_factor, found.e2e_factor) == pytest.approx((factor, factor), rel=0.005)
    at_factor = validation.compare(KNOWN, of_server, factor=factor)
    assert [figure.error for figure in at_factor.figures] == pytest.approx([0] * 9, abs=1e-6)


def test_errors_have_signs_and_tolerances_by_percentile(run: MeasuredRun) -> None:
    found = validation.compare(KNOWN, slower(run, 1 / 1.12))
    assert [round(figure.error, 2) for figure in found.figures] == [0.12] * 9
    assert [figure.percentile for figure in found.figures if figure.outside] == [50, 50, 50]
    assert validation.outside([found, validation.compare(KNOWN, run)]) == (3, 18)


def test_a_factor_out_of_reach_is_not_invented(run: MeasuredRun) -> None:
    found = validation.compare(KNOWN, slower(run, 50.0))
    assert math.isnan(found.tpot_factor)
    assert math.isnan(found.e2e_factor)


def test_shares_count_all_requests_and_unfinished_ones_as_missed(run: MeasuredRun) -> None:
    cut = dataclasses.replace(run, finished=np.arange(300) >= 30)
    easy = Objective(target=Decimal("0.9"), e2e_ms=10_000_000)
    strict = Objective(target=Decimal("0.9"), ttft_ms=round(float(np.median(run.ttft_ms))))
    found = validation.compare(KNOWN, cut, objectives=[easy, strict])
    assert (found.compared, found.requests) == (270, 300)
    assert [attained.objective for attained in found.attainments] == [easy, strict]
    assert (found.attainments[0].measured, found.attainments[0].predicted) == (0.9, 1.0)
    assert found.attainments[1].predicted == pytest.approx(0.5, abs=0.02)


def test_what_would_have_ended_after_the_measurement_did_is_missed_in_both(run: MeasuredRun) -> None:
    end_s = float(np.median(run.sent_s + run.e2e_ms / 1000))
    finished = run.sent_s + run.e2e_ms / 1000 <= end_s
    cut = dataclasses.replace(
        run, finished=finished, e2e_ms=np.where(finished, run.e2e_ms, 1000 * (end_s - run.sent_s).clip(0))
    )
    easy = Objective(target=Decimal("0.9"), e2e_ms=10_000_000)
    kept = run.sent_s <= end_s
    shorter = records.MeasuredRun(
        name="cut",
        **{field.name: getattr(cut, field.name)[kept] for field in dataclasses.fields(cut) if field.name != "name"},
    )
    (attained,) = validation.compare(KNOWN, shorter, objectives=[easy]).attainments
    assert attained.predicted == pytest.approx(attained.measured, abs=0.02)
    assert attained.measured < 0.99


def test_an_answer_of_one_token_keeps_a_threshold_of_tpot(tmp_path: pathlib.Path) -> None:
    path = measured.write(tmp_path / "one.csv", "sent,isl,osl,ttft,e2e\n0,10,1,0.02,0.02\n5,10,1,0.02,0.02\n")
    objective = Objective(target=Decimal("0.9"), tpot_ms=1)
    found = validation.compare(KNOWN, records.read_run(path), objectives=[objective])
    assert [(attained.measured, attained.predicted) for attained in found.attainments] == [(1.0, 1.0)]
    tpot = [figure for figure in found.figures if figure.metric == "tpot"]
    assert all(math.isnan(figure.measured_ms) and figure.outside for figure in tpot)
    assert math.isnan(found.tpot_factor)


def test_requests_that_the_engine_refuses_are_not_compared(tmp_path: pathlib.Path) -> None:
    text = "sent,isl,osl,ttft,e2e\n0,20000,5,1.5,1.6\n10,10,5,0.02,0.05\n"
    run = records.read_run(measured.write(tmp_path / "long.csv", text))
    found = validation.compare(KNOWN, run)
    assert (found.requests, found.compared) == (2, 1)


def test_a_batch_beyond_the_profiles_curves_is_told(run: MeasuredRun) -> None:
    curves = KNOWN.forward.model_copy(update={"decode_ms": ((0, 5.0), (2, 5.1))})
    assert validation.compare(KNOWN.model_copy(update={"forward": curves}), run).extrapolated
