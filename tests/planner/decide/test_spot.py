"""Spot pools: replicas that go unasked are told from those that were sent away; they go in batches."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import SPOT, replica, workload
from tenbin_planner.decide import interruptions, spot
from tenbin_planner.decide.interruptions import Batch, Tally
from tenbin_planner.decide.observation import Phase
from tenbin_planner.decide.spot import SpotBelief, SpotMemory

if TYPE_CHECKING:
    from tenbin_planner.decide.observation import ReplicaState

POOLS = {SPOT: "l4-spot"}
PRIOR = spot.belief(SpotMemory(), "l4-spot")
beliefs = st.builds(
    SpotBelief,
    batches=st.floats(0.01, 100),
    hours=st.floats(0.1, 10_000),
    taken=st.floats(0.05, 50),
    left=st.floats(0.05, 50),
)


def seen(memory: SpotMemory, at: float, *replicas: ReplicaState, told: int) -> SpotMemory:
    return spot.learn(memory, {SPOT: workload(SPOT, *replicas, told=told)}, POOLS, at=at)


def fleet(*names: str, phase: Phase = Phase.READY) -> list[ReplicaState]:
    return [replica(name, phase) for name in names]


def begun(*names: str, told: int | None = None) -> SpotMemory:
    return seen(SpotMemory(), 1000, *fleet(*names), told=len(names) if told is None else told)


def batch(memory: SpotMemory) -> Batch | None:
    return memory.of("l4-spot").recent


def test_a_replica_that_goes_although_the_count_stays_was_interrupted() -> None:
    memory = begun("a", "b", "c")
    states = [*fleet("b", "c"), *fleet("a", phase=Phase.TERMINATING), *fleet("d", phase=Phase.STARTING)]
    memory = seen(memory, 1015, *states, told=3)
    assert batch(memory) == Batch(at=1015, fleet=3, lost=1)
    assert memory.of("l4-spot").hours == pytest.approx(3 * 15 / 3600)


def test_a_node_that_no_longer_answers_was_interrupted_once() -> None:
    memory = begun("a", "b")
    memory = seen(memory, 1015, *fleet("a"), *fleet("b", phase=Phase.LOST), told=2)
    memory = seen(memory, 1030, *fleet("a", "c"), told=2)
    assert batch(memory) == Batch(at=1015, fleet=2, lost=1)


def test_replicas_that_were_sent_away_were_not_interrupted() -> None:
    memory = begun("a", "b", "c")
    memory = seen(memory, 1015, *fleet("a"), *fleet("b", "c", phase=Phase.TERMINATING), told=1)
    memory = seen(memory, 1030, *fleet("a"), told=1)
    assert batch(memory) is None


def test_replicas_that_go_some_time_after_they_were_sent_away_were_not_interrupted() -> None:
    memory = begun("a", "b", "c")
    memory = seen(memory, 1015, *fleet("a", "b", "c"), told=1)
    memory = seen(memory, 1030, *fleet("a"), told=2)
    assert batch(memory) is None


def test_of_those_that_go_only_the_ones_beyond_what_was_asked_were_interrupted() -> None:
    memory = seen(begun("a", "b", "c", "d"), 1015, *fleet("a"), told=3)
    assert batch(memory) == Batch(at=1015, fleet=4, lost=2)


def test_interruptions_that_follow_each_other_are_one_batch_and_later_ones_another() -> None:
    memory = seen(begun("a", "b", "c", "d"), 1015, *fleet("b", "c", "d"), told=4)
    memory = seen(memory, 1030, *fleet("c", "d"), told=4)
    assert batch(memory) == Batch(at=1015, fleet=4, lost=2)
    memory = seen(memory, 1330, *fleet("d"), told=4)
    assert batch(memory) == Batch(at=1330, fleet=2, lost=1)
    found = memory.of("l4-spot")
    assert found.batches == 1
    assert found.taken == pytest.approx(1 / 3)


def test_nothing_is_learned_from_a_time_without_a_look() -> None:
    memory = seen(begun("a", "b"), 5000, *fleet("c", "d"), told=2)
    assert memory.of("l4-spot") == Tally()


def test_the_prior_is_about_two_interruptions_a_month() -> None:
    assert PRIOR.interruptions_per_hour() * 730 == pytest.approx(2.19, rel=0.01)
    assert PRIOR.at_least(1, 180, 1) == pytest.approx(0.003 * 180 / 3600, rel=0.01)


def test_losses_come_together() -> None:
    one, all_four = PRIOR.at_least(4, 3600, 1), PRIOR.at_least(4, 3600, 4)
    assert all_four > 50 * one**4
    assert all_four > one / 10


def test_a_pool_that_loses_often_is_soon_believed_to() -> None:
    often = SpotMemory(pools={"l4-spot": Tally(hours=40.0, batches=4.0)})
    assert spot.belief(often, "l4-spot").interruptions_per_hour() > 5 * PRIOR.interruptions_per_hour()
    never = SpotMemory(pools={"l4-spot": Tally(hours=2000.0)})
    assert spot.belief(never, "l4-spot").interruptions_per_hour() < PRIOR.interruptions_per_hour() / 10


def test_single_losses_teach_that_batches_are_small() -> None:
    singly = SpotMemory(pools={"l4-spot": Tally(hours=40.0, batches=8.0, taken=0.0, left=8.0)})
    together = SpotMemory(pools={"l4-spot": Tally(hours=40.0, batches=8.0, taken=7.5, left=0.5)})
    apart, joint = spot.belief(singly, "l4-spot"), spot.belief(together, "l4-spot")
    assert apart.reach < 0.1
    assert joint.reach > 0.8
    assert joint.at_least(10, 600, 8) > 20 * apart.at_least(10, 600, 8)


def test_what_was_seen_fades() -> None:
    memory = SpotMemory(at=0.0, pools={"l4-spot": Tally(hours=100.0, batches=10.0)})
    later = spot.learn(memory, {}, POOLS, at=10 * interruptions.HALF_LIFE_S)
    assert later.of("l4-spot").batches < 0.01


def test_the_first_losses_of_a_batch_count_at_once() -> None:
    memory = seen(begun("a", "b", "c"), 1015, *fleet("c"), told=3)
    believed = spot.belief(memory, "l4-spot")
    assert believed.batches == spot.PRIOR_BATCHES + 1
    assert believed.taken == spot.PRIOR_TAKEN + 0.5


def test_the_cost_factor_pays_for_starts() -> None:
    believed = SpotBelief(batches=10, hours=100, taken=1, left=1)
    assert believed.expected_cost_factor(360) == pytest.approx(1.01)
    assert believed.expected_cost_factor(math.nan) == believed.expected_cost_factor(-5) == 1


@settings(max_examples=60, deadline=None)
@given(beliefs, st.integers(0, 40), st.floats(0, 100_000))
def test_chances_are_a_distribution_that_grows_with_time(believed: SpotBelief, size: int, within_s: float) -> None:
    chances = believed.chances(size, within_s)
    assert chances.shape == (size + 1,)
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1)
    later = believed.chances(size, 2 * within_s)
    assert (np.cumsum(later) <= np.cumsum(chances) + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(beliefs, st.integers(1, 30), st.floats(60, 20_000))
def test_drawn_losses_follow_the_chances_and_grow_with_the_number_drawn(
    believed: SpotBelief, size: int, within_s: float
) -> None:
    uniforms = (np.arange(4000) + 0.5) / 4000
    drawn = believed.lost(size, within_s, uniforms)
    assert (np.diff(drawn) >= 0).all()
    assert drawn.max() <= size
    expected = float(believed.chances(size, within_s) @ np.arange(size + 1))
    assert drawn.mean() == pytest.approx(expected, abs=0.02 * size)


def test_few_expected_losses_agree_with_the_mean_rate() -> None:
    believed = SpotBelief(batches=50, hours=5000, taken=2, left=3)
    expected = float(believed.chances(10, 60) @ np.arange(11))
    assert expected == pytest.approx(10 * believed.interruptions_per_hour(10) / 60, rel=0.02)


def test_a_large_fleet_loses_the_share_of_a_smaller_one() -> None:
    large = PRIOR.chances(2 * spot.LARGEST, 600)
    assert large.sum() == pytest.approx(1)
    assert large[-1] == pytest.approx(PRIOR.chances(spot.LARGEST, 600)[-1])


@pytest.mark.parametrize("within_s", [math.nan, math.inf, -1.0, 0.0])
@pytest.mark.parametrize("size", [-3, 0, 1, 7])
def test_hostile_times_and_fleets_give_a_distribution(size: int, within_s: float) -> None:
    assert PRIOR.chances(size, within_s).sum() == pytest.approx(1)
    assert PRIOR.lost(size, within_s, np.array([0.0, 0.5, 1.0])).max() <= max(size, 0)


hostile = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0, 1, 2, 5, 10**12, 10**400, -1])
sights = st.builds(
    replica, st.sampled_from("abcdef"), st.sampled_from(list(Phase)), since_s=hostile, is_scheduled=st.booleans()
)
looks = st.lists(
    st.tuples(hostile | st.integers(0, 2000), st.lists(sights, max_size=5, unique_by=lambda item: item.name), hostile),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(looks)
def test_whatever_is_seen_memory_survives_and_the_risk_is_a_number(
    found: list[tuple[float, list[ReplicaState], float]],
) -> None:
    memory = SpotMemory()
    for at, replicas, told in found:
        memory = seen(memory, at, *replicas, told=told)  # type: ignore[arg-type]
    assert spot.from_plain(json.loads(json.dumps(memory.to_plain(), allow_nan=False))) == memory
    assert 0 < spot.belief(memory, "l4-spot").interruptions_per_hour(5) < 1e6


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"at": math.nan, "pools": {}, "workloads": {}},
        {"at": 0, "pools": {"p": {"hours": -1, "batches": 0, "taken": 0, "left": 0, "recent": None}}, "workloads": {}},
        {"at": 0, "pools": [], "workloads": {}},
        {"at": 0, "pools": {}, "workloads": {"w": {"wanted": 1}}},
    ],
)
def test_what_was_not_written_so_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="memory of interruptions"):
        spot.from_plain(plain)
