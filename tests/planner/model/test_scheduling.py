"""When tokens come, case by case, each computed by hand; the simulator and its slow reference must both get there.

The profile of `by_hand`: a pass takes 10 ms + 1 ms per decode + 0.1 ms per prompt token; at most 4 sequences and 100
tokens a pass, 100 KV blocks of 10 tokens, nothing for the API process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.reference_simulator import fleet as reference
from tenbin_planner.model import arrivals, fleet, lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]
    Serve = Callable[..., list[tuple[float, float]]]


@pytest.fixture(params=["compiled", "reference"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Send rows of (arrival in ms, prompt, answer, cached tokens) to one replica: first and last token in ms."""

    def times(profile: EngineProfile, *rows: tuple[float, ...]) -> list[tuple[float, float]]:
        columns = [list(column) for column in zip(*((*row, 0)[:4] for row in rows), strict=True)]
        asked = arrivals.Arrivals.of([at / 1000 for at in columns[0]], *columns[1:3], cached_tokens=columns[3])
        replicas = lives.fixed(profile, 1)
        if request.param == "reference":
            slow = reference.simulate(asked, replicas)
            return list(zip(slow.first_ms, slow.last_ms, strict=True))
        fast = fleet.simulate(asked, replicas)
        begun = asked.arrival_s * 1000
        return list(zip((begun + fast.ttft_ms).tolist(), (begun + fast.e2e_ms).tolist(), strict=True))

    return times


def near(*times: tuple[float, float]) -> list[Any]:
    return [pytest.approx(pair, abs=1e-6) for pair in times]


def test_a_lone_request_computes_its_prompt_and_then_decodes(by_hand: Profiles, serve: Serve) -> None:
    # Prompt 10 + 100 * 0.1 = 20; each further token 10 + 1 = 11.
    assert serve(by_hand(), (0, 100, 3)) == near((20, 42))


def test_a_long_prompt_is_computed_in_chunks_of_the_token_budget(by_hand: Profiles, serve: Serve) -> None:
    # 250 tokens in chunks of 100, 100, 50: 20 + 20 + 15.
    assert serve(by_hand(), (0, 250, 1)) == near((55, 55))


def test_chunks_pay_for_what_was_computed_before_them(by_hand: Profiles, serve: Serve) -> None:
    # Context 100 * 50 and 50 * (100 + 25): together 150**2 / 2 = 11,250, so 11.25 ms more than 20 + 15.
    assert serve(by_hand(per_prefill_context_ms=0.001), (0, 150, 1)) == near((46.25, 46.25))


def test_an_idle_replica_starts_when_the_request_comes(by_hand: Profiles, serve: Serve) -> None:
    assert serve(by_hand(), (0, 100, 1), (1000, 100, 1)) == near((20, 20), (1020, 1020))


def test_a_request_that_comes_during_a_pass_joins_the_pass_after_the_next(by_hand: Profiles, serve: Serve) -> None:
    # Pass 1 ends at 20. Pass 2 was put together at 0: one decode, ends at 31. Pass 3 is put together at 20 and takes
    # the prompt that came at 5 with the third token of the first request: 31 + 10 + 1 + 5 = 47.
    assert serve(by_hand(), (0, 100, 3), (5, 50, 1)) == near((20, 47), (47, 47))


def test_a_request_that_comes_as_a_pass_ends_joins_the_pass_put_together_then(by_hand: Profiles, serve: Serve) -> None:
    # Pass 3 is put together at 20 as above, and the second request came just then.
    assert serve(by_hand(), (0, 100, 3), (20, 50, 1)) == near((20, 47), (47, 47))


def test_an_engine_with_nothing_scheduled_takes_the_request_after_the_pass(by_hand: Profiles, serve: Serve) -> None:
    # The first request ends with pass 1, so nothing follows it and the second starts right at its end.
    assert serve(by_hand(), (0, 100, 1), (5, 50, 1)) == near((20, 20), (35, 35))


def test_decodes_come_before_prompts_in_the_token_budget(by_hand: Profiles, serve: Serve) -> None:
    # Pass 3 (31 to 51.9) holds one decode and 99 of the 100 tokens: 10 + 1 + 9.9 = 20.9. Pass 4 holds the next decode
    # and the last token: 10 + 1 + 0.1 = 11.1, to 63.
    assert serve(by_hand(), (0, 100, 4), (5, 100, 1)) == near((20, 63), (63, 63))


def test_a_place_is_free_for_the_pass_after_the_next(by_hand: Profiles, serve: Serve) -> None:
    # Room for one. The first request ends with pass 2 at 31. Pass 3 would have been put together at 20, when its place
    # was still taken: nothing follows, and the second request starts at 31.
    assert serve(by_hand(max_num_seqs=1), (0, 100, 2), (0, 100, 1)) == near((20, 31), (51, 51))


def test_with_others_running_a_freed_place_costs_one_more_pass(by_hand: Profiles, serve: Serve) -> None:
    # Room for two. A (100 in, 2 out) and B (0 left of the budget, so it waits for pass 2) are followed by C.
    # Pass 1: A's prompt, 0 to 20. Pass 2: A's last token and 99 of B's prompt, 10 + 1 + 9.9, to 40.9.
    # Pass 3, put together at 20: A has its last token on its way but keeps its place; B's last prompt token,
    # 10 + 0.1, to 51. Pass 4, put together at 40.9: C is in, B decodes: 10 + 1 + 0.1 * 50, to 67, and then B's last
    # token with 11, to 78.
    times = serve(by_hand(max_num_seqs=2), (0, 100, 2), (0, 100, 3), (0, 50, 1))
    assert times == near((20, 40.9), (51, 78), (67, 67))


def test_curves_are_read_between_their_knots(by_hand: Profiles, serve: Serve) -> None:
    # Decodes: 20 for the first, 1 more for the second, and as much again for each further one. Prompts: 5 ms for the
    # first token, nothing more up to 100. Pass 1: 150 tokens do not fit into 100, so A and B in pass 1, C in pass 2.
    # Pass 1: 12 + 5 = 17. Pass 2: two decodes and C: 21 + 5 = 26, to 43. Pass 3: three decodes, 22, to 65.
    profile = by_hand(decode_ms=[(0, 12), (1, 20), (2, 21)], prefill_ms=[(0, 5), (100, 5)])
    times = serve(profile, (0, 50, 3), (0, 50, 3), (0, 50, 2))
    assert times == near((17, 65), (17, 65), (43, 65))


def test_an_answer_that_grows_over_a_knot_takes_the_next_slope(by_hand: Profiles, serve: Serve) -> None:
    # Up to 12 tokens of context cost nothing, each further one 2 ms. The prompt of 10 takes 11; the decodes read 11,
    # 12, 13, 14, 15: 11 + 11 + 13 + 15 + 17.
    assert serve(by_hand(kv_ms=[(0, 0), (12, 0), (16, 8)]), (0, 10, 6)) == near((11, 78))


def test_the_context_of_a_batch_is_the_sum_of_its_sequences(by_hand: Profiles, serve: Serve) -> None:
    # 0.1 ms per token of context. Both prompts: 10 + 5 = 15. Then 12 + 0.1 * (31 + 21) and 12 + 0.1 * (32 + 22).
    assert serve(by_hand(per_kv_token_ms=0.1), (0, 30, 3), (0, 20, 3)) == near((15, 49.6), (15, 49.6))


def test_cached_tokens_are_read_but_not_computed(by_hand: Profiles, serve: Serve) -> None:
    # 40 of 100 tokens: 10 + 4 + 0.001 * 40 * (60 + 20). The decode reads all: 11 + 0.1 * 101.
    profile = by_hand(per_prefill_context_ms=0.001, per_kv_token_ms=0.1)
    assert serve(profile, (0, 100, 2, 60)) == near((17.2, 38.3))


def test_cached_tokens_do_not_use_the_budget(by_hand: Profiles, serve: Serve) -> None:
    # 90 and 10 tokens fill the pass of 100; the third request, cached but for 1, waits for pass 2.
    times = serve(by_hand(), (0, 150, 1, 60), (0, 300, 1, 290), (0, 100, 1, 99))
    assert times == near((20, 20), (20, 20), (30.1, 30.1))


def test_cached_tokens_take_their_blocks(by_hand: Profiles, serve: Serve) -> None:
    # 50 blocks: A takes 31, until 20 + 20 + 20 + 10.1. B, cached but for 10 of its 200 tokens, needs 20: it follows
    # A with 10 + 1.
    profile = by_hand(kv_blocks=50)
    assert serve(profile, (0, 301, 1), (0, 200, 1, 190)) == near((70.1, 70.1), (81.1, 81.1))


def test_a_sequence_without_a_free_block_preempts_the_one_admitted_last(by_hand: Profiles, serve: Serve) -> None:
    # 4 blocks of 10 tokens. A: 18 in, 4 out; B: 19 in, 4 out: both hold 2 blocks from the first pass on, which
    # computes 37 tokens: 10 + 3.7, to 13.7. Pass 2 decodes A (token 19) and B (20): 12, to 25.7. Pass 3, put together
    # at 13.7, decodes A (20) and B (21): B needs a third block, none is free, and B itself is the one admitted last.
    # It loses 2 blocks; the pass holds A alone: 11, to 36.7. Pass 4, put together at 25.7: A (21) takes a third block.
    # B needs 3 blocks for 19 + 2 = 21 tokens, and 1 is free. A's last token comes at 47.7. B returns at 47.7; its first
    # block still holds 10 tokens, its second is the one that A took. 11 tokens: 11.1 for its third token, to 58.8, and
    # its last: 69.8.
    times = serve(by_hand(kv_blocks=4, max_model_len=40), (0, 18, 4), (0, 19, 4))
    assert times == near((13.7, 47.7), (13.7, 69.8))


def test_a_preempted_sequence_finds_its_cached_tokens_again(by_hand: Profiles, serve: Serve) -> None:
    # As above, but 15 tokens of B are cached: the first pass computes 22 tokens, 1.5 ms less, and B returns with 6
    # tokens, 10.6 instead of 11.1.
    times = serve(by_hand(kv_blocks=4, max_model_len=40), (0, 18, 4), (0, 19, 4, 15))
    assert times == near((12.2, 46.2), (12.2, 67.8))


def test_a_request_is_admitted_when_its_whole_prompt_finds_blocks(by_hand: Profiles, serve: Serve) -> None:
    # A takes 31 of 50 blocks for 301 tokens: 20 + 20 + 20 + 10.1. In its last pass there is budget for 99 tokens of B,
    # and 19 blocks for them, but not for all 250. B follows A: 20 + 20 + 15.
    assert serve(by_hand(kv_blocks=50), (0, 301, 1), (0, 250, 1)) == near((70.1, 70.1), (125.1, 125.1))


def test_a_preemption_admits_nobody_in_its_pass(by_hand: Profiles, serve: Serve) -> None:
    # As two above, and C (5 in, 1 out) comes during pass 1. Pass 3 preempts, so C, which would fit into the blocks that
    # B leaves, is not admitted; from then on B is at the front of the queue. Both return at 47.7, when A has ended, in
    # a pass of 11 + 5 prompt tokens: 10 + 1.6, to 59.3.
    times = serve(by_hand(kv_blocks=4, max_model_len=40), (0, 18, 4), (0, 19, 4), (1, 5, 1))
    assert times == near((13.7, 47.7), (13.7, 70.3), (59.3, 59.3))


def test_the_api_process_takes_requests_one_after_the_other(by_hand: Profiles, serve: Serve) -> None:
    # 5 ms each: admitted at 5 and 10. The first prompt runs from 5 to 25; nothing follows a request of one token, so
    # the second runs from 25 to 45. Each token costs 2 ms on its way out.
    profile = by_hand(per_request_ms=5.0, per_output_token_ms=2.0)
    assert serve(profile, (0, 100, 1), (0, 100, 1)) == near((27, 27), (47, 47))


def test_tokens_of_one_pass_leave_the_api_process_one_after_the_other(by_hand: Profiles, serve: Serve) -> None:
    assert serve(by_hand(per_output_token_ms=2.0), (0, 50, 1), (0, 50, 1)) == near((22, 22), (24, 24))


def test_an_api_process_slower_than_the_engine_sets_the_pace(by_hand: Profiles, serve: Serve) -> None:
    # Passes end at 20, 32, 44, 56 with two tokens each, 10 ms a token: 30, 40, 50, ..., 100.
    profile = by_hand(per_output_token_ms=10.0)
    assert serve(profile, (0, 50, 4), (0, 50, 4)) == near((30, 90), (40, 100))


def test_tokens_on_their_way_out_hold_up_a_request_on_its_way_in(by_hand: Profiles, serve: Serve) -> None:
    # A is admitted at 5 and computed until 25, and its token leaves at 55. B, come at 26, is admitted after that, at
    # 60, and computed until 80; its token leaves at 110.
    profile = by_hand(per_request_ms=5.0, per_output_token_ms=30.0)
    assert serve(profile, (0, 100, 1), (26, 100, 1)) == near((55, 55), (110, 110))


def test_a_first_token_takes_longer_to_its_client_and_delays_nobody(by_hand: Profiles, serve: Serve) -> None:
    # 5 ms more than the 20 + 2 of the first; the later tokens, at 31 + 2 and 42 + 2, come as without it.
    profile = by_hand(per_output_token_ms=2.0, first_token_ms=5.0)
    assert serve(profile, (0, 100, 3), (1000, 50, 1)) == near((27, 44), (1022, 1022))


def test_a_last_token_does_not_overtake_the_first(by_hand: Profiles, serve: Serve) -> None:
    assert serve(by_hand(first_token_ms=50.0), (0, 100, 3)) == near((70, 70))
