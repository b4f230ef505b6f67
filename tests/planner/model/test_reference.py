"""Laws of the slow reference, which the simulator shares by agreeing with it."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.reference_simulator import cases
from support.reference_simulator import fleet as reference
from tenbin_planner.model import arrivals

if TYPE_CHECKING:
    from support.reference_simulator.replica import Replica

endless = cases.exact_cases(lives=False, queues=False)


def replicas_after(case: cases.Case) -> list[Replica]:
    return reference.simulate(arrivals.Arrivals.of(**case.columns), case.lives).replicas


@given(endless)
def test_no_pass_exceeds_its_limits(case: cases.Case) -> None:
    for replica in replicas_after(case):
        limits = replica.profile.limits
        for done in replica.done:
            assert 0 < done.decodes + done.prompt_tokens <= limits.max_num_batched_tokens
            assert done.decodes <= len(done.draws) <= limits.max_num_seqs
            assert done.kv_tokens <= limits.kv_tokens
            assert done.used_blocks <= limits.kv_blocks


@given(endless)
def test_every_request_that_fits_gets_exactly_its_tokens_and_leaves_nothing_behind(case: cases.Case) -> None:
    result = reference.simulate(arrivals.Arrivals.of(**case.columns), case.lives)
    tokens = [request.row for replica in result.replicas for done in replica.done for request in done.draws]
    longest = case.lives[0].profile.limits.max_model_len
    for row, (_, prompt, answer, _) in enumerate(sorted(case.rows, key=lambda asked: asked[0])):
        fits = prompt + answer <= longest
        assert result.outcome[row] == (reference.FINISHED if fits else reference.FAILED)
        assert tokens.count(row) == (answer if fits else 0)
    assert [(replica.held, replica.used_blocks) for replica in result.replicas] == [([], 0)] * len(case.lives)


@given(endless)
def test_passes_follow_each_other_and_tokens_their_requests(case: cases.Case) -> None:
    for replica in replicas_after(case):
        assert all(before.end_ms <= after.start_ms for before, after in itertools.pairwise(replica.done))
        for done in replica.done:
            for request in done.draws:
                times = [request.arrival_ms, request.admitted_ms, request.scheduled_ms, request.first_ms]
                assert [*times, request.last_ms] == sorted([*times, request.last_ms])


@given(endless)
def test_requests_are_first_scheduled_in_the_order_of_their_arrival(case: cases.Case) -> None:
    for replica in replicas_after(case):
        served = {request.row: request.scheduled_ms for done in replica.done for request in done.draws}
        scheduled = [served[row] for row in sorted(served)]
        assert scheduled == sorted(scheduled)


@given(endless, st.floats(0, 300))
def test_aborts_at_any_time_leave_the_others_their_answers(case: cases.Case, instant_ms: float) -> None:
    result = reference.simulate(arrivals.Arrivals.of(**case.columns), case.lives, until_s=instant_ms / 1000)
    for replica in result.replicas:
        gone, others = replica.held[::2], replica.held[1::2]
        for request in gone:
            replica.abort(request)
        while replica.next_ms() < math.inf:
            replica.turn()
        assert all(request.out == request.output_tokens for request in others)
        assert (replica.held, replica.used_blocks) == ([], 0)
