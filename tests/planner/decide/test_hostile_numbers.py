"""NaN, negative, infinite and absurd numbers in an observation: dropped with a reason, never propagated."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide, demand
from tenbin_planner.decide import drain, memory
from tenbin_planner.decide.observation import Observation, ObservedLengths, Phase
from tenbin_planner.decide.plan import Plan
from tenbin_planner.decide.recipe import FULL, Recipe

HOSTILE = [math.nan, math.inf, -math.inf, -1, 10**12, 10**400, -(10**400)]
hostile = pytest.mark.parametrize("value", HOSTILE, ids=["nan", "inf", "-inf", "-1", "1e12", "1e400", "-1e400"])
AGREED = planning.document()
TOLD = {
    "running": planning.running(*range(1, 41, 2)),
    "answers": planning.answered({30: 50, 60: 50}),
    "cumulative": demand.Attainment(good=99, total=100),
    "e2e_ms": demand.Quantiles(p50=1500.0, p90=2500.0, p99=3000.0, count=100),
}
"""What a gateway tells of answers."""


def seen(**arguments: Any) -> Observation:
    states = arguments.pop("states", (ready(SPOT, 2),))
    found: Observation = observe(*states, **{"rate": 15, **arguments})
    return found


def decided(observation: Observation, recipe: Recipe = planning.STEADY_STATE) -> decide.Decision:
    remembered = planning.accustomed(warm(needed_rps=16), 15)
    return decide.decide(AGREED, planning.capacities(AGREED), observation, remembered, recipe)


def plan(**arguments: Any) -> Plan:
    return decided(seen(**arguments)).plan


@hostile
def test_a_hostile_second_of_arrivals_is_unknown(value: float) -> None:
    arrivals = [*planning.steady(15, 299), value]
    found = plan(arrivals={"chat": arrivals})
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert [item.where for item in found.ignored] == ["chat/interactive arrivals"]


@hostile
def test_only_hostile_arrivals_and_nothing_in_flight_are_no_signal(value: float) -> None:
    found = plan(arrivals={"chat": [value] * 10}, in_flight=value)
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert str(found.services[0].because[0]) == "no-signal: no number of the gateway can be used: what runs is kept"


@hostile
def test_a_hostile_number_in_flight_is_no_backlog(value: float) -> None:
    found = plan(in_flight=value)
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert found.services[0].in_flight is None


@hostile
def test_a_hostile_engine_waits_for_nothing(value: float) -> None:
    found = plan(states=(workload(SPOT, replica("a", waiting=value), replica("b", waiting=3.0)),))
    assert found.services[0].waiting == 3
    assert [item.where for item in found.ignored] == ["replica a waiting"]


@hostile
def test_a_replica_of_hostile_age_counts_as_new(value: float) -> None:
    starting = replica("b", Phase.STARTING, since_s=value)
    assert plan(states=(workload(SPOT, replica("a"), starting),)).wanted() == {SPOT: 2, ON_DEMAND: 0}


@hostile
def test_a_hostile_time_since_a_mark_leaves_all_in_flight_at_the_others(value: float) -> None:
    running = demand.RunningSample(count=2, age_s=(5.0, 1.0), output_tokens=(50, 10))
    ending = replica("b", Phase.TERMINATING, marked_s=value)
    observation = seen(states=(workload(SPOT, replica("a"), ending, told=1),), told={"running": running})
    found = decided(observation).plan
    assert found.wanted()[SPOT] >= 1
    assert "replica b time since its mark" in [item.where for item in found.ignored]


@hostile
def test_hostile_lengths_change_nothing(value: float) -> None:
    lengths = {"chat": ObservedLengths(input_tokens=value, output_tokens=value, requests=1000)}
    result = decided(dataclasses.replace(seen(), lengths=lengths))
    assert result.plan.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert result.memory.service("chat").input_step == 0


@hostile
def test_a_count_that_cannot_be_believed_is_left_alone(value: float) -> None:
    observation = seen(states=(ready(SPOT, 2), dataclasses.replace(ready(ON_DEMAND, 1), wanted=value)))
    found = decided(observation).plan
    assert found.wanted()[SPOT] == 2
    assert f"workload {ON_DEMAND} replicas" in [item.where for item in found.ignored]
    assert drain.orders(found, observation) == ()


@hostile
def test_a_replica_of_hostile_work_goes_last(value: float) -> None:
    states = workload(SPOT, replica("a", running=value), replica("b", running=5.0), told=2)
    observation = observe(states, rate=1)
    fewer = dataclasses.replace(plan(), workloads=tuple(item for item in plan().workloads if item.name == SPOT))
    fewer = dataclasses.replace(fewer, workloads=(dataclasses.replace(fewer.workloads[0], wanted=1),))
    assert [order.replica for order in drain.orders(fewer, observation) if isinstance(order, drain.Mark)] == ["b"]


def with_one(values: tuple[int, ...], value: Any) -> tuple[Any, ...]:
    return (value, *values[1:])


ANSWERS = planning.answered({30: 50, 60: 50})
FIELDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "in flight": lambda value: {"running": planning.running(*with_one(tuple(range(1, 41, 2)), value))},
    "in flight, all": lambda value: {"running": planning.running(*[value] * 20)},
    "ages": lambda value: {"running": dataclasses.replace(planning.running(5, 6), age_s=(value, 1.0))},
    "how many are in flight": lambda value: {"running": dataclasses.replace(planning.running(5, 6), count=value)},
    "since": lambda value: {"answers": dataclasses.replace(ANSWERS, since=value)},
    "ended": lambda value: {"answers": dataclasses.replace(ANSWERS, ended=with_one(ANSWERS.ended, value))},
    "passed": lambda value: {"answers": dataclasses.replace(ANSWERS, passed=with_one(ANSWERS.passed, value))},
    "good": lambda value: {"cumulative": demand.Attainment(good=value, total=100)},
    "total": lambda value: {"cumulative": demand.Attainment(good=90, total=value)},
    "E2E time": lambda value: {"e2e_ms": demand.Quantiles(p50=1.0, p90=value, p99=value, count=9)},
}


@hostile
@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_number_of_answers_is_named_and_never_remembered(field: str, value: float) -> None:
    result = decided(seen(told={**TOLD, **FIELDS[field](value)}), FULL)
    assert [item.where.split(" ")[0] for item in result.plan.ignored] == ["chat/interactive"]
    written = json.dumps(result.memory.to_plain(), allow_nan=False)
    assert memory.from_plain(json.loads(written)).services.keys() == {"chat"}
    again = decide.decide(AGREED, planning.capacities(AGREED), seen(at=planning.NOW + 5), result.memory, FULL)
    assert again.plan.ignored == ()
    assert 1 <= sum(again.plan.wanted().values()) <= 8


@hostile
@pytest.mark.parametrize("field", ["since", "ended", "passed", "good", "total"])
def test_a_hostile_counter_is_as_if_nothing_had_been_answered(field: str, value: float) -> None:
    told, nothing = FIELDS[field](value), {"answers": None, "cumulative": demand.Attainment(good=0, total=0)}
    missing = {name: nothing[name] for name in told}
    given_it, without = (decided(seen(told={**TOLD, **item}), FULL) for item in (told, missing))
    assert given_it.plan.wanted() == without.plan.wanted()
    learned, otherwise = given_it.memory.service("chat"), without.memory.service("chat")
    assert learned.lengths == otherwise.lengths
    assert learned.budget.of("interactive") == otherwise.budget.of("interactive")


@given(
    st.lists(st.sampled_from([*HOSTILE, 3]), min_size=1, max_size=60),
    st.lists(st.sampled_from([*HOSTILE, 3]), max_size=40),
    st.sampled_from([*HOSTILE, 20]),
    st.dictionaries(st.integers(1, 300), st.sampled_from([*HOSTILE, 3]), max_size=3),
    st.sampled_from(HOSTILE),
)
@settings(max_examples=60)
def test_whatever_is_told_a_plan_comes_of_it(
    arrivals: list[Any], tokens: list[Any], in_flight: float, answers: dict[int, Any], other: float
) -> None:
    counts = planning.answered({})
    ended = tuple(answers.get(tokens, 0) for tokens in range(len(counts.ended)))
    told = {
        "running": dataclasses.replace(planning.running(*[0] * len(tokens)), output_tokens=tuple(tokens), count=other),
        "answers": dataclasses.replace(counts, ended=ended),
        "cumulative": demand.Attainment(good=other, total=other),  # type: ignore[arg-type]
    }
    result = decided(seen(arrivals={"chat": arrivals}, in_flight=in_flight, told=told), FULL)
    assert all(0 <= count <= 8 for count in result.plan.wanted().values())
    json.dumps(result.memory.to_plain(), allow_nan=False)


def test_what_was_ignored_is_said_in_words() -> None:
    found = plan(in_flight=math.nan)
    assert [str(item) for item in found.ignored] == ["chat/interactive in flight is nan: not a number"]
    assert [str(item) for item in plan(in_flight=-1).ignored] == ["chat/interactive in flight is -1: negative"]
    assert [str(item) for item in plan(in_flight=10**12).ignored] == [
        "chat/interactive in flight is 1000000000000: beyond 1e+07"
    ]
    assert [str(item) for item in plan(in_flight=10**400).ignored] == [
        "chat/interactive in flight is an integer of 1329 bits: beyond 1e+07"
    ]
