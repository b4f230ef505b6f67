"""Time of a forward pass as the kernels compute it: the profile's curves, and never less for more work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model import advancing, state
from tenbin_spec import catalogue, profiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]

NAMES = sorted(catalogue.profiles())
shares = st.floats(0, 1)


def pass_ms(profile: EngineProfile, decodes: int, kv_tokens: int, prefill_tokens: int, context: float) -> float:
    return advancing.pass_ms(state.model_of((profile,)), 0, decodes, kv_tokens, prefill_tokens, context)


@pytest.mark.parametrize(
    ("work", "expected_ms"),
    [
        pytest.param((0, 0, 0, 0.0), 20.0, id="a pass without work costs what every pass does"),
        pytest.param((4, 2000, 0, 0.0), 24.0, id="4 decodes over 2000 tokens add 4 * 0.5 + 2000 * 0.001"),
        pytest.param((0, 0, 100, 5000.0), 30.05, id="a prompt of 100 adds 10 and 100**2 / 2 * 0.00001"),
        pytest.param((4, 2000, 100, 5000.0), 34.05, id="both in one pass share the base"),
    ],
)
def test_a_pass_takes_the_sum_of_its_work(
    by_hand: Profiles, work: tuple[int, int, int, float], expected_ms: float
) -> None:
    profile = by_hand(base_ms=20.0, per_sequence_ms=0.5, per_kv_token_ms=0.001, per_prefill_context_ms=0.00001)
    assert pass_ms(profile, *work) == pytest.approx(expected_ms)


def test_only_a_pass_that_computes_prompts_pays_for_the_first_of_their_tokens(by_hand: Profiles) -> None:
    profile = by_hand(prefill_ms=[(0, 7.0), (100, 8.0)])
    assert (pass_ms(profile, 1, 0, 0, 0.0), pass_ms(profile, 1, 0, 1, 0.0)) == pytest.approx((11.0, 18.01))


@given(st.sampled_from(NAMES), shares, shares, shares)
def test_the_curves_of_a_profile_are_read_to_the_last_bit_that_matters(
    name: str, decodes: float, kv_tokens: float, prefill: float
) -> None:
    profile = catalogue.profiles()[name]
    limits, forward = profile.limits, profile.forward
    work = (
        int(decodes * limits.max_num_seqs),
        int(kv_tokens * limits.kv_tokens),
        int(prefill * limits.max_num_batched_tokens),
    )
    expected = profiles.curve_ms(forward.decode_ms, work[0]) + profiles.curve_ms(forward.kv_ms, work[1])
    if work[2]:
        expected += profiles.curve_ms(forward.prefill_ms, work[2]) + forward.per_prefill_context_ms * 1000.0
    assert pass_ms(profile, *work, 1000.0) == pytest.approx(expected, rel=1e-12)


@given(st.sampled_from(NAMES), st.lists(shares, min_size=4, max_size=4), st.integers(0, 3), shares)
def test_more_work_never_takes_less_time(name: str, parts: list[float], more_of: int, more: float) -> None:
    profile = catalogue.profiles()[name]
    limits = profile.limits
    most = (limits.max_num_seqs, limits.kv_tokens, limits.max_num_batched_tokens, 10**8)
    more_parts = [max(part, more) if place == more_of else part for place, part in enumerate(parts)]
    light, heavy = ([int(part * top) for part, top in zip(shared, most, strict=True)] for shared in (parts, more_parts))
    assert pass_ms(profile, *heavy) >= pass_ms(profile, *light) > 0
