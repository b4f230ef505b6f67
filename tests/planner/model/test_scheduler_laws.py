"""Laws of the scheduler on random requests and limits, small caches included."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model import forward
from tenbin_planner.model.scheduler import Replica, Request, Sequence, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]

LONGEST = 60
requests = st.lists(
    st.tuples(st.floats(0, 200), st.integers(1, LONGEST // 2), st.integers(1, LONGEST // 2)), min_size=1, max_size=12
)
limits = st.fixed_dictionaries(
    {
        "max_num_seqs": st.integers(1, 6),
        "max_num_batched_tokens": st.integers(1, 80),
        "kv_blocks": st.integers(6, 30),
        "block_size": st.just(10),
        "max_model_len": st.just(LONGEST),
        "per_kv_token_ms": st.sampled_from([0.0, 0.01]),
        "per_prefill_context_ms": st.sampled_from([0.0, 0.001]),
        "per_request_ms": st.sampled_from([0.0, 3.0]),
        "per_output_token_ms": st.sampled_from([0.0, 0.5]),
    }
)


@dataclasses.dataclass
class Run:
    """A replica, what it was asked and what it did."""

    replica: Replica
    sequences: list[Sequence]
    steps: list[Step]

    def step_until(self, instant_ms: float) -> None:
        while self.replica.next_ms < instant_ms:
            step = self.replica.step()
            if step is not None:
                self.steps.append(step)


def run(profile: EngineProfile, asked: list[tuple[float, int, int]]) -> Run:
    run = Run(Replica(profile), [], [])
    for number, (arrival_ms, input_tokens, output_tokens) in enumerate(sorted(asked)):
        run.step_until(arrival_ms)
        request = Request(id=number, arrival_ms=arrival_ms, input_tokens=input_tokens, output_tokens=output_tokens)
        sequence = run.replica.add(request)
        assert sequence is not None
        run.sequences.append(sequence)
    run.step_until(math.inf)
    return run


@given(limits, requests)
def test_every_request_gets_exactly_its_tokens_and_leaves_nothing_behind(
    by_hand: Profiles, limits: dict[str, float], asked: list[tuple[float, int, int]]
) -> None:
    done = run(by_hand(**limits), asked)
    tokens = [sequence.request.id for step in done.steps for sequence in step.sequences]
    assert {number: tokens.count(number) for number in set(tokens)} == {
        sequence.request.id: sequence.request.output_tokens for sequence in done.sequences
    }
    assert all(sequence.finished for sequence in done.sequences)
    assert (done.replica.in_flight, done.replica.running, done.replica.waiting, done.replica.kv_usage) == (0, 0, 0, 0)
    assert done.replica.preemptions == sum(sequence.preemptions for sequence in done.sequences)


@given(limits, requests)
def test_no_pass_exceeds_its_limits_or_the_longest_pass(
    by_hand: Profiles, limits: dict[str, float], asked: list[tuple[float, int, int]]
) -> None:
    profile = by_hand(**limits)
    for step in run(profile, asked).steps:
        batch = step.batch
        assert 0 < batch.decode_sequences + batch.prefill_tokens <= profile.limits.max_num_batched_tokens
        assert len(batch.sampled) <= profile.limits.max_num_seqs
        assert batch.kv_tokens <= profile.limits.kv_tokens
        assert batch.end_ms - batch.start_ms <= forward.longest_pass_ms(profile) + 1e-6


@given(limits, requests)
def test_time_only_goes_forward(
    by_hand: Profiles, limits: dict[str, float], asked: list[tuple[float, int, int]]
) -> None:
    done = run(by_hand(**limits), asked)
    ends = [(step.batch.start_ms, step.batch.end_ms) for step in done.steps]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ends))
    for sequence in done.sequences:
        times = (
            sequence.request.arrival_ms,
            sequence.admitted_ms,
            sequence.scheduled_ms,
            sequence.first_token_ms,
            sequence.last_token_ms,
        )
        assert list(times) == sorted(times)


@given(limits, requests)
def test_the_same_requests_give_the_same_times(
    by_hand: Profiles, limits: dict[str, float], asked: list[tuple[float, int, int]]
) -> None:
    first, second = (run(by_hand(**limits), asked) for _ in range(2))
    assert [(item.first_token_ms, item.last_token_ms) for item in first.sequences] == [
        (item.first_token_ms, item.last_token_ms) for item in second.sequences
    ]


@given(limits, requests)
def test_requests_are_first_scheduled_in_the_order_of_their_arrival(
    by_hand: Profiles, limits: dict[str, float], asked: list[tuple[float, int, int]]
) -> None:
    scheduled = [sequence.scheduled_ms for sequence in run(by_hand(**limits), asked).sequences]
    assert scheduled == sorted(scheduled)


@given(requests, st.sets(st.integers(0, 11)), st.floats(0, 300))
def test_aborts_at_any_time_leave_the_others_their_answers(
    by_hand: Profiles, asked: list[tuple[float, int, int]], aborted: set[int], instant_ms: float
) -> None:
    done = Run(Replica(by_hand(kv_blocks=8, max_model_len=LONGEST)), [], [])
    for number, (arrival_ms, input_tokens, output_tokens) in enumerate(sorted(asked)):
        done.step_until(arrival_ms)
        request = Request(id=number, arrival_ms=arrival_ms, input_tokens=input_tokens, output_tokens=output_tokens)
        sequence = done.replica.add(request)
        assert sequence is not None
        done.sequences.append(sequence)
    done.step_until(instant_ms)
    gone = {number for number in aborted if done.replica.abort(number) is not None}
    done.step_until(math.inf)
    assert {sequence.request.id for sequence in done.sequences if not sequence.finished} == gone
    assert done.replica.kv_usage == 0


@pytest.mark.parametrize("more", ["per_sequence_ms", "per_prefill_token_ms", "base_ms"])
def test_a_slower_engine_ends_later(by_hand: Profiles, more: str) -> None:
    asked = [(float(7 * number), 20, 9) for number in range(10)]
    fast, slow = by_hand(), by_hand(**{more: 30.0})
    ends = [max(item.last_token_ms for item in run(profile, asked).sequences) for profile in (fast, slow)]
    assert ends[0] < ends[1]
