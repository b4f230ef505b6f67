"""Engine logs become sums of passes between true stamps, with the KV tokens that the log does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import measured
from tenbin_planner.profiling import engine_logs, errors, reading

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from tenbin_planner.model.measurements import Measurements

HEADER = "t,ctx_req,ctx_tok,gen_req,gen_tok,wait_ms"
Row = tuple[float, int, int, int, float]


def sums(folder: pathlib.Path, rows: Sequence[Row], leave_out: Sequence[tuple[float, float]] = ()) -> Measurements:
    text = measured.table_text(HEADER, [(t, req, tok, gen, gen, wait) for t, req, tok, gen, wait in rows])
    (passes,) = reading.read([measured.write(folder / "log.csv", text)], leave_out).passes
    return passes


START: list[Row] = [(10.0, 2, 800, 0, 5.0), (10.01, 0, 0, 2, 3.0)]


def test_a_pass_between_two_true_stamps_is_measured(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [*START, (10.02, 0, 0, 2, 3.0)])
    assert passes.ms.tolist() == pytest.approx([10, 10])
    assert passes.decode_sequences.tolist() == [2, 2]
    assert passes.kv_tokens.tolist() == [802, 804]
    assert set(passes.kinds) == {engine_logs.DECODES}
    assert passes.places == ("log.csv line 3 to 3", "log.csv line 4 to 4")


def test_late_stamps_are_summed_over(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [*START, (10.05, 0, 0, 2, 0.1), (10.06, 1, 300, 2, 0.02), (10.08, 0, 0, 3, 4.0)])
    assert passes.ms.tolist() == pytest.approx([10, 70])
    assert passes.of.tolist() == [0, 1, 1, 1]
    assert passes.prefill_tokens.tolist() == [0, 0, 300, 0]
    assert passes.prefill_context.tolist() == [0, 0, 45_000, 0]
    assert passes.kv_tokens.tolist() == [802, 804, 806, 806 + 300 + 3]
    assert passes.kinds == (engine_logs.DECODES, engine_logs.PROMPTS)


def test_prompts_of_one_pass_share_its_context(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [*START, (10.1, 4, 400, 2, 9.0)])
    assert passes.prefill_context[-1] == 4 * 100**2 / 2


def test_finished_sequences_take_the_mean_context_with_them(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [*START, (10.02, 0, 0, 1, 3.0)])
    assert passes.kv_tokens.tolist() == [802, 401 + 1]


def test_idle_time_is_in_no_sum(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [*START, (10.5, 1, 100, 0, 5.0), (10.51, 0, 0, 1, 3.0)])
    assert passes.ms.tolist() == pytest.approx([10, 10]), "the prompt at 10.5 came to an idle engine"
    assert passes.kv_tokens.tolist() == [802, 101]


def test_a_full_pass_of_prompts_goes_on_without_idle_time(tmp_path: pathlib.Path) -> None:
    passes = sums(tmp_path, [(10.0, 1, 800, 0, 5.0), (10.2, 1, 800, 0, 5.0), (10.3, 1, 400, 0, 5.0)])
    assert passes.ms.tolist() == pytest.approx([200, 100])


def test_after_a_gap_nothing_is_known_until_no_old_decode_is_left(tmp_path: pathlib.Path) -> None:
    rows: list[Row] = [
        *START,
        (20.0, 0, 0, 7, 3.0),
        (20.01, 0, 0, 7, 3.0),
        (20.02, 1, 50, 0, 3.0),
        (20.03, 0, 0, 1, 3.0),
    ]
    passes = sums(tmp_path, rows)
    assert passes.places == ("log.csv line 3 to 3", "log.csv line 7 to 7")
    assert passes.kv_tokens.tolist() == [802, 51]


def test_stretches_that_are_left_out_are_in_no_sum(tmp_path: pathlib.Path) -> None:
    rows = [*START, *((10.02 + step / 100, 0, 0, 2, 3.0) for step in range(10))]
    passes = sums(tmp_path, rows, [(10.045, 10.075)])
    assert [place.split()[-1] for place in passes.places] == ["3", "4", "5", "6"], "and none after: contexts are lost"
    text = measured.table_text(HEADER, [(t, req, tok, gen, gen, wait) for t, req, tok, gen, wait in rows])
    data = reading.read([measured.write(tmp_path / "log.csv", text)], [(10.045, 10.075)])
    assert [(left.place, left.why) for left in data.left_out] == [("log.csv 10.045 to 10.075 s", "left out as asked")]


def test_a_log_with_impossible_counts_is_refused(tmp_path: pathlib.Path) -> None:
    path = measured.write(tmp_path / "log.csv", f"{HEADER}\n1,0,-5,0,0,1\n2,0.5,0,0,0,nan\n")
    with pytest.raises(errors.DataError) as refused:
        reading.read([path])
    assert str(refused.value) == (
        f"{path} has 3 problems:\n"
        "  - line 3, ctx_req: '0.5'; allowed is a whole number from 0 to 1e+09\n"
        "  - line 2, ctx_tok: '-5'; allowed is a whole number from 0 to 1e+09\n"
        "  - line 3, wait_ms: 'nan'; allowed is a number from 0"
    )
