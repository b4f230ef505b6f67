"""From what is seen to the search: what is in flight, shares of classes, drains, groups of replicas, prices."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide, demand
from tenbin_planner.decide import ahead, answers, assess, memory, signals
from tenbin_planner.decide.observation import Observation, Phase
from tenbin_planner.decide.recipe import FULL
from tenbin_spec.document import Document

AGREED = planning.document()


def assessed(seen: Observation, agreed: Document = AGREED, remembered: memory.Memory | None = None) -> Any:
    remembered = remembered or planning.accustomed(warm(), 10)
    beliefs = decide.lead_beliefs(agreed, remembered)
    capacities = planning.capacities(agreed)
    found = assess.assess(
        agreed,
        "chat",
        capacities,
        observation=seen,
        memory=remembered,
        beliefs=beliefs,
        reader=signals.Reader(),
        recipe=FULL,
    )
    return found, remembered, beliefs


def look(seen: Observation, agreed: Document = AGREED, remembered: memory.Memory | None = None) -> ahead.Look | None:
    found, remembered, beliefs = assessed(seen, agreed, remembered)
    return ahead.look(
        agreed.services["chat"],
        found.workloads,
        ladder=assess.ladder(found),
        outlook=found.outlook,
        outputs=answers.outputs(found.memory.lengths, declared=agreed.services["chat"].workload.output_tokens),
        prices=ahead.miss_usd(agreed.services["chat"], found.demand.options, found.memory, is_paced=True),
        signals=found.signals,
        counts=found.counts,
        beliefs=beliefs,
        memory=remembered,
        lead_s=found.lead_s,
        interval_s=planning.INTERVAL_S,
        spare_s=0.0,
    )


def test_the_horizon_is_longer_than_a_lead_time_and_a_tick() -> None:
    for lead_s in (0.0, 20.0, 600.0):
        assert ahead.horizon_s(lead_s, 5.0) >= lead_s + 5.0 + ahead.SHORTEST_HOLD_S


def test_without_a_price_or_a_profile_nothing_can_be_looked_at() -> None:
    unknown = planning.without_price(planning.without_profile(AGREED, SPOT), ON_DEMAND)
    assert look(observe(ready(SPOT, 1), rate=10), unknown) is None
    prices = ahead.miss_usd(AGREED.services["chat"], (), memory.ServiceMemory(), is_paced=True)
    assert prices == {"interactive": 0.0}


def test_a_workload_that_the_cluster_lacks_has_no_replicas_to_judge() -> None:
    seen = observe(ready(ON_DEMAND, 1), rate=10)
    seen = dataclasses.replace(seen, workloads={ON_DEMAND: seen.workloads[ON_DEMAND]})
    found = look(seen)
    assert found is not None
    assert found.search.judged(1, 1).usd > 0


def test_replicas_that_start_are_judged_with_what_is_left_of_their_start() -> None:
    soon = workload(ON_DEMAND, replica("a"), replica("s", Phase.STARTING, since_s=15))
    late = workload(ON_DEMAND, replica("a"), replica("s", Phase.STARTING, since_s=0))
    misses = []
    for states in (soon, late):
        found = look(observe(states, rate=10))
        assert found is not None
        misses.append(found.search.judged(2, 2).misses)
    assert misses[0] < misses[1]


def test_what_runs_counts_as_it_is_and_a_sample_stands_for_all() -> None:
    base = observe(ready(ON_DEMAND, 4), rate=10, told={"running": planning.running(*[50] * 40)})
    item = base.gateway.classes["chat", "interactive"]
    many = dataclasses.replace(item, running=dataclasses.replace(item.running, count=60_000))
    seen = dataclasses.replace(base, gateway=dataclasses.replace(base.gateway, classes={("chat", "interactive"): many}))
    few_look, many_look = look(base), look(seen)
    assert few_look is not None
    assert many_look is not None
    played = many_look.search.results(4)[0]
    assert played.stands_for[: played.present].sum() == pytest.approx(60_000, rel=0.01)
    assert few_look.search.results(4)[0].present == 40
    assert many_look.search.judged(4, 4).misses > few_look.search.judged(4, 4).misses


def test_what_is_in_flight_at_a_replica_that_ends_is_no_load_of_the_others() -> None:
    ages_s = tuple(float(age) for age in range(80, 0, -2))
    running = demand.RunningSample(count=40, age_s=ages_s, output_tokens=(50,) * 40)
    ending = replica("e", Phase.TERMINATING, marked_s=40.0)
    places = []
    for states in (ready(ON_DEMAND, 3), workload(ON_DEMAND, *map(replica, "abc"), ending, told=3)):
        found = look(observe(states, rate=10, told={"running": running}))
        assert found is not None
        places.append(found.search.results(3)[0].present)
    assert places == [40, 40 - 20 // 4]  # 20 came before the mark, to four replicas


def two(**arrivals: list[Any]) -> tuple[demand.ClassObservation, ...]:
    item = planning.gateway({"chat": []}).classes["chat", "interactive"]
    return tuple(
        dataclasses.replace(item, class_name=name, arrivals=tuple(values)) for name, values in arrivals.items()
    )


def test_classes_come_in_the_shares_of_late() -> None:
    assert ahead._shares(two(a=[1, 2, None], b=[9]), ["a", "b"]) == {"a": 0.25, "b": 0.75}
    assert ahead._shares(two(a=[0], b=[0]), ["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert ahead._shares(two(unknown=[5]), ["a"]) == {"a": 1.0}
    wild = ahead._shares(two(a=[-5, 10**30], b=[1]), ["a", "b"])
    assert sum(wild.values()) == pytest.approx(1.0)
    assert all(0 <= share <= 1 for share in wild.values())


def test_a_drain_takes_as_long_as_slow_answers_within_bounds() -> None:
    (item,) = two(a=[])

    def told(p90_ms: float) -> tuple[demand.ClassObservation, ...]:
        return (dataclasses.replace(item, e2e_ms=demand.Quantiles(p50=1.0, p90=p90_ms, p99=p90_ms, count=9)),)

    assert ahead._drain_s(told(60_000), 100.0) == 60.0
    assert ahead._drain_s(told(1), 100.0) == ahead.SHORTEST_DRAIN_S
    assert ahead._drain_s((), 10_000.0) == pytest.approx(10_000 * ahead.TOKEN_S)
    for hostile in (math.nan, math.inf, -1.0, 1e300):
        assert ahead.SHORTEST_DRAIN_S <= ahead._drain_s(told(hostile), 1e12) <= ahead.LONGEST_DRAIN_S


def test_lead_times_differ_between_futures_and_are_those_believed() -> None:
    found, _, beliefs = assessed(observe(ready(ON_DEMAND, 1), rate=10))
    drawn = beliefs[ON_DEMAND].sample(np.linspace(0.05, 0.95, 8))
    assert len(set(drawn.tolist())) > 4
    assert np.median(drawn) == pytest.approx(found.lead_s, rel=0.2)
