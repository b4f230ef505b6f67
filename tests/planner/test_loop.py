"""The loop in virtual time: what holds over many ticks, and what a failed step leads to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from support.virtual_world import World
from tenbin_planner import ports
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import EngineReading, Phase
from tenbin_planner.model import fleet

if TYPE_CHECKING:
    from tenbin_planner.decide import memory
    from tenbin_spec.document import Document

LEAD_S = {"l4-spot": 20.0, "l4": 20.0}
SERVICE = planning.service(
    workload={
        "requests_per_second": {"expected": 3, "peak": 30},
        "input_tokens": {"mean": 300, "p95": 900},
        "output_tokens": {"mean": 60, "p95": 160},
    }
)
AGREED = planning.document(services={"chat": SERVICE})


def world(*steps: tuple[float, float, float], agreed: Document = AGREED, seed: int = 0) -> World:
    """Return a world with Poisson arrivals: (from, to, requests per second), one replica ready."""
    rng = np.random.default_rng(seed)
    moments = np.sort(
        np.concatenate([rng.uniform(begin, end, rng.poisson((end - begin) * rate)) for begin, end, rate in steps])
    )
    prompts = rng.integers(100, 600, moments.size)
    answers = rng.integers(20, 120, moments.size)
    arrivals = fleet.Arrivals.of(moments, prompts, answers, "interactive")
    made = World(agreed, arrivals, class_name="interactive", lead_s=LEAD_S)
    made.start({SPOT: 1})
    return made


def run(made: World, until_s: float) -> None:
    made.run(until_s, made.new_loop(), interval_s=5)


def reasons(made: World) -> list[str]:
    """Return the main reasons over time, repetitions left out."""
    found: list[str] = []
    for tick in made.ticks:
        reason = str(tick.plan.services[0].because[0].reason)
        if found[-1:] != [reason]:
            found.append(reason)
    return found


def test_a_step_is_answered_at_once_and_given_back() -> None:
    made = world((0, 120, 2), (120, 240, 18), (240, 400, 2))
    run(made, 400)
    totals = [sum(tick.plan.wanted().values()) for tick in made.ticks]
    before, after_two_ticks, stepped = totals[120 // 5], totals[130 // 5], totals[160 // 5 : 240 // 5]
    assert totals[0] == 1
    assert before <= 2 < after_two_ticks
    assert max(stepped) - min(stepped) <= 2, f"moves although demand stands: {totals}"
    assert totals[-1] <= 2
    assert {"backlog", "steady", "scale-down"} <= set(reasons(made))
    assert not made.failures


def test_scaling_down_breaks_no_request() -> None:
    made = world((0, 60, 2), (60, 150, 14), (150, 300, 2))
    run(made, 300)
    made.run(340, None, interval_s=5)
    finished = [sequence is not None and sequence.finished for _, sequence in made._sequences]
    assert all(finished)
    assert any(isinstance(order, drain.Mark) for tick in made.ticks for order in tick.done)


def test_what_exists_never_costs_more_than_the_cap() -> None:
    capped = planning.with_cap(AGREED, "2.00")
    made = world((0, 60, 2), (60, 180, 30), (180, 300, 2), agreed=capped)
    planner = made.new_loop()
    for second in range(0, 300, 5):
        made.run(second + 5, planner, interval_s=5)
        assert made.usd_per_hour(made.now_s) <= 2.00
    assert "hourly-cap" in reasons(made)


def test_a_pool_without_nodes_is_left_for_another() -> None:
    made = world((0, 300, 12))
    made.pools_without_nodes = {"l4-spot"}
    run(made, 300)
    assert made.told(ON_DEMAND) >= 2
    assert made.ready() >= 2
    assert any(item.reason == "stuck-pending" for tick in made.ticks for item in [_because(tick, SPOT)])


def _because(tick: ports.Tick, workload: str):  # noqa: ANN202
    return next(item.because for item in tick.plan.workloads if item.name == workload)


def test_five_blind_minutes_change_nothing_and_end_well() -> None:
    made = world((0, 700, 12))
    planner = made.new_loop()
    made.run(200, planner, interval_s=5)
    before = (made.told(SPOT), made.told(ON_DEMAND))
    made.is_blind = True
    made.run(500, planner, interval_s=5)
    assert (made.told(SPOT), made.told(ON_DEMAND)) == before
    assert made.ticks[-1].plan.services[0].because[0].reason == "no-signal"
    made.is_blind = False
    made.run(700, planner, interval_s=5)
    assert made.ticks[-1].plan.services[0].because[0].reason != "no-signal"
    assert sum(made.ticks[-1].plan.wanted().values()) >= 2


def test_a_planner_that_is_killed_goes_on_from_what_it_saved() -> None:
    made = world((0, 300, 14))
    made.run(150, made.new_loop(), interval_s=5)
    before = (made.told(SPOT), made.told(ON_DEMAND))
    made.run(200, made.new_loop(), interval_s=5)
    restarted = [tick for tick in made.ticks if tick.plan.at > 1_000_000 + 150]
    assert all(sum(tick.plan.wanted().values()) >= sum(before) for tick in restarted)
    assert restarted[0].plan.services[0].because[0].reason in ("steady", "hold", "forecast")


def test_a_planner_without_memory_gives_up_nothing_before_it_has_observed_enough() -> None:
    made = world((0, 300, 2))
    made.start({SPOT: 2, ON_DEMAND: 2})
    run(made, 30)
    assert (made.told(SPOT), made.told(ON_DEMAND)) == (2, 2)
    run(made, 200)
    assert (made.told(SPOT), made.told(ON_DEMAND)) in {(1, 0), (2, 0)}


class Unwilling(World):
    """A world in which some calls fail."""

    failing: frozenset[str] = frozenset()

    async def observe(self) -> ports.Scene:
        self._maybe_fail("observe")
        return await super().observe()

    async def carry_out(self, order: drain.Order) -> None:
        self._maybe_fail("act")
        await super().carry_out(order)

    async def load(self) -> memory.Memory | None:
        self._maybe_fail("recall")
        return await super().load()

    async def save(self, remembered: memory.Memory) -> None:
        self._maybe_fail("remember")
        await super().save(remembered)

    def _maybe_fail(self, step: str) -> None:
        if step in self.failing:
            raise ConnectionError(f"{step} fails")


@pytest.fixture
def unwilling() -> Unwilling:
    arrivals = fleet.Arrivals.of([1.0], [100], [10], "interactive")
    return Unwilling(AGREED, arrivals, class_name="interactive", lead_s=LEAD_S)


@pytest.mark.parametrize("step", ["recall", "observe"])
def test_without_memory_or_observation_nothing_is_decided_and_the_next_tick_tries_again(
    unwilling: Unwilling, step: str
) -> None:
    planner = unwilling.new_loop()
    unwilling.failing = frozenset({step})
    assert asyncio.run(planner.tick()) is None
    assert [(name, str(error)) for name, error in unwilling.failures] == [(step, f"{step} fails")]
    unwilling.failing = frozenset()
    assert asyncio.run(planner.tick()) is not None
    assert unwilling.told(SPOT) == 1


def test_an_order_that_fails_is_given_again(unwilling: Unwilling) -> None:
    planner = unwilling.new_loop()
    unwilling.failing = frozenset({"act"})
    first = asyncio.run(planner.tick())
    assert first is not None
    assert (first.done, unwilling.told(SPOT)) == ((), 0)
    unwilling.failing = frozenset()
    second = asyncio.run(planner.tick())
    assert second is not None
    assert second.done == second.orders == first.orders
    assert second.plan.notes == ()


def test_a_state_that_cannot_be_saved_stops_nothing(unwilling: Unwilling) -> None:
    planner = unwilling.new_loop()
    unwilling.failing = frozenset({"remember"})
    assert asyncio.run(planner.tick()) is not None
    assert unwilling.told(SPOT) == 1
    assert unwilling.saved is None


def test_a_follower_decides_and_writes_nothing(unwilling: Unwilling) -> None:
    unwilling.is_leader = False
    tick = asyncio.run(unwilling.new_loop().tick())
    assert tick is not None
    assert tick.orders
    assert (tick.done, unwilling.told(SPOT), unwilling.saved) == ((), 0, None)


def test_a_dry_run_decides_and_changes_nothing() -> None:
    agreed = AGREED.model_copy(update={"planner": AGREED.planner.model_copy(update={"dry_run": True})})
    arrivals = fleet.Arrivals.of([1.0], [100], [10], "interactive")
    made = World(agreed, arrivals, class_name="interactive", lead_s=LEAD_S)
    tick = asyncio.run(made.new_loop().tick())
    assert tick is not None
    assert (tick.is_dry_run, tick.done, made.told(SPOT)) == (True, (), 0)


def test_a_follower_that_begins_to_lead_takes_over_what_was_saved(unwilling: Unwilling) -> None:
    leader = unwilling.new_loop()
    asyncio.run(leader.tick())
    unwilling.is_leader = False
    follower = unwilling.new_loop()
    asyncio.run(follower.tick())
    unwilling.is_leader = True
    tick = asyncio.run(follower.tick())
    assert tick is not None
    assert tick.plan.notes == ()
    assert unwilling.saved is not None
    assert unwilling.saved.workload(SPOT).written == 1


def test_the_replica_with_the_least_work_goes() -> None:
    made = world((0, 60, 10), (60, 200, 1))
    made.start({SPOT: 2})
    run(made, 200)
    choices = 0
    for tick in made.ticks:
        for order in tick.done:
            if isinstance(order, drain.Mark):
                work = _work_beside(tick, order.replica)
                choices += len(work) > 1
                assert work[order.replica] == min(work.values())
    assert choices


def _work_beside(tick: ports.Tick, name: str) -> dict[str, float]:
    """Return the requests in each ready replica of the workload that a replica belongs to."""
    states = tick.scene.observation.workloads.values()
    state = next(state for state in states if name in [replica.name for replica in state.replicas])
    return {
        replica.name: replica.engine.running + replica.engine.waiting
        for replica in state.replicas
        if replica.phase is Phase.READY and isinstance(replica.engine, EngineReading)
    }
