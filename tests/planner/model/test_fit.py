"""Curves come back from times that they made: exact, noisy, summed, with outliers; what cannot be is refused."""

from __future__ import annotations

import dataclasses
import itertools
import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from support import measured
from tenbin_planner.model import fit
from tenbin_planner.model.measurements import MeasurementError, Measurements
from tenbin_spec.profiles import ForwardPass, curve_ms

KNOWN = measured.known_profile()
MIXED = [(20, 30_000, 900, 400_000), (20, 30_020, 0, 0), (21, 30_500, 0, 0)]


def assert_alike(found: ForwardPass, known: ForwardPass, within: float) -> None:
    """Passes of all kinds take the same time, the grid's and those between its points."""
    for decodes, kv, tokens, context in [
        *((batch, batch * 700.0, 0, 0.0) for batch in (1, 3, 20, 100, 256)),
        *((0, 0.0, tokens, tokens**2 / 2) for tokens in (20, 200, 700, 2048)),
        (100, 90_000.0, 1900, 5e6),
    ]:
        expected = _ms(known, decodes, kv, tokens, context)
        assert _ms(found, decodes, kv, tokens, context) == pytest.approx(expected, rel=within)


def _ms(forward: ForwardPass, decodes: float, kv: float, tokens: float, context: float) -> float:
    ms = curve_ms(forward.decode_ms, decodes) + curve_ms(forward.kv_ms, kv)
    return ms + (curve_ms(forward.prefill_ms, tokens) + forward.per_prefill_context_ms * context if tokens else 0.0)


def test_exact_times_give_back_the_curves() -> None:
    assert_alike(fit.forward_pass(measured.measurements(KNOWN, measured.grid())), KNOWN.forward, within=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_noisy_times_give_back_the_curves(seed: int) -> None:
    exact = measured.measurements(KNOWN, measured.grid() * 3)
    noise = np.random.default_rng(seed).normal(1, 0.01, exact.ms.size)
    assert_alike(fit.forward_pass(measured.with_times(exact, exact.ms * noise)), KNOWN.forward, within=0.03)


def test_times_that_are_far_off_lose_their_weight() -> None:
    exact = measured.measurements(KNOWN, measured.grid() * 3)
    factors = np.ones(exact.ms.size)
    factors[[3, 30, 50, 80]] = (4.0, 0.2, 3.0, 0.1)
    assert_alike(fit.forward_pass(measured.with_times(exact, exact.ms * factors)), KNOWN.forward, within=0.03)


def test_sums_of_passes_are_as_good_as_single_ones() -> None:
    sums = [[*first, *second] for first in measured.grid()[::2] for second in measured.grid()[1::3]]
    passes = measured.measurements(KNOWN, [*sums, *measured.grid()[:2], *measured.grid()[-2:], MIXED])
    assert_alike(fit.forward_pass(passes), KNOWN.forward, within=0.02)


def test_knots_are_powers_of_two_up_to_the_largest_amount() -> None:
    knots = fit.choose_knots(measured.measurements(KNOWN, measured.grid() * 2))
    assert knots.decode.tolist() == [0, 4, 8, 16, 32, 64, 128, 256]
    assert knots.kv.tolist() == [0, 1_024_000]
    assert knots.prefill.tolist() == [0, 32, 64, 128, 256, 512, 1024, 2048]


def test_a_knot_needs_two_measurements_since_the_one_before() -> None:
    decodes = measured.grid()[: len(measured.BATCHES) * len(measured.CONTEXTS)]
    lone = [[(0, 0, tokens, tokens**2 / 2)] for tokens in (20, 40, 60, 100, 200, 250, 2048)]
    knots = fit.choose_knots(measured.measurements(KNOWN, [*decodes, *lone]))
    assert knots.prefill.tolist() == [0, 64, 256, 2048], (
        "one prompt up to 32, one from 64 to 128, none from 256 to 1024"
    )


def test_where_nothing_was_measured_a_curve_goes_straight_on() -> None:
    large = [row for row in measured.grid() if row[0][0] in {0, 128, 256}]
    forward = fit.forward_pass(measured.measurements(KNOWN, large))
    slope = (curve_ms(forward.decode_ms, 256) - curve_ms(forward.decode_ms, 128)) / 128
    assert curve_ms(forward.decode_ms, 40) == pytest.approx(curve_ms(forward.decode_ms, 128) - 88 * slope, rel=0.01)


def test_residuals_say_how_far_each_measurement_is_and_kinds_sum_them_up() -> None:
    exact = measured.measurements(KNOWN, measured.grid()[:3], kind="decode")
    late = measured.measurements(KNOWN, measured.grid()[-2:], kind="lone")
    late = measured.with_times(late, late.ms * [1.25, 2.0])
    found = fit.residuals(KNOWN.forward, Measurements.joined([exact, late]))
    assert [round(residual.error, 6) for residual in found] == [0, 0, 0, -0.2, -0.5]
    decode, lone = fit.by_kind(found)
    assert (decode.kind, decode.count, round(decode.worst, 9)) == ("decode", 3, 0)
    assert (lone.kind, lone.count, lone.worst_place) == ("lone", 2, "row 1")
    assert (lone.bias, lone.median, lone.p90, lone.worst) == pytest.approx((-0.35, 0.35, 0.47, -0.5))


@hypothesis.given(st.lists(st.floats(0.01, 1e4), min_size=30, max_size=30))
@hypothesis.settings(max_examples=30)
def test_no_curve_ever_falls_whatever_was_measured(times: list[float]) -> None:
    passes = measured.measurements(KNOWN, measured.grid())
    forward = fit.forward_pass(measured.with_times(passes, (times * 2)[: passes.ms.size]))
    for curve in (forward.decode_ms, forward.kv_ms, forward.prefill_ms):
        assert all(later >= before >= 0 for (_, before), (_, later) in itertools.pairwise(curve))
    assert forward.per_prefill_context_ms >= 0


def broken(**columns: list[float]) -> Measurements:
    """The grid with one or more values at its start replaced."""
    passes = measured.measurements(KNOWN, measured.grid())
    changed = {}
    for name, values in columns.items():
        changed[name] = getattr(passes, name).copy()
        changed[name][: len(values)] = values
    return dataclasses.replace(passes, **changed)


@pytest.mark.parametrize(
    ("passes", "problems"),
    [
        (
            broken(ms=[math.nan, -1.0, 0.0, math.inf]),
            [
                f"row {row}: ms is {value}; allowed are numbers above 0"
                for row, value in enumerate(("nan", "-1", "0", "inf"))
            ],
        ),
        (
            broken(kv_tokens=[-5.0], prefill_context=[math.nan]),
            [
                "row 0: kv_tokens is -5; allowed are numbers from 0 to 1e+09",
                "row 0: prefill_context is nan; allowed are numbers from 0 to 1e+18",
                "row 0: a pass reads fewer KV tokens than it has decode sequences; each reads one or more",
            ],
        ),
        (
            broken(decode_sequences=[0.0, 1e10]),
            [
                "row 1: decode_sequences is 1e+10; allowed are numbers from 0 to 1e+09",
                "row 0: a pass computes nothing; allowed are decode_sequences or prefill_tokens above 0",
                "row 1: a pass reads fewer KV tokens than it has decode sequences; each reads one or more",
                "row 0: a pass reads KV tokens without a decode sequence",
            ],
        ),
        (
            broken(prefill_tokens=[64.0], prefill_context=[10.0, 10.0]),
            [
                "row 0: a pass has a prefill context below half its prefill tokens; each token is one",
                "row 1: a pass has a prefill context without prefill tokens",
            ],
        ),
        (
            measured.measurements(KNOWN, measured.grid()[-3:]),
            [
                "passes that only decode are of 0 batch sizes; needed are 2 or more",
                "passes that compute prompts are of 1 sizes; needed are 2 or more",
            ],
        ),
        (
            measured.measurements(KNOWN, [[(batch, 50 * batch, 0, 0)] for batch in (1, 2, 4, 8)]),
            [
                (
                    "batch size and KV tokens of the passes that only decode rise together; needed is a batch size at "
                    "two lengths of context or more"
                ),
                "passes that compute prompts are of 0 sizes; needed are 2 or more",
            ],
        ),
    ],
    ids=["times", "amounts", "nothing-to-compute", "contexts", "no-decodes", "one-context"],
)
def test_measurements_that_cannot_be_are_refused_with_all_their_rows(passes: Measurements, problems: list[str]) -> None:
    with pytest.raises(MeasurementError) as refused:
        fit.forward_pass(passes)
    assert list(refused.value.problems) == problems
    noun = "problem" if len(problems) == 1 else "problems"
    lines = [f"the measurements have {len(problems)} {noun}:", *(f"  - {problem}" for problem in problems)]
    assert str(refused.value) == "\n".join(lines)


def test_a_time_without_passes_is_refused() -> None:
    passes = measured.measurements(KNOWN, measured.grid())
    alone = dataclasses.replace(
        passes,
        ms=np.append(passes.ms, 5.0),
        trust=np.append(passes.trust, 1.0),
        kinds=(*passes.kinds, "pass"),
        places=(*passes.places, "row 37"),
    )
    with pytest.raises(MeasurementError, match="row 37: no pass belongs to this time; allowed are one or more"):
        fit.forward_pass(alone)


def test_a_long_list_of_problems_is_cut_and_counted() -> None:
    with pytest.raises(MeasurementError) as refused:
        fit.forward_pass(broken(ms=[0.0] * 30))
    assert str(refused.value).splitlines()[0] == "the measurements have 30 problems:"
    assert str(refused.value).splitlines()[-1] == "  - and 20 more"
