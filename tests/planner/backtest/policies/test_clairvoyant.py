"""The clairvoyant: ready when its schedule says so, at its target, and never dearer than a constant fleet that is."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import backtests, planning
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner import traces
from tenbin_planner.backtest import fixed_fleets, fluid, running, schedules, scores, stackless, tuning
from tenbin_planner.backtest.policies import clairvoyant
from tenbin_planner.backtest.policies.trend import Trend
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.model.lives import LeadTime, SpotMarket
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from tenbin_planner.traces import Trace

LENGTHS = "input=100/200,output=100/200,seed=1"
SINE = f"generate:sine,mean=14,amplitude=12,period_s=1200,minutes=40,{LENGTHS}"
STEP = f"generate:step,before=3,after=20,at_s=600,until_s=1200,minutes=30,{LENGTHS}"
BURSTS = f"generate:bursts,rate=5,burst=18,calm_s=300,burst_s=90,minutes=40,{LENGTHS}"
LEVEL = f"generate:constant,rate=15,minutes=20,{LENGTHS}"


def due(told: int, from_s: float, leads_s: list[float]) -> int:
    return clairvoyant.due(np.array([1, 2, 5, 1]), told, from_s=from_s, leads_s=leads_s, interval_s=15.0)


def test_a_start_is_asked_for_at_the_last_tick_after_which_it_would_be_late() -> None:
    assert [due(1, at_s, [40.0]) for at_s in (0, 5, 15)] == [0, 0, 1]
    assert [due(2, at_s, [40.0]) for at_s in (60, 65, 75)] == [0, 0, 3]
    assert due(5, 75, [40.0]) == 0
    assert due(1, 300, [40.0]) == 0


def test_starts_before_a_long_one_are_asked_for_with_it() -> None:
    assert due(1, 0, [10.0, 10.0]) == 0
    assert due(1, 0, [10.0, 110.0, 10.0, 10.0]) == 2
    assert due(1, 0, [50.0, 10.0]) == 1


@pytest.mark.parametrize("lead_s", [0, 40, 60, 200])
def test_replicas_are_ready_when_the_schedule_needs_them(lead_s: int) -> None:
    counts = np.array([1, 1, 1, 1, 3, 3, 1, 2])
    given = backtests.scenario(backtests.every(1.0, 480), agreed={"lead_s": lead_s})
    plan = schedules.Schedule(counts=counts, attainment=1.0, usd=0.0)
    made = running.run(given, clairvoyant.Clairvoyant({SERVICE: plan}))
    for minute, wanted in enumerate(counts.tolist()):
        at_s = minute * 60
        ready = sum(item.ready_s <= at_s < item.removed_s for item in made.replicas)
        assert ready >= wanted
    idle_s = 15 + 60 if lead_s <= 60 else 200  # a short trough is kept
    assert float(made.bill.usd) <= 0.001 * (60 * counts.sum() + 3 * (lead_s + 15) + idle_s)


@pytest.mark.parametrize("spread", [1.0, 1.3])
def test_the_world_comes_to_what_a_replay_says(spread: float) -> None:
    requests = traces.load(SINE)
    given = backtests.scenario(
        requests,
        agreed={"max_replicas": 10, "lead_s": 60},
        leads={stackless.POOL: LeadTime(median_s=60.0, p95_s=60.0 * spread)},
    )
    counts = np.random.default_rng(3).integers(2, 8, 40)
    plan = schedules.replay(given, SERVICE, counts)
    made = running.run(given, clairvoyant.Clairvoyant({SERVICE: plan}))
    attainment, usd = tuning.outcome(made, SERVICE)
    assert attainment == pytest.approx(plan.attainment, abs=0.002)
    assert usd == pytest.approx(plan.usd, rel=0.03)


def reach(given: Scenario, seed: int = 0) -> scores.Score:
    return scores.score(clairvoyant.tuned(given, seed=seed).run)


@pytest.mark.parametrize("trace", [SINE, STEP, BURSTS, LEVEL])
def test_it_reaches_the_target_and_is_never_dearer_than_the_cheapest_constant_fleet_that_does(trace: str) -> None:
    given = backtests.scenario(traces.load(trace), agreed={"max_replicas": 10, "lead_s": 60})
    found, fleets = reach(given), fixed_fleets.explore(given, SERVICE)
    assert found.is_target_met
    assert fleets.smallest is not None
    assert found.usd <= fleets.scores[fleets.smallest].usd
    assert found.usd <= (fleets.hull.usd_at(found.attainment) or found.usd)
    assert float(found.usd) >= fluid.usd(given, SERVICE)


def test_it_pays_less_than_a_rule_that_sees_only_the_past() -> None:
    given = backtests.scenario(traces.load(BURSTS), agreed={"max_replicas": 10, "lead_s": 60}, initial={WORKLOAD: 2})
    rule = scores.score(tuning.tune(given, Trend).run)
    found = reach(given)
    assert found.usd < rule.usd
    assert found.is_target_met


def test_where_the_target_cannot_be_reached_it_has_the_best_attainment_of_what_it_tried() -> None:
    given = backtests.scenario(traces.load(SINE), agreed={"max_replicas": 2})
    tuned = clairvoyant.tuned(given)
    best = max(trial.attainment for trial in tuned.trials[SERVICE])
    assert best < 0.95
    assert tuning.outcome(tuned.run, SERVICE)[0] == best


def test_starts_of_uncertain_length_and_interruptions_are_allowed_for() -> None:
    requests = traces.load(
        "generate:sine,mean=10,amplitude=8,period_s=1200,minutes=40,input=300/500,output=60/90,seed=1"
    )
    given = Scenario(
        name="rough",
        document=planning.document(),
        traces={"chat": requests},
        leads={"l4": LeadTime(median_s=60, p95_s=120), "l4-spot": LeadTime(median_s=60, p95_s=120)},
        spot={"l4-spot": SpotMarket(interruptions_per_hour=2.0)},
    )
    assert reach(given, seed=4).is_target_met


def test_each_class_reaches_its_target() -> None:
    requests: Trace = traces.load(f"{SINE},classes=chat:0.3+batch:0.7")
    objectives = {
        "chat": Objective(target=Decimal("0.99"), ttft_ms=60),
        "batch": Objective(target=Decimal("0.9"), ttft_ms=1000),
    }
    assert reach(backtests.scenario(requests, agreed={"objectives": objectives, "max_replicas": 10})).is_target_met


def test_services_have_schedules_of_their_own() -> None:
    agreed = planning.document(services={"chat": planning.service(), "code": planning.service(pools=["l4"])})
    lengths = "minutes=20,input=300/500,output=60/90"
    requests = {
        "chat": traces.load(f"generate:sine,mean=10,amplitude=8,period_s=1200,{lengths},seed=1"),
        "code": traces.load(f"generate:constant,rate=3,{lengths},seed=2"),
    }
    tuned = clairvoyant.tuned(Scenario(name="two", document=agreed, traces=requests))
    assert scores.score(tuned.run).is_target_met
    assert tuned.choices.keys() == {"chat", "code"}


def test_a_service_without_requests_keeps_what_it_begins_with() -> None:
    agreed = planning.document(services={"chat": planning.service(), "code": planning.service(pools=["l4"])})
    given = Scenario(name="one", document=agreed, traces={"chat": backtests.every(1.0, 60)})
    tuned = clairvoyant.tuned(given)
    assert tuned.choices.keys() == {"chat"}
    assert {item.workload.name for item in tuned.run.replicas} == set(given.start) - {"chat-serve-l4"}
