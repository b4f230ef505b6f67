"""Scenarios: what fits together, where replicas go, and what is declared without a stack."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import backtests, planning
from support.planning import ON_DEMAND, SPOT
from tenbin_planner.backtest import faults, stackless
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.model.lives import LeadTime
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.objectives import Objective

REQUESTS = backtests.every(0.5, 100)


def test_replicas_fill_the_cheapest_workload_first() -> None:
    given = backtests.two_pools(REQUESTS)
    assert [item.name for item in given.workloads("chat")] == [SPOT, ON_DEMAND]
    assert given.spread("chat", 5) == {SPOT: 2, ON_DEMAND: 3}
    assert given.start == {SPOT: 1, ON_DEMAND: 0}


def test_what_may_never_run_on_spot_comes_first() -> None:
    chat = planning.service(replicas={"min": 3, "max": 8, "on_demand_min": 2})
    given = Scenario(name="firm", document=planning.document(services={"chat": chat}), traces={"chat": REQUESTS})
    assert given.start == {SPOT: 1, ON_DEMAND: 2}
    assert given.spread("chat", 5) == {SPOT: 2, ON_DEMAND: 3}
    capped = planning.with_cap(given.document, "1.60")
    assert Scenario(name="firm", document=capped, traces={"chat": REQUESTS}).spread("chat", 5) == {
        SPOT: 0,
        ON_DEMAND: 2,
    }


def test_a_range_bounds_replicas() -> None:
    given = backtests.two_pools(REQUESTS)
    assert (given.spread("chat", 0), given.spread("chat", 100)) == ({SPOT: 1, ON_DEMAND: 0}, {SPOT: 2, ON_DEMAND: 6})
    assert given.most("chat") == 8


def test_caps_bound_replicas() -> None:
    agreed = planning.with_cap(planning.document(), "2.40")
    given = Scenario(name="capped", document=agreed, traces={"chat": REQUESTS})
    assert given.spread("chat", 8) == {SPOT: 2, ON_DEMAND: 2}
    chat = agreed.services["chat"].model_copy(update={"cost": CostCap(hourly_usd=Decimal("0.80"))})
    agreed = agreed.model_copy(update={"services": {"chat": chat}})
    assert Scenario(name="capped", document=agreed, traces={"chat": REQUESTS}).most("chat") == 2


def test_what_other_services_must_have_is_not_spent() -> None:
    other = planning.service(pools=["l4"], replicas={"min": 2, "max": 4})
    agreed = planning.with_cap(planning.document(services={"chat": planning.service(), "other": other}), "2.40")
    given = Scenario(name="two", document=agreed, traces={"chat": REQUESTS, "other": REQUESTS})
    assert given.spread("chat", 8) == {SPOT: 2, ON_DEMAND: 0}
    assert given.start["other-serve-l4"] == 2


def test_a_workload_without_price_or_profile_is_left_out() -> None:
    for agreed in (
        planning.without_price(planning.document(), SPOT),
        planning.without_profile(planning.document(), SPOT),
    ):
        given = Scenario(name="unknown", document=agreed, traces={"chat": REQUESTS})
        assert given.spread("chat", 8) == {ON_DEMAND: 8}


def test_it_ends_after_the_last_arrival_unless_told_otherwise() -> None:
    assert backtests.scenario(REQUESTS).end_s == 100.0
    assert backtests.scenario(backtests.trace([0.0, 7.0])).end_s == 8.0
    assert backtests.scenario(REQUESTS, duration_s=60.5).end_s == 60.5


def test_unknown_classes_are_the_default_class_and_targets_are_weighted() -> None:
    requests = backtests.trace([0.0, 1.0, 2.0, 3.0], classes=("batch", "chat", "x"), class_index=[0, 1, 2, 0])
    objectives = {
        "batch": Objective(target=Decimal("0.9"), e2e_ms=9000),
        "chat": Objective(target=Decimal("0.98"), ttft_ms=900),
    }
    document = backtests.scenario(requests, agreed={"objectives": objectives}).document
    slo = document.services[stackless.SERVICE].slo.model_copy(update={"default_class": "chat"})
    service = document.services[stackless.SERVICE].model_copy(update={"slo": slo})
    given = Scenario(
        name="classes",
        document=document.model_copy(update={"services": {stackless.SERVICE: service}}),
        traces={stackless.SERVICE: requests},
    )
    arrivals = given.arrivals(stackless.SERVICE)
    assert [arrivals.classes[index] for index in arrivals.class_index] == ["batch", "chat", "chat", "batch"]
    assert given.target(stackless.SERVICE) == pytest.approx(0.94)


def test_lead_times_are_as_declared_unless_known_better() -> None:
    given = backtests.two_pools(REQUESTS, leads={"l4": LeadTime(median_s=50, p95_s=90)})
    assert (given.lead("l4").p95_s, given.lead("l4-spot").p95_s) == (90, planning.LEAD_S)
    slow = given.with_lead(LeadTime(median_s=420, p95_s=500))
    assert slow.lead("l4-spot").p95_s == 500
    assert {pool.lead_time_s for pool in slow.document.pools.values()} == {420}


def test_one_service_can_be_looked_at_alone() -> None:
    agreed = planning.document(services={"chat": planning.service(), "other": planning.service(pools=["l4"])})
    longer = backtests.every(0.5, 200)
    given = Scenario(
        name="two",
        document=agreed,
        traces={"chat": REQUESTS, "other": longer},
        initial={SPOT: 2, "other-serve-l4": 3},
    )
    alone = given.only("chat")
    assert (set(alone.document.services), set(alone.traces)) == ({"chat"}, {"chat"})
    assert {item.name for item in alone.document.workloads} == {SPOT, ON_DEMAND}
    assert (alone.start, alone.end_s) == ({SPOT: 2}, 200.0)


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        backtests.two_pools(
            REQUESTS,
            initial={"nowhere": 1},
            leads={"gpu": LeadTime(median_s=1, p95_s=1)},
            duration_s=-1.0,
            faults=(
                faults.Loss(at_s=10, share=1.5),
                faults.NoNodes(at_s=-1, for_s=5, pool="gpu"),
            ),
        )
    assert str(caught.value) == (
        "scenario two-pools: leads: gpu unknown; known are l4, l4-spot; "
        "initial: nowhere unknown; known are chat-serve-l4, chat-serve-l4-spot; "
        "duration_s is -1.0; allowed is a finite number above 0; "
        "faults[0]: share is 1.5; allowed is 0 to 1; "
        "faults[1]: at_s is -1; allowed is 0 or more; "
        "faults[1]: pool is 'gpu'; allowed is one of l4, l4-spot"
    )


def test_without_a_stack_the_traffic_is_declared_as_it_is() -> None:
    given = backtests.scenario(backtests.trace([0.0, *[60.5] * 30, *range(61, 101)], input_tokens=300))
    workload = given.document.services[stackless.SERVICE].workload
    assert workload.requests_per_second.expected == pytest.approx(0.71)
    assert workload.requests_per_second.peak == pytest.approx(70 / 60)
    assert (workload.input_tokens.mean, workload.output_tokens.p95) == (300, 100)
    assert given.document.cost.hourly_usd == 8 * backtests.HOURLY_USD
    assert given.workload(stackless.WORKLOAD).max_replicas == 8


def test_a_history_declares_the_traffic_where_there_is_one() -> None:
    given = backtests.scenario(REQUESTS, history=backtests.every(0.25, 1000))
    assert given.document.services[stackless.SERVICE].workload.requests_per_second.expected == pytest.approx(
        4, rel=0.01
    )
