"""The fleet that is driven piece by piece: replicas join, drain and die while it runs, and copies go their own way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tenbin_planner.model import fleet
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import ReplicaLife, fixed
from tenbin_planner.model.results import Outcome
from tenbin_planner.model.routing import Routing
from tenbin_planner.model.simulation import FleetSimulation, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_spec.profiles import EngineProfile

    Profiles = Callable[..., EngineProfile]


def steady(count: int = 40, answer: int = 50) -> Arrivals:
    """One request of 100 tokens every 50 ms; alone, an answer of 50 takes 559 ms."""
    return Arrivals.of(np.arange(count) * 0.05, [100] * count, [answer] * count)


def test_nothing_happens_before_it_is_advanced(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 2))
    assert simulation.result().count(Outcome.IN_FLIGHT) == 40
    assert simulation.in_flight.tolist() == [0, 0]


def test_it_shows_the_present(by_hand: Profiles) -> None:
    # Four of the seven come to one replica with four places; none has ended at 301 ms.
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    simulation.advance(0.301)
    assert (simulation.now_s, simulation.in_flight.tolist(), simulation.queued.tolist()) == (0.301, [7], [3])
    assert simulation.kv_usage == pytest.approx([4 * 0.11], abs=0.05)


def test_the_past_is_left_as_it_is(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    simulation.advance(1.0)
    before = simulation.result()
    simulation.advance(0.5)
    assert simulation.now_s == 1.0
    assert simulation.result().outcome.tolist() == before.outcome.tolist()


def test_a_replica_that_joins_later_is_as_one_that_is_ready_later(by_hand: Profiles) -> None:
    other = by_hand(max_num_seqs=8, per_sequence_ms=0.5)
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    simulation.advance(0.9)
    index = simulation.add(ReplicaLife(profile=other, ready_s=1.2))
    joined = simulation.lives
    simulation.advance(math.inf)
    assert (index, len(joined)) == (1, 2)
    result = simulation.result()
    planned = fleet.simulate(steady(), [ReplicaLife(profile=by_hand()), ReplicaLife(profile=other, ready_s=1.2)])
    for name in ("outcome", "replica", "ttft_ms", "e2e_ms"):
        assert getattr(result, name).tobytes() == getattr(planned, name).tobytes()


@pytest.mark.parametrize("end", ["stop_s", "kill_s"])
def test_an_end_that_is_decided_later_is_as_one_known_from_the_start(by_hand: Profiles, end: str) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 2))
    simulation.advance(0.9)
    simulation.change(1, **{end: 1.1})
    simulation.advance(math.inf)
    planned = fleet.simulate(steady(), [ReplicaLife(profile=by_hand()), ReplicaLife(profile=by_hand(), **{end: 1.1})])
    result = simulation.result()
    for name in ("outcome", "replica", "ttft_ms", "e2e_ms"):
        assert getattr(result, name).tobytes() == getattr(planned, name).tobytes()
    assert (result.count(Outcome.FAILED) > 0) == (end == "kill_s")


def test_replicas_of_a_copy_are_its_own(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    simulation.advance(0.5)
    copied = simulation.copy()
    copied.add(ReplicaLife(profile=by_hand(max_num_seqs=8)))
    copied.change(0, kill_s=0.6)
    for each in (simulation, copied):
        each.advance(math.inf)
    assert (len(simulation.lives), len(copied.lives)) == (1, 2)
    assert simulation.result().count(Outcome.FAILED) == 0
    assert copied.result().count(Outcome.FAILED) > 0


@pytest.mark.parametrize("routing", list(Routing))
def test_the_dead_are_forgotten_without_a_trace(by_hand: Profiles, routing: Routing) -> None:
    arrivals = steady(400, 40)
    lives = [
        ReplicaLife(profile=by_hand(kv_blocks=52), ready_s=index * 0.1, stop_s=index * 0.1 + 0.5, kill_s=end)
        for index, end in enumerate(np.arange(190) * 0.1 + np.tile([0.9, 0.62, 5.0], 64)[:190])
    ]
    service = Service(routing=routing, seed=3)
    simulation = FleetSimulation(arrivals, lives, service)
    counts = []
    for instant in np.arange(0.0, 22.0, 0.15):
        simulation.advance(instant)
        counts.append(simulation.loads().replica.size)
        assert simulation.in_flight.size == 190
    simulation.advance(math.inf)
    at_once = fleet.simulate(arrivals, lives, routing=routing, seed=3)
    result = simulation.result()
    for name in ("outcome", "replica", "ttft_ms", "e2e_ms"):
        assert getattr(result, name).tobytes() == getattr(at_once, name).tobytes()
    assert (result.preemptions, result.extrapolated) == (at_once.preemptions, at_once.extrapolated)
    assert (counts[0], counts[-1]) == (190, 7)
    assert simulation._state.replicas.size < 40, "the state of the dead is still carried along"


def test_who_drains_may_be_taken_back_and_who_is_dead_may_not(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 2))
    simulation.advance(0.5)
    simulation.change(1, stop_s=0.5)
    simulation.advance(1.0)
    simulation.change(1, stop_s=math.inf)
    simulation.advance(1.2)
    simulation.change(0, kill_s=1.2)
    result = simulation.result()
    came_s = result.arrivals.arrival_s
    assert set(result.replica[(came_s > 0.5) & (came_s < 1.0)].tolist()) == {0}
    assert 1 in result.replica[(came_s > 1.0) & (came_s < 1.2)]
    simulation.advance(1.3)
    with pytest.raises(ValueError, match=r"^replica 0 is dead since 1\.2; allowed is one that lives$"):
        simulation.change(0, stop_s=2.0)


def test_the_fate_of_a_request_says_when_it_ended(by_hand: Profiles) -> None:
    arrivals = Arrivals.of([0.0, 0.1, 0.2, 0.3, 0.4], [100, 100, 499, 100, 100], [2, 2, 499, 500, 500])
    simulation = FleetSimulation(arrivals, [ReplicaLife(profile=by_hand(), kill_s=2.0), *fixed(by_hand(), 1)])
    simulation.advance(1.0)
    fates = simulation.fates(np.arange(5))
    assert fates.outcome.tolist() == [0, 0, 2, 2, 2]
    assert fates.ended_ms[2:].tolist() == [200.0, 300.0, 400.0]
    assert fates.ended_ms[:2].tolist() == fates.last_ms[:2].tolist()
    assert simulation.ended_ms(0) == 400.0


def test_loads_say_what_the_living_hold(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), [ReplicaLife(profile=by_hand(), kill_s=0.2), *fixed(by_hand(), 1)])
    simulation.advance(0.301)
    loads = simulation.loads()
    assert loads.replica.tolist() == [1]
    for name in ("in_flight", "waiting", "kv_usage"):
        by_life = getattr(simulation, {"waiting": "queued"}.get(name, name))
        assert getattr(loads, name).tolist() == [by_life[1]]
    assert loads.in_flight == loads.running + loads.waiting
    assert loads.waiting_tokens == 100 * loads.waiting


def test_a_fleet_that_is_empty_at_first_may_grow(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), [])
    simulation.advance(0.3)
    simulation.add(ReplicaLife(profile=by_hand()))
    simulation.advance(math.inf)
    assert simulation.result().outcome.tolist() == [Outcome.FAILED] * 6 + [Outcome.FINISHED] * 34


@pytest.mark.parametrize("instant", [0.9, -1.0, math.nan, -math.inf])
def test_no_life_ends_in_the_past(by_hand: Profiles, instant: float) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    simulation.advance(1.0)
    for name in ("stop_s", "kill_s"):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
            simulation.change(0, **{name: instant})
        assert str(caught.value) == f"{name} is {instant}; allowed is 1.0, the present, or later"
    assert simulation.lives == tuple(fixed(by_hand(), 1))


@pytest.mark.parametrize("number", [-1, 1.5, math.nan])
def test_numbers_that_mean_nothing_are_refused_all_at_once(number: float) -> None:
    hostile: dict[str, Any] = dict.fromkeys(("max_queued", "max_queued_tokens", "seed"), number)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        Service(**hostile, expected_output_tokens=0.0)
    assert str(caught.value) == (
        f"max_queued is {number}; allowed is a whole number of 0 or more, or None; "
        f"max_queued_tokens is {number}; allowed is a whole number of 0 or more, or None; "
        f"seed is {number}; allowed is a whole number from 0 to 2**63 - 1; "
        "expected_output_tokens is 0.0; allowed is 1 to 1000000000"
    )


def test_the_largest_seed_is_a_seed(by_hand: Profiles) -> None:
    chosen = fleet.simulate(steady(), fixed(by_hand(), 2), routing="random", seed=2**63 - 1).replica
    assert set(chosen.tolist()) == {0, 1}


def test_an_end_that_is_no_number_is_refused_and_changes_nothing(by_hand: Profiles) -> None:
    simulation = FleetSimulation(steady(), fixed(by_hand(), 1))
    with pytest.raises(ValueError, match=r"^until_s is nan; allowed is a number$"):
        simulation.advance(math.nan)
    assert (simulation.now_s, simulation.in_flight.tolist()) == (0.0, [0])


def test_instants_may_be_whole_numbers(by_hand: Profiles) -> None:
    lives = [ReplicaLife(profile=by_hand(), ready_s=0, stop_s=1, kill_s=5)]
    result = fleet.simulate(Arrivals.of([0, 1], [10, 10], [1, 1]), lives, until_s=9)
    assert result.outcome.tolist() == [Outcome.FINISHED, Outcome.FAILED]


def test_an_unknown_routing_is_refused(by_hand: Profiles) -> None:
    with pytest.raises(ValueError, match=r"^'best' is not a valid Routing$"):
        fleet.simulate(steady(), fixed(by_hand(), 1), routing="best")


def test_limits_of_an_engine_that_contradict_each_other_are_refused(by_hand: Profiles) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        fleet.simulate(steady(), fixed(by_hand(kv_blocks=49), 1))
    assert str(caught.value) == (
        "profile by-hand: a KV cache of 490 tokens cannot hold one sequence of max_model_len 500"
    )
