"""Tuning in hindsight: the setting that is cheapest on this very trace, always the same, by class and service."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import backtests, planning
from support.backtests import SERVICE
from tenbin_planner import traces
from tenbin_planner.backtest import running, scores, searching, tuning
from tenbin_planner.backtest.policies.hpa import Hpa
from tenbin_planner.backtest.policies.trend import Trend
from tenbin_planner.backtest.scenario import Scenario
from tenbin_spec.objectives import Objective


def waves() -> traces.Trace:
    return traces.load("generate:sine,mean=14,amplitude=12,period_s=240,minutes=20,input=100/200,output=100/200,seed=1")


def test_the_best_setting_is_the_cheapest_of_its_trials_that_reaches_the_target() -> None:
    given = backtests.scenario(waves(), initial={backtests.WORKLOAD: 2}, agreed={"max_replicas": 12})
    found = tuning.tune(given, Hpa)
    tried = found.trials[SERVICE]
    reaching = [trial for trial in tried if trial.attainment >= 0.95]
    assert 0 < len(reaching) < len(tried)
    score = scores.score(found.run)
    assert score.is_target_met
    assert float(score.usd) == min(trial.usd for trial in reaching)
    assert score.attainment == searching.best(tried, 0.95).attainment


def test_the_same_trace_and_seed_give_the_same_setting() -> None:
    given = backtests.scenario(waves(), initial={backtests.WORKLOAD: 2})
    one, other = tuning.tune(given, Trend, seed=3), tuning.tune(given, Trend, seed=3)
    assert (one.choices, one.trials, one.run.bill) == (other.choices, other.trials, other.run.bill)


def test_each_class_must_reach_its_own_target() -> None:
    requests = traces.load(
        "generate:constant,rate=8,seconds=300,input=100/200,output=100/200,classes=chat:0.5+batch:0.5,seed=1"
    )
    objectives = {
        "chat": Objective(target=Decimal("0.9"), ttft_ms=1),
        "batch": Objective(target=Decimal("0.5"), ttft_ms=100_000),
    }
    given = backtests.scenario(requests, agreed={"objectives": objectives})
    made = running.run(given, Hpa({}))
    share, usd = tuning.outcome(made, SERVICE)
    assert share < given.target(SERVICE)  # all of batch is good, and none of chat
    assert share == pytest.approx(1 - (1 - given.target(SERVICE)) * 1 / (1 - 0.9))
    assert usd == float(made.bill.usd)


def test_services_are_tuned_by_their_own_shares_and_dollars() -> None:
    agreed = planning.document(services={"chat": planning.service(), "code": planning.service(pools=["l4"])})
    requests = {
        "chat": traces.load("generate:constant,rate=12,minutes=10,input=300/500,output=60/90,seed=1"),
        "code": traces.load("generate:constant,rate=3,minutes=10,input=300/500,output=60/90,seed=2"),
    }
    found = tuning.tune(Scenario(name="two", document=agreed, traces=requests), Hpa)
    assert found.choices.keys() == {"chat", "code"}
    for name, choice in found.choices.items():
        target = float(agreed.services[name].slo.classes["interactive"].target)
        assert searching.best(found.trials[name], target).choice == choice
