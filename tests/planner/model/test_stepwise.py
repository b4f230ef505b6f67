"""One replica driven pass by pass: tokens, aborts, refusals, and step by step the same as the slow reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference_simulator import cases
from support.reference_simulator import replica as reference
from tenbin_planner.model.stepwise import Replica, Request, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]


def run_out(replica: Replica) -> list[Step]:
    steps = []
    while replica.next_ms < math.inf:
        step = replica.step()
        if step is not None:
            steps.append(step)
    return steps


class Pair:
    """A replica and its reference, driven alike; every step compares them."""

    def __init__(self, profile: EngineProfile, max_queued: int | None) -> None:
        self.fast = Replica(profile, max_queued=max_queued)
        self.slow = reference.Replica(profile, max_queued=max_queued)
        self.slow_requests: dict[int, reference.Request] = {}

    def add(self, number: int, arrival_ms: float, lengths: tuple[int, int, int]) -> None:
        prompt, answer, cached = lengths
        sequence = self.fast.add(
            Request(
                id=number,
                arrival_ms=arrival_ms,
                input_tokens=prompt,
                output_tokens=answer,
                cached_tokens=cached,
            )
        )
        request = reference.Request(
            row=number, arrival_ms=arrival_ms, input_tokens=prompt, output_tokens=answer, cached_tokens=cached
        )
        assert (sequence is not None) == self.slow.offer(request)
        if sequence is not None:
            assert sequence.admitted_ms == request.admitted_ms
            self.slow_requests[number] = request

    def abort(self, number: int) -> None:
        request = self.slow_requests.get(number)
        holds = request is not None and request in self.slow.held
        assert (self.fast.abort(number) is not None) == holds
        if request is not None and holds:
            self.slow.abort(request)
        self.compare()

    def step_until(self, instant_ms: float) -> None:
        while self.slow.next_ms() < instant_ms:
            ends = self.slow.current is not None
            assert self.fast.next_ms == self.slow.next_ms()
            step = self.fast.step()
            self.slow.turn()
            assert (step is not None) == ends
            if step is not None:
                self.compare_step(step, self.slow.done[-1])
            self.compare()
        assert self.fast.next_ms >= instant_ms

    def compare_step(self, step: Step, ended: reference.Pass) -> None:
        assert [sequence.request.id for sequence in step.sequences] == [request.row for request in ended.draws]
        assert step.prefill_tokens == ended.prompt_tokens
        for sequence, request, delivered_ms in zip(step.sequences, ended.draws, step.delivered_ms, strict=True):
            assert sequence.emitted == request.out
            assert sequence.first_token_ms == request.first_ms
            assert sequence.last_token_ms == delivered_ms >= self.slow.now_ms
            assert sequence.scheduled_ms == request.scheduled_ms
            if sequence.finished:
                assert sequence.last_token_ms == request.last_ms

    def compare(self) -> None:
        slow = self.slow
        assert self.fast.now_ms == slow.now_ms
        assert self.fast.in_flight == len(slow.held)
        assert (self.fast.running, self.fast.waiting) == (len(slow.running), len(slow.arriving) + len(slow.waiting))
        assert self.fast.preemptions == slow.preemptions
        blocks = slow.profile.limits.kv_blocks
        assert round(self.fast.kv_usage * blocks, 6) == slow.used_blocks <= blocks


@settings(max_examples=400, deadline=None)
@given(cases.exact_cases(replicas=1, lives=False), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 15))))
def test_every_step_is_that_of_the_reference_aborts_included(case: cases.Case, aborts: list[tuple[int, int]]) -> None:
    profile = case.lives[0].profile
    pair = Pair(profile, case.options["max_queued"])
    comings = [(row[0] * 1000, 0, number) for number, row in enumerate(case.rows)]
    goings = [(units * cases.UNIT_MS, 1, number) for units, number in aborts]
    for instant_ms, goes, number in sorted(comings + goings):
        pair.step_until(instant_ms)
        if goes:
            pair.abort(number)
        elif sum(case.rows[number][1:3]) <= profile.limits.max_model_len:
            pair.add(number, instant_ms, case.rows[number][1:])
    pair.step_until(math.inf)
    assert (pair.fast.in_flight, pair.fast.running, pair.fast.waiting, pair.fast.kv_usage) == (0, 0, 0, 0)


@pytest.mark.parametrize("prompt", [3, 4])
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_who_hangs_up_between_a_preemption_and_the_token_before_it_leaves_the_others_theirs(
    by_hand: Profiles, gone: int, prompt: int
) -> None:
    # Three blocks of four tokens. The first two need a second block at once, in the pass of the fifth token: the third
    # is preempted for the first, and the second for itself, while the pass before it, with a token of each, runs.
    pair = Pair(by_hand(kv_blocks=3, block_size=4, max_model_len=12), None)
    for number, lengths in enumerate([(prompt, 6, 0), (prompt, 6, 0), (1, 9, 0)]):
        pair.add(number, 0.0, lengths)
    while pair.fast.preemptions == 0:
        pair.step_until(pair.fast.next_ms + 0.001)
    assert pair.fast.preemptions == 2
    pair.abort(gone)
    pair.step_until(math.inf)
    assert pair.fast.in_flight == 0


def test_more_requests_than_rows_are_held_at_once(by_hand: Profiles) -> None:
    pair = Pair(by_hand(per_request_ms=0.5), None)
    for number in range(300):
        pair.add(number, float(number // 100), (1 + number % 7, 1 + number % 5, 0))
    pair.step_until(math.inf)
    assert pair.fast.in_flight == 0


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
    assert not aborted.finished
    assert [step.sequences for step in steps] == [[]] * len(steps)
    assert replica.abort(1) is None


def test_an_id_is_free_again_when_its_request_has_left(by_hand: Profiles) -> None:
    replica = Replica(by_hand())
    for round_ms in (0.0, 100.0, 200.0):
        answer = replica.add(Request(id=1, arrival_ms=round_ms, input_tokens=100, output_tokens=1))
        assert answer is not None
        run_out(replica)
        assert answer.last_token_ms == round_ms + 20


def test_an_idle_replica_has_no_next_step(by_hand: Profiles) -> None:
    replica = Replica(by_hand())
    assert replica.next_ms == math.inf
    with pytest.raises(RuntimeError, match=r"^the replica is idle: it has no next step$"):
        replica.step()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ((7, 0.0, 0, 1, 0), "request 7: input_tokens 0 and output_tokens 1 must be 1 or more"),
        ((7, 0.0, 1, -3, 0), "request 7: input_tokens 1 and output_tokens -3 must be 1 or more"),
        ((7, 0.0, 9, 1, 9), "request 7: cached_tokens 9 must be 0 or more and below the input_tokens 9"),
        ((7, 0.0, 9, 1, -1), "request 7: cached_tokens -1 must be 0 or more and below the input_tokens 9"),
        ((7, 0.0, 400, 101, 0), "request 7: 400 + 101 tokens exceed max_model_len 500"),
        ((7, -1.0, 1, 1, 0), "request 7: arrival_ms -1.0 must be finite and not before 0.0"),
        ((7, math.nan, 1, 1, 0), "request 7: arrival_ms nan must be finite and not before 0.0"),
        ((7, math.inf, 1, 1, 0), "request 7: arrival_ms inf must be finite and not before 0.0"),
        ((1, 0.0, 1, 1, 0), "request 1: this id is already in flight"),
    ],
)
def test_impossible_requests_are_refused(by_hand: Profiles, asked: tuple[Any, ...], message: str) -> None:
    replica = Replica(by_hand())
    replica.add(Request(id=1, arrival_ms=0.0, input_tokens=1, output_tokens=1))
    names = ("id", "arrival_ms", "input_tokens", "output_tokens", "cached_tokens")
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        replica.add(Request(**dict(zip(names, asked, strict=True))))
    assert str(caught.value) == message
    assert replica.in_flight == 1


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"kv_blocks": 49},
            "profile by-hand: a KV cache of 490 tokens cannot hold one sequence of max_model_len 500",
        ),
        (
            {"max_num_batched_tokens": 3},
            (
                "profile by-hand: max_num_batched_tokens 3 is below max_num_seqs 4: a pass could not hold one token of "
                "each sequence"
            ),
        ),
    ],
)
def test_limits_that_contradict_each_other_are_refused(by_hand: Profiles, limits: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Replica(by_hand(**limits))
    assert str(caught.value) == message
