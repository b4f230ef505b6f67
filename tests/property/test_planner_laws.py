"""Laws of decisions, on drawn worlds: monotone, capped, bounded, permutation-free, idempotent, deterministic."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, replica, warm, workload
from tenbin_planner import decide, demand
from tenbin_planner.decide import capacity, drain, memory
from tenbin_planner.decide.observation import Observation, Phase, WorkloadState
from tenbin_planner.decide.plan import Plan
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_spec.document import Document

AGREED = planning.document()
POOL_MOST = {SPOT: 2, ON_DEMAND: 8}
PRICES = {SPOT: Decimal("0.36"), ON_DEMAND: Decimal("0.80")}
POOLED = capacity.FleetCapacity(
    sizes=(1, 2, 4, 8),
    rates=(5.3, 6.4, 6.8, 7.0),
    edges=(5.6, 6.7, 7.0, 7.2),
    bound_rps=8.3,
    slots=24,
    binding="interactive",
    infeasible=(),
)

phases = st.sampled_from([Phase.READY, Phase.READY, Phase.STARTING, Phase.DRAINING, Phase.TERMINATING, Phase.LOST])


@st.composite
def states(draw: st.DrawFn, name: str) -> WorkloadState:
    drawn = draw(st.lists(st.tuples(phases, st.floats(0, 200), st.booleans()), max_size=POOL_MOST[name]))
    replicas = [
        replica(f"{name}-{index}", phase, since_s=since_s, is_scheduled=phase is not Phase.STARTING or is_scheduled)
        for index, (phase, since_s, is_scheduled) in enumerate(drawn)
    ]
    counted = sum(item.phase is not Phase.TERMINATING for item in replicas)
    told = draw(st.integers(max(0, counted - 1), min(counted + 2, POOL_MOST[name])))
    return workload(name, *replicas, told=told)


@st.composite
def told(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what the gateway tells of answers: how far they have come, how long they were, and how many were good."""
    total = draw(st.integers(0, 10_000))
    good = draw(st.integers(0, total))
    return {
        "running": planning.running(*draw(st.lists(st.integers(0, 400), max_size=60))),
        "answers": draw(
            st.none() | st.dictionaries(st.integers(1, 2000), st.integers(0, 1000), max_size=4).map(planning.answered)
        ),
        "cumulative": demand.Attainment(good=good, total=total),
    }


@st.composite
def worlds(draw: st.DrawFn) -> Observation:
    return observe(
        draw(states(SPOT)),
        draw(states(ON_DEMAND)),
        rate=draw(st.floats(0, 100)),
        in_flight=draw(st.integers(0, 500)),
        heard=draw(st.integers(0, 9)) > 0,
        seconds=draw(st.integers(1, 300)),
        told=draw(told()),
    )


memories = st.one_of(
    st.just(memory.Memory()), st.floats(0, 100).map(lambda rate: warm(needed_rps=rate)), st.just(warm(seconds=10))
)
caps = st.sampled_from(["0.00", "0.36", "0.70", "1.10", "1.52", "2.40", "4.00", "50.00"])


recipes = st.sampled_from([FULL, planning.STEADY_STATE])


def plan(observation: Observation, remembered: memory.Memory, agreed: Document = AGREED, recipe: Recipe = FULL) -> Plan:
    return decide.decide(agreed, planning.capacities(agreed, POOLED), observation, remembered, recipe).plan


def total(found: Plan) -> int:
    return sum(found.wanted().values())


@given(worlds(), memories, caps, recipes)
def test_no_plan_costs_more_per_hour_than_the_cap(
    observation: Observation, remembered: memory.Memory, cap: str, recipe: Recipe
) -> None:
    found = plan(observation, remembered, planning.with_cap(AGREED, cap), recipe)
    price = sum(PRICES[name] * count for name, count in found.wanted().items())
    assert price == found.hourly_usd <= Decimal(cap)


@given(worlds(), memories, caps, recipes)
def test_nothing_is_bought_while_what_still_exists_fills_the_cap(
    observation: Observation, remembered: memory.Memory, cap: str, recipe: Recipe
) -> None:
    found = plan(observation, remembered, planning.with_cap(AGREED, cap), recipe)
    states_ = observation.workloads
    bought = any(found.wanted()[name] > states_[name].wanted for name in PRICES)
    billed = Decimal(0)
    for name, price in PRICES.items():
        leaving = sum(item.is_scheduled for item in states_[name].replicas if item.phase is Phase.TERMINATING)
        existing = sum(item.is_scheduled and item.phase is not Phase.TERMINATING for item in states_[name].replicas)
        billed += price * (max(found.wanted()[name], existing) + leaving)
    assert not bought or billed <= Decimal(cap)


@given(worlds(), memories, recipes)
def test_replicas_stay_within_the_bounds_of_service_and_pools(
    observation: Observation, remembered: memory.Memory, recipe: Recipe
) -> None:
    found = plan(observation, remembered, recipe=recipe)
    lost = sum(state.count(Phase.LOST) for state in observation.workloads.values())
    assert total(found) <= AGREED.services["chat"].replicas.max + lost
    assert all(0 <= found.wanted()[name] <= most for name, most in POOL_MOST.items())


@settings(max_examples=30)
@given(worlds(), memories)
def test_equal_input_gives_equal_output(observation: Observation, remembered: memory.Memory) -> None:
    capacities = planning.capacities(AGREED, POOLED)
    first = decide.decide(AGREED, capacities, observation, remembered)
    second = decide.decide(AGREED, capacities, observation, remembered)
    assert first == second


@given(worlds(), memories, recipes)
def test_the_order_of_inputs_changes_nothing(
    observation: Observation, remembered: memory.Memory, recipe: Recipe
) -> None:
    turned = dataclasses.replace(
        observation,
        workloads={
            name: dataclasses.replace(state, replicas=state.replicas[::-1])
            for name, state in reversed(observation.workloads.items())
        },
    )
    agreed = AGREED.model_copy(
        update={
            "workloads": AGREED.workloads[::-1],
            "pools": dict(reversed(AGREED.pools.items())),
        }
    )
    first, second = plan(observation, remembered, recipe=recipe), plan(turned, remembered, agreed, recipe)
    assert first.wanted() == second.wanted()
    assert first.services == second.services
    assert drain.orders(first, observation) == drain.orders(second, turned)


@settings(max_examples=60)
@given(worlds(), memories, st.integers(2, 5))
def test_more_load_never_needs_fewer_replicas(observation: Observation, remembered: memory.Memory, factor: int) -> None:
    seen = observation.gateway.classes["chat", "interactive"]
    more = dataclasses.replace(
        seen,
        arrivals=tuple(count * factor for count in seen.arrivals),
        in_flight=seen.in_flight * factor,
        running=planning.running(*seen.running.output_tokens * factor),
    )
    busier = dataclasses.replace(
        observation, gateway=dataclasses.replace(observation.gateway, classes={("chat", "interactive"): more})
    )
    steady = planning.STEADY_STATE
    assert total(plan(busier, remembered, recipe=steady)) >= total(plan(observation, remembered, recipe=steady))


@given(worlds(), memories, st.floats(0.3, 1.0))
def test_less_capacity_within_the_objective_is_never_cheaper(
    observation: Observation, remembered: memory.Memory, share: float
) -> None:
    tight = dataclasses.replace(
        POOLED,
        rates=tuple(rate * share for rate in POOLED.rates),
        edges=tuple(edge * share for edge in POOLED.edges),
    )
    steady = planning.STEADY_STATE
    tighter = decide.decide(AGREED, planning.capacities(AGREED, tight), observation, remembered, steady).plan
    assert total(tighter) >= total(plan(observation, remembered, recipe=steady))


@pytest.mark.parametrize(("rate", "factor"), [(2, 2), (3, 3), (5, 2), (6, 4), (9, 2), (12, 3)])
def test_more_load_that_is_there_to_stay_never_gets_fewer_replicas(rate: int, factor: int) -> None:
    totals = []
    for each in (rate, rate * factor):
        remembered = planning.accustomed(warm(), each)
        states_ = [planning.ready(ON_DEMAND, 1)]
        for _ in range(3):
            found = plan(observe(*states_, rate=each), remembered)
            states_ = [planning.ready(name, count) for name, count in found.wanted().items()]
        totals.append(total(found))
    assert totals[0] <= totals[1]


@settings(max_examples=50)
@given(st.integers(0, 70), st.floats(0, 70), recipes)
def test_once_the_plan_is_carried_out_nothing_more_is_done(rate: int, kept_rps: float, recipe: Recipe) -> None:
    observation = observe(rate=rate)
    remembered = planning.accustomed(warm(needed_rps=kept_rps), rate)
    for _ in range(4):
        found = plan(observation, remembered, recipe=recipe)
        states_ = [planning.ready(name, count) for name, count in found.wanted().items()]
        observation = observe(*states_, rate=rate)
    again = plan(observation, remembered, recipe=recipe)
    assert again.wanted() == found.wanted()
    assert drain.orders(again, observation) == ()


@settings(max_examples=30)
@given(worlds(), memories)
def test_every_number_has_a_reason_in_words(observation: Observation, remembered: memory.Memory) -> None:
    found = plan(observation, remembered)
    for because in (*(item.because for item in found.workloads), *found.services[0].because):
        assert because.detail
        assert "nan" not in because.detail
        assert "inf" not in because.detail.replace("infeasible", "")
