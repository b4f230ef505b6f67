"""What is remembered: written down and read back the same, bounded, refused when it is not what was written."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready
from tenbin_planner import decide, demand
from tenbin_planner.decide import budget, memory, outlook

numbers = st.floats(min_value=0, max_value=1e12, allow_nan=False)
services = st.builds(
    memory.ServiceMemory,
    demand=st.lists(st.integers(0, 1000), min_size=20, max_size=60).map(
        lambda seconds: outlook.learn(outlook.empty(), seconds, until=1e6)
    ),
    budget=st.builds(
        budget.BudgetMemory,
        at=numbers,
        seconds=numbers,
        classes=st.dictionaries(
            st.text(),
            st.builds(
                budget.ClassBudget,
                good=st.integers(0, 10**9),
                total=st.integers(0, 10**9),
                debt=numbers,
                missed=numbers,
                counted=numbers,
            ),
            max_size=2,
        ),
    ),
    needs=st.lists(st.builds(memory.Need, at=numbers, rate=numbers), max_size=5).map(tuple),
    input_step=st.integers(-20, 20),
    output_step=st.integers(-20, 20),
    stop=st.none() | st.builds(memory.Stop, at=numbers, rate=numbers, output_tokens=numbers),
)
workloads = st.builds(
    memory.WorkloadMemory,
    written=st.none() | st.integers(0, 1000),
    asked=st.none() | st.integers(0, 1000),
    closed_until=numbers,
    closed_for_s=numbers,
)


@given(
    st.builds(
        memory.Memory,
        at=numbers,
        services=st.dictionaries(st.text(), services, max_size=3),
        workloads=st.dictionaries(st.text(), workloads, max_size=3),
    )
)
def test_what_is_written_is_read_back(remembered: memory.Memory) -> None:
    assert memory.from_plain(json.loads(json.dumps(remembered.to_plain()))) == remembered


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"version": 1}, "memory of version 1; this program reads 2"),
        (
            {"version": 2, "at": "nan", "services": {}, "workloads": {}},
            "memory holds 'nan' where a finite number belongs",
        ),
        ({"version": 2, "at": 0, "services": []}, "memory is not of the shape"),
        ({}, "memory is not of the shape that this program writes: KeyError('version')"),
    ],
)
def test_what_was_not_written_so_is_refused(plain: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="memory") as caught:
        memory.from_plain(plain)
    assert str(caught.value).startswith(message)


def test_a_day_of_decisions_stays_small() -> None:
    agreed = planning.document()
    remembered = memory.Memory()
    for tick in range(1500):
        told = {
            "answers": planning.answered({4**power: 5 * tick for power in range(10)}),
            "cumulative": demand.Attainment(good=70 * tick, total=75 * tick),
        }
        observation = observe(ready(SPOT, 2), rate=15, at=planning.NOW + 5 * tick, seconds=60, told=told)
        recipe = planning.STEADY_STATE
        remembered = decide.decide(agreed, planning.capacities(agreed), observation, remembered, recipe).memory
    assert len(json.dumps(remembered.to_plain())) < 60_000


def test_numbers_too_large_to_be_any_are_refused() -> None:
    plain = memory.Memory(services={"chat": memory.ServiceMemory()}).to_plain()
    plain["services"]["chat"]["input_step"] = math.inf
    with pytest.raises(ValueError, match=r"^memory is not of the shape that this program writes: OverflowError"):
        memory.from_plain(plain)


def test_workloads_that_are_gone_are_forgotten() -> None:
    before = memory.Memory(workloads={"gone": memory.WorkloadMemory(written=3)})
    agreed = planning.document()
    after = decide.decide(agreed, planning.capacities(agreed), observe(rate=5), before).memory
    assert set(after.workloads) == {SPOT, ON_DEMAND}


def test_a_planner_that_begins_to_lead_keeps_the_arrivals_it_saw() -> None:
    until_then = outlook.learn(outlook.empty(), [5] * 300, until=1_000_300.0)
    saved = memory.Memory(services={"chat": memory.ServiceMemory(demand=until_then)})
    seen = outlook.learn(outlook.empty(), [9] * 100, until=1_000_400.0)
    own = memory.Memory(services={"chat": memory.ServiceMemory(demand=seen, needs=(memory.Need(at=9, rate=1),))})
    merged = memory.merge(saved, own).service("chat")
    assert merged.demand == outlook.merge(until_then, seen)
    assert merged.demand.until == seen.until
    assert merged.needs == (memory.Need(at=9, rate=1),)
