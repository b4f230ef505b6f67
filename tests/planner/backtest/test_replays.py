"""Replays of schedules: who stops and when, and what each minute costs and misses."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner import traces
from tenbin_planner.backtest import minutes, replays
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import fixed
from tenbin_planner.model.simulation import FleetSimulation
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective

SECOND = 0.001
"""USD of a replica for a second."""
PROFILE = next(iter(catalogue.profiles().values()))


def play(trace: traces.Trace, counts: list[int], *, lead_s: int = 30, **agreed: object) -> replays.Replay:
    given_ = backtests.scenario(trace, agreed={"lead_s": lead_s, **agreed}, duration_s=60.0 * len(counts))
    return replays.play(given_, SERVICE, {WORKLOAD: np.array(counts)})


def test_the_one_whose_requests_end_first_is_stopped() -> None:
    # The first request goes to the first replica and takes half a minute, the second is short.
    equal = backtests.trace([59.0, 59.1])
    requests = dataclasses.replace(equal, output_tokens=np.array([3000, 300]))
    found = play(requests, [2, 1])
    assert found.usd == pytest.approx((120 + 62.1) * SECOND, abs=0.5 * SECOND)


@pytest.mark.parametrize("trough", [1, 2])
def test_a_trough_that_is_longer_than_a_start_is_not_kept(trough: int) -> None:
    counts = [2, *[1] * trough, 2]
    found = play(backtests.every(1.0, 60 * len(counts)), counts)
    assert found.usd == pytest.approx((60 * sum(counts) + 30) * SECOND, abs=1.5 * SECOND)


def test_a_replica_that_would_not_be_empty_before_it_is_needed_again_is_kept() -> None:
    counts = [2, 1, 2]
    requests = backtests.trace([59.0, 59.1], output_tokens=3000)  # half a minute each
    found = play(requests, counts, lead_s=45)
    assert found.usd == pytest.approx(360 * SECOND)


def test_what_a_minute_costs_begins_a_lead_time_before_and_ends_with_the_last_answer() -> None:
    found = play(backtests.trace([119.0], output_tokens=3000), [0, 1, 0, 0], min_replicas=0)
    assert found.usd_by_minute == pytest.approx([30 * SECOND, 60 * SECOND, 29.0 * SECOND, 0.0], abs=0.5 * SECOND)


@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=12), lead_s=st.sampled_from([0, 40, 200]))
@settings(max_examples=30, deadline=None)
def test_minutes_add_up(counts: list[int], lead_s: int) -> None:
    length = 60 * len(counts)
    found = play(backtests.every(0.2, length), counts, lead_s=lead_s, min_replicas=0)
    assert found.usd == pytest.approx(float(found.usd_by_minute.sum()))
    assert found.usd >= sum(counts) * minutes.STEP_S * SECOND - 1e-9
    missed = (1 - found.attainment) * (length / 0.2)
    assert float(found.missed.sum()) == pytest.approx(missed)
    for minute in range(len(counts)):
        if counts[minute] == 0 and lead_s == 0:
            assert found.missed[minute] > 0


def test_a_class_counts_by_its_error_budget() -> None:
    requests = traces.load(
        "generate:constant,rate=10,minutes=3,input=100/200,output=100/200,classes=chat:0.5+batch:0.5,seed=1"
    )
    objectives = {
        "chat": Objective(target=Decimal("0.99"), ttft_ms=1),
        "batch": Objective(target=Decimal("0.9"), ttft_ms=100_000),
    }
    given_ = backtests.scenario(requests, agreed={"objectives": objectives, "max_replicas": 4})
    found = replays.play(given_, SERVICE, {WORKLOAD: np.array([2, 2, 2])})
    arrivals = given_.arrivals(SERVICE)
    chats = np.count_nonzero(arrivals.class_index == arrivals.classes.index("chat"))
    assert float(found.missed.sum()) == pytest.approx(chats * (1 - given_.target(SERVICE)) / 0.01)


def test_ends_are_expected_by_length_and_time_per_token() -> None:
    arrivals = Arrivals.of([0.0, 20.0, 20.5], [10, 10, 10], [100, 2000, 500])
    simulation = FleetSimulation(arrivals, fixed(PROFILE, 3))
    simulation.advance(21.0)
    token_s = float(simulation.result().tpot_ms[0]) / 1000
    ends_s = replays.expected_ends_s(simulation, [0, 1, 2])
    assert sorted(ends_s.tolist()) == pytest.approx([21.0, 20.5 + 500 * token_s, 20 + 2000 * token_s])
    assert replays.expected_ends_s(simulation, []).size == 0


def test_the_next_minute_that_needs_as_many() -> None:
    counts = np.array([2, 1, 2, 3])
    assert [replays.until_s(counts, 1, level) for level in (1, 2, 3, 4)] == [60, 120, 180, math.inf]
