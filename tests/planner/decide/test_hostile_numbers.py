"""NaN, negative, infinite and absurd numbers in an observation: dropped with a reason, never propagated."""

from __future__ import annotations

import dataclasses
import math

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide
from tenbin_planner.decide.observation import ObservedLengths, Phase
from tenbin_planner.decide.plan import Plan

HOSTILE = [math.nan, math.inf, -math.inf, -1, 10**12]
AGREED = planning.document()


def plan(**arguments: object) -> Plan:
    states = arguments.pop("states", (ready(SPOT, 2),))
    assert isinstance(states, tuple)
    observation = observe(*states, rate=15, **arguments)  # type: ignore[arg-type]
    remembered = planning.accustomed(warm(needed_rps=16), 15)
    return decide.decide(AGREED, planning.capacities(AGREED), observation, remembered, planning.STEADY_STATE).plan


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_second_of_arrivals_is_unknown(value: float) -> None:
    arrivals = [*planning.steady(15, 299), value]
    found = plan(arrivals={"chat": arrivals})
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert [item.where for item in found.ignored] == ["chat/interactive arrivals"]


@pytest.mark.parametrize("value", HOSTILE)
def test_only_hostile_arrivals_and_nothing_in_flight_are_no_signal(value: float) -> None:
    found = plan(arrivals={"chat": [value] * 10}, in_flight=value)
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert str(found.services[0].because[0]) == "no-signal: no number of the gateway can be used: what runs is kept"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_number_in_flight_is_no_backlog(value: float) -> None:
    found = plan(in_flight=value)
    assert found.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert found.services[0].in_flight is None


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_engine_waits_for_nothing(value: float) -> None:
    found = plan(states=(workload(SPOT, replica("a", waiting=value), replica("b", waiting=3.0)),))
    assert found.services[0].waiting == 3
    assert [item.where for item in found.ignored] == ["replica a waiting"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_replica_of_hostile_age_counts_as_new(value: float) -> None:
    starting = replica("b", Phase.STARTING, since_s=value)
    assert plan(states=(workload(SPOT, replica("a"), starting),)).wanted() == {SPOT: 2, ON_DEMAND: 0}


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_lengths_change_nothing(value: float) -> None:
    lengths = {"chat": ObservedLengths(input_tokens=value, output_tokens=value, requests=1000)}
    observation = dataclasses.replace(observe(ready(SPOT, 2), rate=15), lengths=lengths)
    result = decide.decide(
        AGREED,
        planning.capacities(AGREED),
        observation,
        planning.accustomed(warm(needed_rps=16), 15),
        planning.STEADY_STATE,
    )
    assert result.plan.wanted() == {SPOT: 2, ON_DEMAND: 0}
    assert result.memory.service("chat").input_step == 0


@pytest.mark.parametrize("value", HOSTILE)
def test_a_count_that_cannot_be_believed_is_left_alone(value: float) -> None:
    state = dataclasses.replace(ready(ON_DEMAND, 1), wanted=value)
    found = plan(states=(ready(SPOT, 2), state))
    assert found.wanted()[SPOT] == 2
    assert f"workload {ON_DEMAND} replicas" in [item.where for item in found.ignored]


def test_what_was_ignored_is_said_in_words() -> None:
    found = plan(in_flight=math.nan)
    assert [str(item) for item in found.ignored] == ["chat/interactive in flight is nan: not a number"]
    assert [str(item) for item in plan(in_flight=-1).ignored] == ["chat/interactive in flight is -1: negative"]
    assert [str(item) for item in plan(in_flight=10**12).ignored] == [
        "chat/interactive in flight is 1000000000000: beyond 1e+07"
    ]
