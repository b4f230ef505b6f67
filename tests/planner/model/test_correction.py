"""The correction of step times follows the machine, not its hiccups, and stays within its bounds."""

from __future__ import annotations

import math

import hypothesis
import pytest
from hypothesis import strategies as st
from tenbin_planner.model import correction
from tenbin_planner.model.correction import Correction

TIMES = st.floats(1e-3, 1e6)
OBSERVATIONS = st.lists(st.tuples(TIMES, TIMES), max_size=60)


def after(observations: list[tuple[float, float]], start: Correction | None = None) -> Correction:
    state = start or Correction()
    for observed_ms, predicted_ms in observations:
        state = state.updated(observed_ms=observed_ms, predicted_ms=predicted_ms)
    return state


def test_without_evidence_nothing_is_corrected() -> None:
    assert (Correction().factor, Correction().at_bound, Correction().evidence_ms) == (1.0, False, 0.0)


@hypothesis.given(OBSERVATIONS)
def test_the_factor_stays_within_its_bounds_and_the_evidence_finite(observations: list[tuple[float, float]]) -> None:
    state = after(observations)
    assert correction.LOWEST <= state.factor <= correction.HIGHEST
    assert 0 <= state.evidence_ms < math.inf


@hypothesis.given(OBSERVATIONS, TIMES, st.floats(1.0, 10.0))
def test_a_longer_observation_never_gives_a_smaller_factor(
    observations: list[tuple[float, float]], predicted_ms: float, times: float
) -> None:
    state = after(observations)
    shorter = state.updated(observed_ms=predicted_ms, predicted_ms=predicted_ms)
    longer = state.updated(observed_ms=times * predicted_ms, predicted_ms=predicted_ms)
    assert longer.factor >= shorter.factor - 1e-12


@hypothesis.given(OBSERVATIONS, st.floats(0.75, 1.4))
def test_whatever_came_before_it_comes_to_the_true_ratio(observations: list[tuple[float, float]], ratio: float) -> None:
    state = after([(ratio * 1000, 1000.0)] * 3000, after(observations))
    expected = ratio ** (state.evidence_ms / (state.evidence_ms + correction.PRIOR_MS))
    assert state.factor == pytest.approx(expected, rel=0.005)


def test_much_evidence_counts_more_than_a_little() -> None:
    little, much = after([(1200.0, 1000.0)]), after([(1200.0, 1000.0)] * 60)
    assert 1.0 < little.factor < 1.05
    assert 1.1 < much.factor < 1.2


def test_a_single_stall_moves_it_little() -> None:
    settled = after([(1000.0, 1000.0)] * 120)
    stalled = settled.updated(observed_ms=60_000.0, predicted_ms=1000.0)
    assert settled.factor == pytest.approx(1.0)
    assert stalled.factor == pytest.approx(1.0, abs=0.004)


def test_a_lasting_change_is_followed() -> None:
    settled = after([(1000.0, 1000.0)] * 600)
    assert after([(1300.0, 1000.0)] * 60, settled).factor == pytest.approx(1.13, abs=0.03)
    assert after([(1300.0, 1000.0)] * 300, settled).factor == pytest.approx(1.26, abs=0.03)


@pytest.mark.parametrize(("ratio", "bound"), [(5.0, correction.HIGHEST), (0.2, correction.LOWEST)])
def test_a_profile_of_another_machine_is_told_by_the_bound_and_is_left_again(ratio: float, bound: float) -> None:
    wrong = after([(ratio * 1000, 1000.0)] * 600)
    assert (wrong.factor, wrong.at_bound) == (bound, True)
    assert not after([(1000.0, 1000.0)] * 120, wrong).at_bound


def test_parts_of_an_observation_say_what_the_whole_says() -> None:
    whole = after([(4400.0, 4000.0)] * 10)
    parts = after([(1100.0, 1000.0)] * 40)
    assert parts.factor == pytest.approx(whole.factor, rel=0.002)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["observed_ms", "predicted_ms"])
def test_times_that_cannot_be_are_refused(name: str, value: float) -> None:
    times = {"observed_ms": 1.0, "predicted_ms": 1.0, name: value}
    with pytest.raises(ValueError, match="allowed are finite numbers above 0") as refused:
        Correction().updated(**times)
    assert str(refused.value) == f"{name} is {value}; allowed are finite numbers above 0"
