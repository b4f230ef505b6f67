"""The requests that fleets are judged by."""

from __future__ import annotations

import pytest
from support import stacks
from tenbin_planner import traces
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.menu.demand import REQUESTS, Demand, busiest_hour
from tenbin_spec.document import document_of


def trace(*arrival_s: float) -> traces.Trace:
    tokens = [100] * len(arrival_s)
    return traces.Trace.of(name="made", arrival_s=arrival_s, input_tokens=tokens, output_tokens=tokens)


def test_the_busiest_hour_begins_at_an_arrival_and_ends_before_an_hour_later() -> None:
    assert busiest_hour(trace(0, 10, 4000, 4100, 7599.9, 7600, 20_000)).arrival_s.tolist() == pytest.approx(
        [0, 100, 3599.9]
    )


def test_of_equal_hours_the_first_counts() -> None:
    assert busiest_hour(trace(5, 6, 9000, 9002)).arrival_s.tolist() == [0, 1]


def test_a_short_trace_is_taken_whole() -> None:
    assert len(busiest_hour(trace(0, 100, 3599))) == 3


def test_declared_traffic_comes_at_the_peak_and_is_billed_at_the_expected_rate() -> None:
    document = document_of(stacks.stack(), "dev")
    demand = Demand.declared(document.services["chat"], longest=8192)
    assert len(demand.arrivals) / demand.arrivals.arrival_s[-1] == pytest.approx(12, rel=0.02)
    assert demand.requests == REQUESTS * 9 // 10
    assert demand.output_tokens_per_hour == 3 * 60 * 3600
    assert (demand.sustained_rps, demand.trace) == (12, None)


def test_recorded_traffic_is_billed_over_the_whole_trace() -> None:
    document = document_of(stacks.stack(), "dev")
    given = Scenario(name="dev", document=document, traces={"chat": trace(0, 1, 2, 7200)})
    demand = Demand.recorded(given, "chat")
    assert demand.requests == len(demand.arrivals) == 3
    assert demand.output_tokens_per_hour == pytest.approx(200)
    assert demand.arrivals.classes == ("interactive",)
    assert demand.sustained_rps == 0
