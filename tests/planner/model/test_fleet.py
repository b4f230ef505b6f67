"""The fleet: routing, lives of replicas, outcomes and attainment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

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


def test_arrivals_are_put_in_order_and_keep_their_lengths() -> None:
    arrivals = Arrivals.of([3.0, 1.0, 2.0], [30, 10, 20], [3, 1, 2], ["c", "a", "b"])
    assert arrivals.arrival_s.tolist() == [1.0, 2.0, 3.0]
    assert (arrivals.input_tokens.tolist(), arrivals.output_tokens.tolist()) == ([10, 20, 30], [1, 2, 3])
    assert [arrivals.classes[index] for index in arrivals.class_index] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0.0, -1.0], [1, 1], [1, 1]), "arrival_s[1] is -1.0; allowed is finite and 0 or more"),
        (([math.nan], [1], [1]), "arrival_s[0] is nan; allowed is finite and 0 or more"),
        (([0.0], [0], [1]), "input_tokens[0] is 0; allowed is a whole number of 1 or more"),
        (([0.0], [1], [2.5]), "output_tokens[0] is 2.5; allowed is a whole number of 1 or more"),
        (([0.0], [1], [math.inf]), "output_tokens[0] is inf; allowed is a whole number of 1 or more"),
        (
            ([0.0], [1, 1], [1]),
            (
                "arrays must have one dimension and one length, not "
                "{'arrival_s': 1, 'input_tokens': 2, 'output_tokens': 1, 'class': 1}"
            ),
        ),
    ],
)
def test_hostile_columns_are_refused(columns: tuple[Any, Any, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Arrivals.of(*columns)
    assert str(caught.value) == message


def test_no_arrivals_give_an_empty_result(by_hand: Profiles) -> None:
    result = fleet.simulate(Arrivals.of([], [], []), fleet.fixed(by_hand(), 1))
    assert (len(result.outcome), result.attainment({})) == (0, {})


rows = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=25)
times = st.floats(0, 4) | st.just(math.inf)
lives = st.lists(st.tuples(st.floats(0, 2), times, times), max_size=4)


@given(rows, lives, st.none() | st.integers(0, 3), times)
def test_every_request_ends_as_exactly_one_outcome_and_the_same_one_each_time(
    by_hand: Profiles,
    rows: list[tuple[float, int, int]],
    lives: list[tuple[float, float, float]],
    max_queued: int | None,
    until_s: float,
) -> None:
    arrivals = Arrivals.of(*zip(*rows, strict=True))
    replicas = [ReplicaLife(profile=by_hand(), ready_s=ready, stop_s=stop, kill_s=kill) for ready, stop, kill in lives]
    first, second = (fleet.simulate(arrivals, replicas, max_queued=max_queued, until_s=until_s) for _ in range(2))
    assert sum(first.count(outcome) for outcome in Outcome) == len(rows)
    finished = first.outcome == Outcome.FINISHED
    assert np.isfinite(first.e2e_ms[finished]).all()
    assert np.isnan(first.e2e_ms[~finished]).all()
    assert (first.replica[finished] >= 0).all()
    if until_s == math.inf:
        assert first.count(Outcome.IN_FLIGHT) == 0
    for name in ("outcome", "replica", "ttft_ms", "tpot_ms", "e2e_ms"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


@given(rows)
def test_a_looser_objective_is_never_reached_by_fewer(by_hand: Profiles, rows: list[tuple[float, int, int]]) -> None:
    result = fleet.simulate(Arrivals.of(*zip(*rows, strict=True)), fleet.fixed(by_hand(), 1))
    shares = [
        result.attainment({"": Objective(target="0.9", ttft_ms=limit, tpot_ms=limit)})[""] for limit in (10, 30, 90)
    ]
    assert shares == sorted(shares)
