"""The planner in virtual time: the same plans as elsewhere, targets met, caps and ranges kept, the same run again."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import planning, virtual_world
from support.backtests import SERVICE, WORKLOAD
from support.planning import ON_DEMAND, SPOT
from tenbin_planner import ports, traces
from tenbin_planner.backtest import faults, planner_ports, running, scores, stackless, world
from tenbin_planner.backtest.policies.fixed import Fixed
from tenbin_planner.backtest.policies.tenbin import Tenbin
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.decide import outlook
from tenbin_planner.decide.outlook import levels
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_planner.model import fleet
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_planner.model.results import Outcome
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest.world import World

WORKED_OUT = {
    "requests_per_second": {"expected": 3, "peak": 30},
    "input_tokens": {"mean": 345, "p95": 900},
    "output_tokens": {"mean": 70, "p95": 160},
}
AGREED = planning.document(services={"chat": planning.service(workload=WORKED_OUT)})


def stepped(*steps: tuple[float, float, float], seed: int = 0) -> traces.Trace:
    """Return Poisson arrivals: (from, to, requests per second)."""
    rng = np.random.default_rng(seed)
    moments = np.concatenate([rng.uniform(begin, end, rng.poisson((end - begin) * rate)) for begin, end, rate in steps])
    moments.sort()
    return traces.Trace.of(
        name="steps",
        arrival_s=moments,
        input_tokens=rng.integers(100, 600, moments.size),
        output_tokens=rng.integers(20, 120, moments.size),
    )


WARM = {SPOT: 2, ON_DEMAND: 1}
"""What is bought at once for the declared demand: the other simulator has not heard a gateway then."""
STEP = stepped((0, 120, 2), (120, 240, 14), (240, 400, 2))


def scenario(trace: traces.Trace = STEP, **more: Any) -> Scenario:
    plain: dict[str, Any] = {"initial": {SPOT: 1}, "duration_s": 400.0, "document": AGREED}
    return Scenario(name="test", traces={"chat": trace}, **{**plain, **more})


def ticks_of(given: Scenario, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> list[ports.Tick]:
    """Run the planner and return its ticks."""
    found: list[ports.Tick] = []
    record = planner_ports.PlannerPorts.record

    def recording(self: planner_ports.PlannerPorts, tick: ports.Tick) -> None:
        found.append(tick)
        record(self, tick)

    monkeypatch.setattr(planner_ports.PlannerPorts, "record", recording)
    running.run(given, Tenbin(given.interval_s, recipe))
    return found


def ticks_elsewhere(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> list[ports.Tick]:
    """Run the planner where engines are driven pass by pass, and every request goes through the access log's record."""
    arrivals = fleet.Arrivals.of(STEP.arrival_s, STEP.input_tokens, STEP.output_tokens, "interactive")
    monkeypatch.setattr(virtual_world, "EPOCH", world.EPOCH_S)
    other = virtual_world.World(AGREED, arrivals, class_name="interactive", lead_s={"l4-spot": 20.0, "l4": 20.0})
    other.start(WARM)
    other.run(400, other.new_loop(recipe), interval_s=planning.INTERVAL_S)
    return other.ticks


def reasons(tick: ports.Tick) -> list[tuple[object, ...]]:
    return [
        (item.name, item.needed, item.requests_per_second, [because.reason for because in item.because])
        for item in tick.plan.services
    ]


def test_plans_are_those_made_on_another_simulator_and_the_record_of_production(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = ticks_elsewhere(planning.STEADY_STATE, monkeypatch)
    ticks = ticks_of(scenario(initial=WARM), planning.STEADY_STATE, monkeypatch)
    assert len(ticks) == len(others) == 80
    for mine, theirs in list(zip(ticks, others, strict=True))[1:]:  # at the very first, no gateway was heard there
        assert mine.plan.at == theirs.plan.at
        assert mine.plan.wanted() == theirs.plan.wanted()
        assert reasons(mine) == reasons(theirs)
    assert max(sum(tick.plan.wanted().values()) for tick in ticks) >= 3


def test_looking_ahead_plans_much_the_same_where_tokens_so_far_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    totals = [
        np.array([sum(tick.plan.wanted().values()) for tick in ticks])
        for ticks in (ticks_of(scenario(initial=WARM), FULL, monkeypatch), ticks_elsewhere(FULL, monkeypatch))
    ]
    assert np.abs(totals[0] - totals[1])[1:].max() <= 2
    assert abs(totals[0].mean() - totals[1].mean()) < 0.5


def test_the_planner_reaches_its_target_for_less_than_a_constant_fleet_that_does() -> None:
    profile = catalogue.profiles()[planning.PROFILE]
    terms = stackless.Terms(
        profile=profile,
        hourly_usd=Decimal("0.80"),
        objectives={"": Objective(target=Decimal("0.95"), ttft_ms=1000, tpot_ms=60)},
        lead_s=60,
        max_replicas=12,
    )
    trace = traces.load(
        "generate:sine,mean=22,amplitude=16,period_s=3600,minutes=60,input=300/800,output=60/150,seed=2"
    )
    given = stackless.scenario(terms, trace, initial={WORKLOAD: 1})
    dynamic = scores.score(running.run(given, Tenbin(given.interval_s)))
    assert dynamic.is_target_met
    constant = {count: scores.score(running.run(given, Fixed({SERVICE: count}))) for count in range(3, 9)}
    cheapest = min(item.usd for item in constant.values() if item.is_target_met)
    assert dynamic.usd < cheapest


def test_the_same_scenario_and_seed_give_the_same_run() -> None:
    given = scenario(
        leads={"l4": LeadTime(median_s=20, p95_s=40)}, spot={"l4-spot": SpotMarket(interruptions_per_hour=30)}
    )

    def told(seed: int) -> tuple[object, ...]:
        made = running.run(given, Tenbin(given.interval_s), seed=seed)
        columns = [getattr(made.results["chat"], name).tobytes() for name in ("outcome", "ttft_ms", "e2e_ms")]
        lives = [(item.name, item.node_s, item.ready_s, item.removed_s, item.gone_s) for item in made.replicas]
        return (*columns, lives, made.bill, made.reasons, made.waiting)

    assert told(1) == told(1)
    assert told(1)[3] != told(2)[3]


def test_what_exists_never_costs_more_than_the_cap() -> None:
    capped = planning.with_cap(AGREED, "2.00")
    made = running.run(scenario(stepped((0, 60, 2), (60, 180, 30), (180, 300, 2)), document=capped), Tenbin(5.0))
    assert made.bill.peak_hourly_usd <= Decimal("2.00")
    assert "hourly-cap" in {item.reason for item in made.reasons}


def test_replicas_stay_within_their_range() -> None:
    trace = stepped((0, 100, 2), (100, 250, 80), (250, 400, 2))
    made = running.run(scenario(trace), Tenbin(5.0))
    wanted = [item.wanted for item in made.reasons if item.subject == "chat"]
    assert 1 <= min(wanted) < max(wanted) == 8


def test_all_requests_end_after_the_last_tick() -> None:
    made = running.run(scenario(stepped((0, 400, 10)), duration_s=395.0), Tenbin(5.0))
    result = made.results["chat"]
    assert result.count(Outcome.IN_FLIGHT) == 0
    assert (result.arrivals.arrival_s > 395).any()


def test_scaling_down_breaks_no_request() -> None:
    made = running.run(scenario(), Tenbin(5.0))
    assert made.changes >= 4
    assert made.results["chat"].count(Outcome.FAILED) == 0


def test_money_of_a_constant_fleet_by_hand() -> None:
    made = running.run(scenario(initial=None), Fixed({"chat": 3}))
    # Two replicas for 0.36 USD and one for 0.80 USD per hour over 400 s.
    assert made.bill.usd.quantize(Decimal("1e-9")) == (Decimal("1.52") * 400 / 3600).quantize(Decimal("1e-9"))
    assert set(made.bill.usd_by_pool) == {"l4", "l4-spot"}
    assert (made.bill.peak_hourly_usd, made.changes) == (Decimal("1.52"), 0)
    assert made.policy == "fixed-3"


def test_five_blind_minutes_change_no_count() -> None:
    given = scenario(stepped((0, 700, 12)), duration_s=700.0, faults=(faults.Blind(at_s=200, for_s=300),))
    made = running.run(given, Tenbin(5.0))
    changed = [item.asked_s for item in made.replicas if item.asked_s > 0] + [
        item.removed_s for item in made.replicas if item.removed_s < math.inf
    ]
    assert not [at for at in changed if 201 < at < 500]
    assert "no-signal" in {item.reason for item in made.reasons if 200 <= item.at_s < 500}


def test_a_history_is_remembered() -> None:
    before, now = stepped((0, 4000, 6), seed=1), stepped((0, 100, 6))
    given = scenario(now, history={"chat": before}, duration_s=100.0)
    memory = planner_ports.remembered(given)
    assert memory is not None
    service = memory.service("chat")
    assert (service.demand.until, service.demand.observed_s) == (world.EPOCH_S // levels.BIN_S, 4000.0)
    foreseen = outlook.outlook(
        service.demand,
        at=world.EPOCH_S,
        horizon_s=60.0,
        step_s=15.0,
        prior=outlook.Prior(expected_rps=1.0, peak_rps=2.0),
    )
    assert foreseen.median[0] == pytest.approx(np.count_nonzero(before.arrival_s >= 2000) / 2000, rel=0.1)
    assert planner_ports.remembered(scenario()) is None
    fresh, informed = (running.run(item, Tenbin(5.0)) for item in (dataclasses.replace(given, history={}), given))
    assert next(item.reason for item in fresh.reasons if item.subject == "chat") == "warming-up"
    assert next(item.reason for item in informed.reasons if item.subject == "chat") != "warming-up"


class Curious:
    """A rule that needs a metric for each of its ticks."""

    name, interval_s = "curious", 10.0

    def __init__(self) -> None:
        self.read: list[float] = []

    def start(self, given: Scenario) -> Mapping[str, int]:
        return given.start

    def tick(self, world: World) -> None:
        world.rate("chat", 60)
        self.read.append(world.now_s)


def test_a_tick_without_metrics_ends_and_the_next_one_comes() -> None:
    rule, seen = Curious(), []
    given = scenario(faults=(faults.Blind(at_s=100, for_s=50),))
    made = running.run(given, rule, progress=lambda at_s, end_s: seen.append((at_s, end_s)))
    assert rule.read == [float(at) for at in range(0, 400, 10) if not 100 <= at < 150]
    assert (seen[-1], made.reasons) == ((400.0, 400.0), ())


def test_a_step_of_the_loop_that_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def observe(_self: planner_ports.PlannerPorts) -> ports.Scene:
        raise ConnectionError("no cluster here")

    monkeypatch.setattr(planner_ports.PlannerPorts, "observe", observe)
    with pytest.raises(ConnectionError, match=r"^no cluster here$"):
        running.run(scenario(), Tenbin(5.0))


def test_a_step_of_the_loop_that_waits_for_the_real_world_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def observe(_self: planner_ports.PlannerPorts) -> ports.Scene:
        await asyncio.sleep(0)
        raise AssertionError("goes on without anybody who wakes it")

    monkeypatch.setattr(planner_ports.PlannerPorts, "observe", observe)
    with pytest.raises(RuntimeError, match=r"^a step of the loop waits for something outside virtual time$"):
        running.run(scenario(), Tenbin(5.0))


def test_in_both_pools_replicas_are_bought() -> None:
    made = running.run(scenario(stepped((0, 400, 25))), Tenbin(5.0))
    assert {item.workload.name for item in made.replicas} == {SPOT, ON_DEMAND}
