"""The fleet: routing, lives of replicas, outcomes and attainment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner.model import fleet
from tenbin_planner.model.fleet import Arrivals, Outcome, ReplicaLife
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]

FAST = Objective(target="0.9", ttft_ms=25)


def test_times_are_counted_from_the_arrival(by_hand: Profiles) -> None:
    # 20 ms for the prompt of 100, 11 ms for each of the 3 further tokens.
    result = fleet.simulate(Arrivals.of([2.0], [100], [4]), fleet.fixed(by_hand(), 1))
    assert (result.ttft_ms[0], result.tpot_ms[0], result.e2e_ms[0]) == pytest.approx((20, 11, 53))


def test_an_answer_of_one_token_has_no_time_per_token_and_keeps_that_threshold(by_hand: Profiles) -> None:
    result = fleet.simulate(Arrivals.of([0.0], [100], [1]), fleet.fixed(by_hand(), 1))
    assert math.isnan(result.tpot_ms[0])
    assert result.good({"": Objective(target="0.9", tpot_ms=1)}).tolist() == [True]


def test_each_request_goes_to_the_replica_with_the_fewest_in_flight(by_hand: Profiles) -> None:
    # The third request finds one in flight at each and takes the first; the fourth finds 2 and 1. At 10 s all are idle.
    arrivals = Arrivals.of([0.0, 0.001, 0.002, 0.003, 10.0], [100] * 5, [50] * 5)
    assert fleet.simulate(arrivals, fleet.fixed(by_hand(), 2)).replica.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("routing", "prompt", "chosen"),
    [
        ("least-request", 30, 1),
        ("least-queued-tokens", 30, 0),
        ("predicted-latency", 30, 1),
        ("least-request", 400, 1),
        ("least-queued-tokens", 400, 0),
        ("predicted-latency", 400, 0),
    ],
)
def test_each_routing_weighs_decodes_and_prompts_its_way(
    by_hand: Profiles, routing: str, prompt: int, chosen: int
) -> None:
    # The last request finds two decodes in replica 0, and in replica 1 a prompt that the API process still has. The
    # second decode costs it 1 ms a token, so 256 ms for the answer that is expected; the prompt costs 1 ms a token.
    profile = by_hand(per_request_ms=5.0, per_prefill_token_ms=1.0)
    lives = [ReplicaLife(profile=profile), ReplicaLife(profile=profile, ready_s=0.5)]
    arrivals = Arrivals.of([0.0, 0.1, 0.5, 0.501], [10, 10, prompt, 10], [60, 60, 1, 1])
    assert fleet.simulate(arrivals, lives, routing=routing).replica.tolist() == [0, 0, 1, chosen]


def test_random_routing_is_even_and_belongs_to_the_seed(by_hand: Profiles) -> None:
    arrivals = Arrivals.of(np.arange(3000.0), [10] * 3000, [1] * 3000)
    one, same, other = (
        fleet.simulate(arrivals, fleet.fixed(by_hand(), 3), routing="random", seed=seed).replica for seed in (1, 1, 2)
    )
    assert one.tolist() == same.tolist() != other.tolist()
    assert np.bincount(one).min() > 900


def test_round_robin_passes_over_replicas_that_take_no_requests(by_hand: Profiles) -> None:
    lives = [
        ReplicaLife(profile=by_hand()),
        ReplicaLife(profile=by_hand(), ready_s=2.5),
        ReplicaLife(profile=by_hand(), stop_s=4.5),
    ]
    arrivals = Arrivals.of(np.arange(8.0), [10] * 8, [1] * 8)
    assert fleet.simulate(arrivals, lives, routing="round-robin").replica.tolist() == [0, 2, 0, 1, 2, 0, 1, 0]


def test_a_replica_serves_from_ready_until_stop_and_finishes_what_it_has(by_hand: Profiles) -> None:
    arrivals = Arrivals.of([0.5, 1.0, 1.9, 2.0], [100] * 4, [50] * 4)
    result = fleet.simulate(arrivals, [ReplicaLife(profile=by_hand(), ready_s=1.0, stop_s=2.0)])
    assert [Outcome(value).name for value in result.outcome] == ["FAILED", "FINISHED", "FINISHED", "FAILED"]
    assert result.replica.tolist() == [-1, 0, 0, -1]


def test_a_killed_replica_fails_what_it_has(by_hand: Profiles) -> None:
    # The first needs 20 + 49 * 11 = 559 ms; the replica dies at 0.5 s.
    arrivals = Arrivals.of([0.0, 0.3, 0.7], [100] * 3, [50] * 3)
    result = fleet.simulate(arrivals, [ReplicaLife(profile=by_hand(), kill_s=0.5)])
    assert [Outcome(value).name for value in result.outcome] == ["FAILED", "FAILED", "FAILED"]
    assert math.isfinite(result.ttft_ms[0])
    assert math.isnan(result.e2e_ms[0])


def test_what_is_not_finished_at_the_end_is_in_flight_and_does_not_count(by_hand: Profiles) -> None:
    arrivals = Arrivals.of([0.0, 0.3, 9.0], [100] * 3, [2, 50, 1])
    result = fleet.simulate(arrivals, fleet.fixed(by_hand(), 1), until_s=0.5)
    assert [Outcome(value).name for value in result.outcome] == ["FINISHED", "IN_FLIGHT", "IN_FLIGHT"]
    assert result.attainment({"": FAST}) == {"": 1.0}


def test_tokens_that_would_reach_their_client_after_a_death_never_do(by_hand: Profiles) -> None:
    # Both prompts are computed at 20 ms; their tokens leave the API process at 320 and 620.
    profile = by_hand(per_output_token_ms=300.0)
    result = fleet.simulate(Arrivals.of([0.0, 0.0], [50, 50], [1, 1]), [ReplicaLife(profile=profile, kill_s=0.5)])
    assert [Outcome(value).name for value in result.outcome] == ["FINISHED", "FAILED"]
    assert result.ttft_ms[0] == pytest.approx(320)
    assert math.isnan(result.ttft_ms[1])


def test_tokens_that_are_on_their_way_at_the_end_are_in_flight(by_hand: Profiles) -> None:
    profile = by_hand(per_output_token_ms=300.0)
    result = fleet.simulate(Arrivals.of([0.0, 0.0], [50, 50], [1, 1]), fleet.fixed(profile, 1), until_s=0.5)
    assert [Outcome(value).name for value in result.outcome] == ["FINISHED", "IN_FLIGHT"]


def test_a_request_that_comes_at_the_end_has_not_come(by_hand: Profiles) -> None:
    result = fleet.simulate(Arrivals.of([0.0, 1.0], [10, 10], [1, 1]), fleet.fixed(by_hand(), 1), until_s=1.0)
    assert (result.replica.tolist(), result.outcome.tolist()) == ([0, -1], [Outcome.FINISHED, Outcome.IN_FLIGHT])


def test_a_request_longer_than_the_model_is_refused_by_the_engine_it_went_to(by_hand: Profiles) -> None:
    lives = [ReplicaLife(profile=by_hand(max_model_len=50)), ReplicaLife(profile=by_hand(max_model_len=100))]
    arrivals = Arrivals.of([0.0, 1.0, 2.0, 3.0], [50, 50, 50, 10**9], [1, 1, 50, 10**9])
    result = fleet.simulate(arrivals, lives, routing="round-robin")
    assert [Outcome(value).name for value in result.outcome] == ["FAILED", "FINISHED", "FAILED", "FAILED"]
    assert result.replica.tolist() == [0, 1, 0, 1]
    assert np.isnan(result.ttft_ms[[0, 2, 3]]).all()


def test_waiting_prompt_tokens_are_limited_unless_nothing_waits(by_hand: Profiles) -> None:
    # At 0 and 1 ms nothing waits for long: the first runs, the second, of 400 tokens, waits alone. 100 more are too
    # many then, also for a request whose prompt is cached.
    arrivals = Arrivals.of([0.0, 0.001, 0.002, 0.003], [10, 400, 100, 100], [9] * 4, cached_tokens=[0, 0, 0, 99])
    result = fleet.simulate(arrivals, fleet.fixed(by_hand(), 1), max_queued_tokens=450)
    assert [Outcome(value).name for value in result.outcome] == ["FINISHED", "FINISHED", "SHED", "SHED"]
    loose = fleet.simulate(arrivals, fleet.fixed(by_hand(), 1), max_queued_tokens=600)
    assert loose.count(Outcome.FINISHED) == 4


def test_shed_and_failed_requests_are_missed(by_hand: Profiles) -> None:
    # One is served, one waits, one is shed, one is too long.
    arrivals = Arrivals.of([0.0, 0.0, 0.0, 5.0], [100, 100, 100, 600], [1] * 4)
    result = fleet.simulate(arrivals, fleet.fixed(by_hand(), 1), max_queued=2)
    assert [result.count(outcome) for outcome in Outcome] == [2, 1, 1, 0]
    assert result.attainment({"": FAST}) == {"": 0.25}


def test_attainment_is_counted_by_class_with_the_objective_of_each(by_hand: Profiles) -> None:
    arrivals = Arrivals.of([0.0, 1.0, 2.0], [100] * 3, [10] * 3, ["batch", "chat", "chat"])
    result = fleet.simulate(arrivals, fleet.fixed(by_hand(), 1))
    objectives = {"batch": Objective(target="0.9", e2e_ms=100), "chat": FAST}
    assert result.attainment(objectives) == {"batch": 0.0, "chat": 1.0}
    with pytest.raises(KeyError):
        result.attainment({"chat": FAST})


def test_a_fleet_without_replicas_fails_what_comes() -> None:
    result = fleet.simulate(Arrivals.of([0.0, 5.0], [1, 1], [1, 1]), [], until_s=2.0)
    assert [Outcome(value).name for value in result.outcome] == ["FAILED", "IN_FLIGHT"]


def test_a_run_beyond_what_was_measured_says_so(by_hand: Profiles) -> None:
    # Curves of the profile end at 1000 decodes, KV tokens and prompt tokens.
    lives = fleet.fixed(by_hand(kv_blocks=200, max_model_len=2000), 1)
    within, beyond = (fleet.simulate(Arrivals.of([0.0], [prompt], [9]), lives) for prompt in (900, 1000))
    assert (within.extrapolated, beyond.extrapolated) == (False, True)


def test_no_arrivals_give_an_empty_result(by_hand: Profiles) -> None:
    result = fleet.simulate(Arrivals.of([], [], []), fleet.fixed(by_hand(), 1))
    assert (len(result.outcome), result.attainment({})) == (0, {})


rows = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=25)


@given(rows)
def test_a_looser_objective_is_never_reached_by_fewer(by_hand: Profiles, rows: list[tuple[float, int, int]]) -> None:
    result = fleet.simulate(Arrivals.of(*zip(*rows, strict=True)), fleet.fixed(by_hand(), 1))
    shares = [
        result.attainment({"": Objective(target="0.9", ttft_ms=limit, tpot_ms=limit)})[""] for limit in (10, 30, 90)
    ]
    assert shares == sorted(shares)
