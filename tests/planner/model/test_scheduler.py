"""The scheduler, case by case, each computed by hand.

The profile of `by_hand`: a pass takes 10 ms + 1 ms per decode + 0.1 ms per prompt token; at most 4 sequences and 100
tokens a pass, 100 KV blocks of 10 tokens, nothing for the API process.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from tenbin_planner.model.scheduler import Replica, Request, Sequence, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]


def drive(replica: Replica, *asked: tuple[float, int, int]) -> list[Sequence]:
    """Send requests of (arrival_ms, input_tokens, output_tokens) and run until the replica is idle."""
    sequences = []
    for number, (arrival_ms, input_tokens, output_tokens) in enumerate(asked):
        while replica.next_ms < arrival_ms:
            replica.step()
        request = Request(id=number, arrival_ms=arrival_ms, input_tokens=input_tokens, output_tokens=output_tokens)
        sequence = replica.add(request)
        assert sequence is not None
        sequences.append(sequence)
    run_out(replica)
    return sequences


def run_out(replica: Replica) -> list[Step]:
    steps = []
    while replica.next_ms < math.inf:
        step = replica.step()
        if step is not None:
            steps.append(step)
    return steps


def first_and_last(sequences: list[Sequence]) -> list[tuple[float, float]]:
    return [(sequence.first_token_ms, sequence.last_token_ms) for sequence in sequences]


def test_a_lone_request_computes_its_prompt_and_then_decodes(by_hand: Profiles) -> None:
    # Prompt 10 + 100 * 0.1 = 20; each further token 10 + 1 = 11.
    assert first_and_last(drive(Replica(by_hand()), (0, 100, 3))) == [(20, 42)]


def test_a_long_prompt_is_computed_in_chunks_of_the_token_budget(by_hand: Profiles) -> None:
    # 250 tokens in chunks of 100, 100, 50: 20 + 20 + 15.
    assert first_and_last(drive(Replica(by_hand()), (0, 250, 1))) == [(55, 55)]


def test_an_idle_replica_starts_when_the_request_comes(by_hand: Profiles) -> None:
    assert first_and_last(drive(Replica(by_hand()), (0, 100, 1), (1000, 100, 1))) == [(20, 20), (1020, 1020)]


def test_a_request_that_comes_during_a_pass_joins_the_pass_after_the_next(by_hand: Profiles) -> None:
    # Pass 1 ends at 20. Pass 2 was put together at 0: one decode, ends at 31. Pass 3 is put together at 20 and takes
    # the prompt that came at 5 with the third token of the first request: 31 + 10 + 1 + 5 = 47.
    assert first_and_last(drive(Replica(by_hand()), (0, 100, 3), (5, 50, 1))) == [(20, 47), (47, 47)]


def test_an_engine_with_nothing_scheduled_takes_the_request_after_the_pass(by_hand: Profiles) -> None:
    # The first request ends with pass 1, so nothing follows it and the second starts right at its end.
    assert first_and_last(drive(Replica(by_hand()), (0, 100, 1), (5, 50, 1))) == [(20, 20), (35, 35)]


def test_decodes_come_before_prompts_in_the_token_budget(by_hand: Profiles) -> None:
    # Pass 3 (31 to 51.9) holds one decode and 99 of the 100 tokens: 10 + 1 + 9.9 = 20.9. Pass 4 holds the next decode
    # and the last token: 10 + 1 + 0.1 = 11.1, to 63.
    first, second = drive(Replica(by_hand()), (0, 100, 4), (5, 100, 1))
    assert first.last_token_ms == pytest.approx(63)
    assert second.first_token_ms == pytest.approx(63)


def test_a_place_is_free_for_the_pass_after_the_next(by_hand: Profiles) -> None:
    # Room for one. The first request ends with pass 2 at 31. Pass 3 would have been put together at 20, when its place
    # was still taken: nothing follows, and the second request starts at 31.
    replica = Replica(by_hand(max_num_seqs=1))
    assert first_and_last(drive(replica, (0, 100, 2), (0, 100, 1))) == [(20, 31), (51, 51)]


def test_with_others_running_a_freed_place_costs_one_more_pass(by_hand: Profiles) -> None:
    # Room for two. A (100 in, 2 out) and B (0 left of the budget, so it waits for pass 2) are followed by C.
    # Pass 1: A's prompt, 0 to 20. Pass 2: A's last token and 99 of B's prompt, 10 + 1 + 9.9, to 40.9.
    # Pass 3, put together at 20: A has its last token on its way but keeps its place; B's last prompt token,
    # 10 + 0.1, to 51. Pass 4, put together at 40.9: C is in, B decodes: 10 + 1 + 0.1 * 50, to 67.
    replica = Replica(by_hand(max_num_seqs=2))
    a, b, c = drive(replica, (0, 100, 2), (0, 100, 3), (0, 50, 1))
    assert a.last_token_ms == pytest.approx(40.9)
    assert b.first_token_ms == pytest.approx(51)
    assert c.scheduled_ms == pytest.approx(40.9)
    assert c.first_token_ms == pytest.approx(67)


def test_a_sequence_without_a_free_block_preempts_the_one_admitted_last(by_hand: Profiles) -> None:
    # 4 blocks of 10 tokens. A: 18 in, 4 out; B: 19 in, 4 out: both hold 2 blocks from the first pass on, which
    # computes 37 tokens: 10 + 3.7, to 13.7. Pass 2 decodes A (token 19) and B (20): 12, to 25.7. Pass 3, put together
    # at 13.7, decodes A (20) and B (21): B needs a third block, none is free, and B itself is the one admitted last.
    # It loses 2 blocks; the pass holds A alone: 11, to 36.7. Pass 4, put together at 25.7: A (21) takes a third block.
    # B must compute 19 + 2 = 21 tokens, 3 blocks, and 1 is free. A's last token comes at 47.7; B returns at 47.7 with
    # 10 + 2.1 and its third token, to 59.8, and decodes its last: 70.8.
    replica = Replica(by_hand(kv_blocks=4, max_model_len=40))
    a, b = drive(replica, (0, 18, 4), (0, 19, 4))
    assert a.last_token_ms == pytest.approx(47.7)
    assert (b.preemptions, replica.preemptions) == (1, 1)
    assert b.last_token_ms == pytest.approx(70.8)
    assert replica.kv_usage == 0


def test_a_preemption_admits_nobody_in_its_pass(by_hand: Profiles) -> None:
    # As above, and C (5 in, 1 out) comes during pass 1. Pass 3 preempts, so C, which would fit into the blocks that B
    # leaves, is not admitted; from then on B is at the front of the queue. Both return at 47.7, when A has ended, in a
    # pass of 21 + 5 prompt tokens: 10 + 2.6, to 60.3.
    replica = Replica(by_hand(kv_blocks=4, max_model_len=40))
    _, b, c = drive(replica, (0, 18, 4), (0, 19, 4), (1, 5, 1))
    assert b.preemptions == 1
    assert c.scheduled_ms == pytest.approx(47.7)
    assert c.first_token_ms == pytest.approx(60.3)


def test_the_api_process_takes_requests_one_after_the_other(by_hand: Profiles) -> None:
    # 5 ms each: admitted at 5 and 10. The first prompt runs from 5 to 25; nothing follows a request of one token, so
    # the second runs from 25 to 45. Each token costs 2 ms on its way out.
    replica = Replica(by_hand(per_request_ms=5.0, per_output_token_ms=2.0))
    assert first_and_last(drive(replica, (0, 100, 1), (0, 100, 1))) == [(27, 27), (47, 47)]


def test_tokens_of_one_pass_leave_the_api_process_one_after_the_other(by_hand: Profiles) -> None:
    replica = Replica(by_hand(per_output_token_ms=2.0))
    first, second = drive(replica, (0, 50, 1), (0, 50, 1))
    assert (first.first_token_ms, second.first_token_ms) == (22, 24)


def test_a_full_queue_refuses(by_hand: Profiles) -> None:
    replica = Replica(by_hand(), max_queued=2)
    added = [replica.add(Request(id=number, arrival_ms=0.0, input_tokens=10, output_tokens=1)) for number in range(3)]
    assert [sequence is None for sequence in added] == [False, False, True]
    assert replica.in_flight == 2


def test_an_aborted_request_gives_no_more_tokens_and_frees_its_blocks(by_hand: Profiles) -> None:
    replica = Replica(by_hand())
    replica.add(Request(id=1, arrival_ms=0.0, input_tokens=100, output_tokens=50))
    replica.step()
    replica.step()
    assert replica.kv_usage == pytest.approx(0.11)
    aborted = replica.abort(1)
    assert aborted is not None
    steps = run_out(replica)
    assert replica.kv_usage == 0
    assert replica.in_flight == 0
    assert aborted.emitted == 1
    assert [step.sequences for step in steps] == [[]] * len(steps)
    assert replica.abort(1) is None


def test_an_idle_replica_has_no_next_step(by_hand: Profiles) -> None:
    replica = Replica(by_hand())
    assert replica.next_ms == math.inf
    with pytest.raises(RuntimeError, match=r"^the replica is idle: it has no next step$"):
        replica.step()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((7, 0.0, 0, 1), "request 7: input_tokens 0 and output_tokens 1 must be 1 or more"),
        ((7, 0.0, 1, -3), "request 7: input_tokens 1 and output_tokens -3 must be 1 or more"),
        ((7, 0.0, 400, 101), "request 7: 400 + 101 tokens exceed max_model_len 500"),
        ((7, -1.0, 1, 1), "request 7: arrival_ms -1.0 must be finite and not before 0.0"),
        ((7, math.nan, 1, 1), "request 7: arrival_ms nan must be finite and not before 0.0"),
        ((7, math.inf, 1, 1), "request 7: arrival_ms inf must be finite and not before 0.0"),
        ((1, 0.0, 1, 1), "request 1: this id is already in flight"),
    ],
)
def test_impossible_requests_are_refused(by_hand: Profiles, asked: tuple[int, float, int, int], message: str) -> None:
    replica = Replica(by_hand())
    replica.add(Request(id=1, arrival_ms=0.0, input_tokens=1, output_tokens=1))
    number, arrival_ms, input_tokens, output_tokens = asked
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        replica.add(Request(id=number, arrival_ms=arrival_ms, input_tokens=input_tokens, output_tokens=output_tokens))
    assert str(caught.value) == message
    assert replica.in_flight == 1


def test_a_cache_that_cannot_hold_one_sequence_is_refused(by_hand: Profiles) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Replica(by_hand(kv_blocks=49))
    assert str(caught.value) == (
        "profile by-hand: a KV cache of 490 tokens cannot hold one sequence of max_model_len 500"
    )
