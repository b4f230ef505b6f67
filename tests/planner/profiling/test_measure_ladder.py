"""A sweep asks for what the engine can do, over its whole range, whatever its limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.profiling import measure_ladder
from tenbin_spec.profiles import EngineLimits

H200 = EngineLimits(max_num_seqs=1024, max_num_batched_tokens=8192, kv_blocks=57509, block_size=16, max_model_len=32768)


@st.composite
def limits(draw: st.DrawFn) -> EngineLimits:
    length = draw(st.integers(64, 200_000))
    sequences = draw(st.integers(1, 600))
    block = draw(st.sampled_from([1, 16, 64]))
    return EngineLimits(
        max_num_seqs=sequences,
        max_num_batched_tokens=draw(st.integers(sequences, 20_000)),
        kv_blocks=-(-length // block) * draw(st.integers(1, 40)),
        block_size=block,
        max_model_len=length,
    )


@given(limits())
def test_lone_prompts_rise_from_one_token_and_leave_room_for_an_answer(bounds: EngineLimits) -> None:
    lengths = measure_ladder.lone_lengths(bounds)
    assert lengths[0] == 1
    assert list(lengths) == sorted(set(lengths))
    assert lengths[-1] < bounds.max_model_len
    budget = bounds.max_num_batched_tokens
    assert min(budget, bounds.max_model_len - 1) in lengths
    assert all(length % budget == 0 for length in lengths if length > budget)


@given(limits(), st.integers(2, 50), st.integers(1, 2000))
def test_staircases_fit_into_the_cache_and_the_model_and_end_with_one(
    bounds: EngineLimits, passes: int, max_batch: int
) -> None:
    stairs = measure_ladder.staircases(bounds, passes=passes, max_batch=max_batch)
    for stair in stairs:
        assert list(stair.batches) == sorted(set(stair.batches), reverse=True)
        assert stair.batches[-1] == 1
        assert stair.batches[0] <= min(max_batch, bounds.max_num_seqs)
        tokens = stair.prompt_tokens + stair.output_tokens
        assert stair.prompt_tokens >= 1
        assert tokens <= bounds.max_model_len
        assert stair.batches[0] * -(-tokens // bounds.block_size) <= bounds.kv_blocks
    lengths = [stair.prompt_tokens for stair in stairs]
    assert lengths == sorted(lengths)


@given(limits())
def test_bursts_fill_a_pass_and_no_more(bounds: EngineLimits) -> None:
    for burst in measure_ladder.bursts(bounds):
        assert burst.prompts <= bounds.max_num_seqs
        assert 1 <= burst.tokens < bounds.max_model_len
        assert burst.prompts * burst.tokens <= bounds.max_num_batched_tokens
        assert burst.prompts * (burst.tokens + 1) > bounds.max_num_batched_tokens


def test_a_large_engine_is_spanned() -> None:
    assert measure_ladder.lone_lengths(H200) == (
        *(1, 32, 64, 128, 256, 512, 1024, 2048, 4096),
        *(8192, 16384, 24576),
    )
    stairs = measure_ladder.staircases(H200, passes=40, max_batch=1024)
    assert [(stair.prompt_tokens, stair.batches[0]) for stair in stairs] == [
        (16, 594),
        (512, 479),
        (2048, 268),
        (8192, 92),
        (32209, 25),
    ]


@pytest.mark.parametrize(("longest", "expected"), [(100, (1, 32, 64, 99)), (8193, None)])
def test_a_model_shorter_than_a_pass_is_measured_to_its_end(longest: int, expected: tuple[int, ...] | None) -> None:
    lengths = measure_ladder.lone_lengths(H200.model_copy(update={"max_model_len": longest}))
    assert lengths == (expected or (1, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192))
