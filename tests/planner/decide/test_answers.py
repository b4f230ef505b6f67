"""Lengths learned while answers run: right under censoring, soon right after a jump, and whole whatever comes."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import planning
from tenbin_planner import demand
from tenbin_planner.decide import answers
from tenbin_planner.demand import progress
from tenbin_spec.workload import Lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECLARED = Lengths(mean=400, p95=1200)
PACE = 50.0
"""Tokens per second that an answer brings."""
TICK_S = 15.0


def observed(counts: demand.AnswerCounts | None, class_name: str = "interactive") -> demand.ClassObservation:
    found = planning.gateway({"chat": [1]}).service("chat")[0]
    return dataclasses.replace(found, class_name=class_name, answers=counts)


def counts_at(now_s: float, came_s: NDArray[np.float64], tokens: NDArray[np.int64]) -> demand.AnswerCounts:
    """Return what is counted of answers that each come at `PACE`."""
    brought = np.minimum(np.floor((now_s - came_s) * PACE), tokens).astype(np.int64)[came_s < now_s]
    ended = brought[brought == tokens[came_s < now_s]]
    return demand.AnswerCounts(
        since=0.0,
        ended=tuple(progress.histogram(ended).tolist()),
        passed=tuple(progress.passed(progress.histogram(brought)).tolist()),
    )


def learned(
    came_s: NDArray[np.float64], tokens: NDArray[np.int64], until_s: float, declared: Lengths = DECLARED
) -> answers.LengthsMemory:
    memory = answers.LengthsMemory()
    for now_s in np.arange(TICK_S, until_s + 1e-9, TICK_S).tolist():
        memory = answers.learn(memory, [observed(counts_at(now_s, came_s, tokens))], declared=declared)
    return memory


def lognormal(mean: float, scale: float, count: int, seed: int = 1) -> NDArray[np.int64]:
    normal = np.random.default_rng(seed).standard_normal(count)
    return np.maximum(np.rint(np.exp(math.log(mean) - scale**2 / 2 + scale * normal)), 1).astype(np.int64)


def test_without_anything_seen_lengths_are_the_declared_ones() -> None:
    law = answers.outputs(answers.LengthsMemory(), declared=DECLARED)
    assert law.mean == pytest.approx(400, rel=0.02)
    assert float(law.survival(1200)) == pytest.approx(0.05, abs=0.005)


def test_lengths_are_right_while_most_answers_still_run() -> None:
    came = np.sort(np.random.default_rng(2).uniform(0, 120, 6000))
    tokens = lognormal(4000, 0.8, came.size)
    memory = learned(came, tokens, 120.0)
    ended = counts_at(120.0, came, tokens).ended
    finished_mean = float(np.average((progress.EDGES[:-1] + progress.EDGES[1:]) / 2, weights=ended))
    law = answers.outputs(memory, declared=Lengths(mean=3000, p95=9000))
    assert finished_mean < 2600
    for so_far in (500, 1000, 2000, 4000):
        assert float(law.survival(so_far)) == pytest.approx(float((tokens > so_far).mean()), abs=0.04)


@pytest.mark.parametrize(("before", "after"), [(500, 1500), (1500, 500)])
def test_after_a_jump_the_mean_is_right_within_two_lifetimes(before: int, after: int) -> None:
    came = np.arange(0, 900, 0.03)
    tokens = np.where(came < 600, lognormal(before, 0.8, came.size), lognormal(after, 0.8, came.size, seed=4))
    lifetime_s = max(before, after) / PACE
    memory = learned(came, tokens, 600.0)
    assert answers.outputs(memory, declared=DECLARED).mean == pytest.approx(before, rel=0.07)
    for now_s in np.arange(600 + TICK_S, 600 + 2 * lifetime_s + 1, TICK_S).tolist():
        memory = answers.learn(memory, [observed(counts_at(now_s, came, tokens))], declared=DECLARED)
    assert answers.outputs(memory, declared=DECLARED).mean == pytest.approx(after, rel=0.1)
    assert answers.weights(memory)[0] < 0.05


def test_lengths_that_stay_are_known_well() -> None:
    came = np.arange(0, 4000, 0.1)
    tokens = lognormal(600, 0.9, came.size, seed=7)
    memory, means = answers.LengthsMemory(), []
    for now_s in np.arange(TICK_S, 4000, TICK_S).tolist():
        memory = answers.learn(memory, [observed(counts_at(now_s, came, tokens))], declared=DECLARED)
        means.append(answers.outputs(memory, declared=DECLARED).mean)
    settled = np.array(means[len(means) // 2 :])
    assert settled.mean() == pytest.approx(600, rel=0.02)
    assert settled.std() < 0.025 * 600
    assert len(json.dumps(memory.to_plain())) < 8000


@pytest.mark.parametrize("length", [1, 7, 100, 5000])
def test_answers_of_one_length_have_that_length(length: int) -> None:
    came = np.arange(0, 600, 0.2)
    memory = learned(came, np.full(came.size, length), 600.0)
    assert answers.outputs(memory, declared=DECLARED).mean == pytest.approx(length, rel=0.09, abs=0.2)


MEMORIES = st.builds(
    learned,
    st.just(np.arange(0, 60, 0.5)),
    st.lists(st.integers(1, 20_000), min_size=120, max_size=120).map(np.array),
    st.just(60.0),
)
UNIFORMS = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20).map(
    lambda found: np.array(sorted(found))
)


@settings(max_examples=30, deadline=None)
@given(MEMORIES, UNIFORMS, st.integers(0, 3_000_000))
def test_what_is_to_come_is_whole_rises_with_its_number_and_is_at_least_one(
    memory: answers.LengthsMemory, uniforms: NDArray[np.float64], so_far: int
) -> None:
    law = answers.outputs(memory, declared=DECLARED)
    rest = law.remaining(so_far, uniforms)
    assert rest.min() >= 1
    assert (np.diff(rest) >= 0).all()
    assert so_far + rest.max() <= max(progress.LONGEST, so_far + 1)
    assert law.remaining(np.full(uniforms.shape, so_far), uniforms).tolist() == rest.tolist()
    assert law.mean_remaining(so_far) >= 1


@settings(max_examples=20, deadline=None)
@given(MEMORIES, st.sampled_from([0, 3, 50, 700, 9000]))
def test_samples_are_of_the_survival_given_what_has_come(memory: answers.LengthsMemory, so_far: int) -> None:
    law = answers.outputs(memory, declared=DECLARED)
    uniforms = (np.arange(20_000) + 0.5) / 20_000
    rest = law.remaining(so_far, uniforms)
    for more in (1, 10, 100, 1000):
        given_so_far = float(law.survival(so_far + more) / law.survival(so_far))
        assert float((rest > more).mean()) == pytest.approx(given_so_far, abs=1e-3)
    assert float(rest.mean()) == pytest.approx(float(law.mean_remaining(so_far)), rel=0.03)
    if so_far == 0:
        assert law.mean == pytest.approx(float(law.mean_remaining(0)))


@settings(max_examples=20, deadline=None)
@given(MEMORIES)
def test_what_is_written_is_read_back(memory: answers.LengthsMemory) -> None:
    assert answers.from_plain(json.loads(json.dumps(memory.to_plain()))) == memory


@pytest.mark.parametrize(
    "change",
    [
        {"speeds": []},
        {"speeds": [[[1.0], [1.0], 1.0]] * 3},
        {"speeds": [[[math.nan], [], 0.0]] * 3},
        {"ended": [-1]},
        {"passed": [0] * 1000},
        {"ended": "many"},
        {"passed": None},
    ],
)
def test_what_was_not_written_so_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="memory of lengths"):
        answers.from_plain({**answers.LengthsMemory().to_plain(), **change})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 10**12])
def test_a_hostile_count_teaches_nothing(value: Any) -> None:
    came = np.arange(0, 300, 0.2)
    tokens = lognormal(500, 0.8, came.size)
    memory = learned(came, tokens, 300.0)
    counts = counts_at(315.0, came, tokens)
    for changed in (
        dataclasses.replace(counts, ended=(value, *counts.ended[1:])),
        dataclasses.replace(counts, passed=(*counts.passed[:-1], value)),
        dataclasses.replace(counts, since=math.nan),
        dataclasses.replace(counts, ended=counts.ended[:-1]),
        None,
    ):
        assert answers.learn(memory, [observed(changed)], declared=DECLARED) == memory


def test_counters_that_begin_anew_are_not_taken_for_more_answers() -> None:
    came = np.arange(0, 600, 0.2)
    tokens = lognormal(500, 0.8, came.size)
    memory = learned(came, tokens, 300.0)
    anew = dataclasses.replace(counts_at(600.0, came, tokens), since=300.0)
    first = answers.learn(memory, [observed(anew)], declared=DECLARED)
    assert first.speeds == memory.speeds
    assert answers.learn(first, [observed(anew)], declared=DECLARED) == first


def test_counts_that_fall_and_rise_again_count_once() -> None:
    came = np.arange(0, 600, 0.2)
    tokens = lognormal(500, 0.8, came.size)
    memory = learned(came, tokens, 300.0)
    fallen = answers.learn(memory, [observed(counts_at(285.0, came, tokens))], declared=DECLARED)
    assert answers.learn(fallen, [observed(counts_at(300.0, came, tokens))], declared=DECLARED) == memory


def test_prompts_have_the_declared_shape_and_the_observed_mean() -> None:
    uniforms = (np.arange(5000) + 0.5) / 5000
    law = answers.inputs(declared=Lengths(mean=1000, p95=3000), mean=250.0)
    drawn = law.sample(uniforms)
    assert drawn.mean() == pytest.approx(250, rel=0.03)
    assert float(np.percentile(drawn, 95)) == pytest.approx(750, rel=0.05)
    for hostile in (None, math.nan, -5.0, 0.0, 1e12):
        found = answers.inputs(declared=Lengths(mean=1000, p95=3000), mean=hostile)
        assert found.mean == pytest.approx(1000, rel=0.02)
