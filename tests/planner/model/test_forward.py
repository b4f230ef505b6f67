"""Time of a forward pass: the formula by hand, its laws, and the chunks of a prompt."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model import forward
from tenbin_spec import catalogue
from tenbin_spec.profiles import EngineProfile, ForwardPass

COST = ForwardPass(
    base_ms=20.0, per_sequence_ms=0.5, per_kv_token_ms=0.001, per_prefill_token_ms=0.1, per_prefill_context_ms=0.00001
)
WORK = ("decode_sequences", "kv_tokens", "prefill_tokens", "prefill_context")
amounts = st.fixed_dictionaries(dict.fromkeys(WORK, st.floats(0, 1e7)))


@pytest.mark.parametrize(
    ("work", "expected_ms"),
    [
        pytest.param((0, 0, 0, 0), 20.0, id="a pass without work costs the base"),
        pytest.param((4, 2000, 0, 0), 24.0, id="4 decodes over 2000 tokens add 4 * 0.5 + 2000 * 0.001"),
        pytest.param((0, 0, 300, 45_000), 50.45, id="a prompt of 300 adds 30 and 300**2 / 2 * 0.00001"),
        pytest.param((4, 2000, 300, 45_000), 54.45, id="both in one pass share the base"),
    ],
)
def test_a_pass_takes_the_sum_of_its_work(work: tuple[float, ...], expected_ms: float) -> None:
    assert forward.pass_ms(COST, **dict(zip(WORK, work, strict=True))) == pytest.approx(expected_ms)


def test_arrays_give_the_times_of_many_passes() -> None:
    work = {name: np.array([0.0, 3.0, 700.0]) for name in WORK}
    each = [forward.pass_ms(COST, **{name: float(column[row]) for name, column in work.items()}) for row in range(3)]
    assert forward.pass_ms(COST, **work).tolist() == pytest.approx(each)


@given(amounts, st.sampled_from(WORK), st.floats(0, 1e7))
def test_more_work_never_takes_less_time(work: dict[str, float], more_of: str, more: float) -> None:
    heavier = {**work, more_of: work[more_of] + more}
    assert forward.pass_ms(COST, **heavier) >= forward.pass_ms(COST, **work) >= COST.base_ms


@given(st.integers(1, 5000), st.lists(st.integers(1, 5000), max_size=8))
def test_the_context_of_a_prompt_is_the_same_however_it_is_cut(tokens: int, cuts: list[int]) -> None:
    edges = sorted({0, tokens, *(cut for cut in cuts if cut < tokens)})
    chunks = itertools.pairwise(edges)
    assert sum(forward.chunk_context(end - start, start) for start, end in chunks) == pytest.approx(tokens**2 / 2)


@pytest.mark.parametrize("profile", catalogue.profiles().values(), ids=lambda profile: str(profile.name))
def test_the_longest_pass_of_a_catalogue_profile_is_finite_and_no_shorter_than_a_full_one(
    profile: EngineProfile,
) -> None:
    full_prefill = forward.pass_ms(
        profile.forward,
        decode_sequences=0.0,
        kv_tokens=0.0,
        prefill_tokens=float(profile.limits.max_num_batched_tokens),
        prefill_context=forward.chunk_context(profile.limits.max_num_batched_tokens, 0),
    )
    assert full_prefill < forward.longest_pass_ms(profile) < 10_000
