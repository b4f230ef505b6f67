"""The demand log: what is observed after which entries."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import demand
from tenbin_spec.objectives import Objective, Slo

SLO = Slo(
    window="30d",
    classes={
        "interactive": Objective(target="0.99", ttft_ms=1000, tpot_ms=50),
        "batch": Objective(target="0.9", e2e_ms=60_000),
    },
    default_class="interactive",
)


def log_heard_at(at: float) -> demand.DemandLog:
    log = demand.DemandLog()
    log.configure({"chat": SLO})
    log.heard("gateway", at=at)
    return log


def started(request: str, class_name: str = "interactive", service: str = "chat") -> demand.Started:
    return demand.Started(request=request, service=service, class_name=class_name)


def ended(request: str, **changes: Any) -> demand.Ended:
    answer = demand.Ended(
        request=request,
        service="chat",
        class_name="interactive",
        outcome=demand.Outcome.ANSWERED,
        ttft_ms=200.0,
        e2e_ms=1200.0,
        is_streamed=True,
        output_bytes=5000,
        output_tokens=21,
    )
    return dataclasses.replace(answer, **changes)


def seen(log: demand.DemandLog, at: float, class_name: str = "interactive") -> demand.ClassObservation:
    return log.snapshot(at).classes["chat", class_name]


def test_arrivals_are_counted_in_whole_seconds_that_are_complete() -> None:
    log = log_heard_at(100.0)
    for number, at in enumerate([101.0, 101.9, 103.5, 104.2]):
        log.started(started(f"r{number}"), at=at)
    log.heard("gateway", at=104.9)
    assert seen(log, 104.9).arrivals == (2, 0, 1)
    log.heard("gateway", at=105.0)
    assert seen(log, 105.0).arrivals == (2, 0, 1, 1)
    for at in range(120, 901, 15):
        log.heard("gateway", at=float(at))
    assert seen(log, 900.0).arrivals == (0,) * 600


def test_seconds_after_a_gateway_was_last_heard_are_unknown() -> None:
    log = log_heard_at(100.0)
    log.started(started("r1"), at=101.0)
    log.heard("gateway", at=103.2)
    log.heard("other", at=110.5)
    assert seen(log, 112.0).arrivals == (1, 0)
    log.heard("gateway", at=112.9)
    assert seen(log, 113.0).arrivals == (1, *(0,) * 8)
    for at in (120.0, 128.5):
        log.heard("other", at=at)
    assert seen(log, 129.0).arrivals == (1, *(0,) * 26), "one that is silent for so long is gone"
    assert seen(log, 160.0).arrivals == seen(log, 129.0).arrivals
    assert log.snapshot(160.0).known_until == 128.5


def test_seconds_before_the_gateways_were_heard_are_unknown() -> None:
    log = demand.DemandLog()
    log.configure({"chat": SLO})
    assert seen(log, 50.0).arrivals == ()
    assert log.snapshot(50.0).is_blind
    log.heard("gateway", at=60.0)
    log.started(started("r1"), at=62.0)
    log.heard("gateway", at=65.0)
    assert seen(log, 65.0).arrivals == (0, 1, 0, 0)
    assert not log.snapshot(80.0).is_blind
    assert log.snapshot(80.1).is_blind


def test_after_a_gap_the_silent_seconds_are_not_taken_for_quiet_ones() -> None:
    log = log_heard_at(100.0)
    log.started(started("r1"), at=101.0)
    log.heard("gateway", at=200.0)
    log.started(started("r2"), at=202.0)
    log.heard("gateway", at=204.0)
    assert seen(log, 204.0).arrivals == (0, 1, 0)


def test_a_request_is_in_flight_until_it_ends_or_is_not_heard_of() -> None:
    log = log_heard_at(100.0)
    for at in (112.0, 124.0, 136.0):
        log.heard("gateway", at=at)
    for name in ("ends", "runs", "lost"):
        log.started(started(name), at=101.0)
    log.ended(ended("ends"), at=105.0)
    assert seen(log, 105.0).in_flight == 2
    log.running(demand.Running(request="runs", service="chat", class_name="interactive"), at=121.0)
    log.running(demand.Running(request="older than the planner", service="chat", class_name="interactive"), at=121.0)
    assert seen(log, 136.5).in_flight == 2
    assert seen(log, 136.5).arrivals[:2] == (3, 0)


def test_an_end_without_a_start_counts_as_an_arrival_at_its_start() -> None:
    log = log_heard_at(100.0)
    log.ended(ended("r1", e2e_ms=3000.0, output_tokens=None, output_bytes=0), at=105.2)
    log.heard("gateway", at=106.0)
    assert seen(log, 106.0).arrivals == (0, 1, 0, 0, 0)
    log.ended(ended("began before the log", e2e_ms=60_000.0, output_tokens=2000), at=106.0)
    log.heard("gateway", at=107.0)
    assert sum(seen(log, 107.0).arrivals) == 1
    assert seen(log, 107.0).cumulative == demand.Attainment(good=2, total=2)


@pytest.mark.parametrize(
    ("changes", "good", "total"),
    [
        ({}, 1, 1),
        ({"ttft_ms": 1000.1}, 0, 1),
        ({"ttft_ms": None}, 0, 1),
        ({"e2e_ms": 1300.0}, 0, 1),
        ({"e2e_ms": 1300.0, "output_tokens": 1}, 1, 1),
        ({"e2e_ms": 90_000.0, "is_streamed": False}, 1, 1),
        ({"outcome": demand.Outcome.FAILED}, 0, 1),
        ({"outcome": demand.Outcome.SHED}, 0, 1),
        ({"outcome": demand.Outcome.CANCELLED}, 0, 0),
        ({"outcome": demand.Outcome.REFUSED}, 0, 0),
    ],
    ids=[
        "within all thresholds",
        "first token late",
        "no first token",
        "tokens slow",
        "one token has no time per token",
        "an answer in one piece has none either",
        "failed",
        "shed",
        "cancelled",
        "refused",
    ],
)
def test_what_is_good_and_what_counts(changes: dict[str, Any], good: int, total: int) -> None:
    log = log_heard_at(100.0)
    log.ended(ended("r1", **changes), at=103.0)
    observed = seen(log, 104.0)
    expected = demand.Attainment(good=good, total=total)
    assert [observed.last_minute, observed.last_hour, observed.cumulative] == [expected] * 3
    assert observed.cumulative.share == (good / total if total else None)


def test_attainment_slides_and_accumulates() -> None:
    log = log_heard_at(0.0)
    for second in range(0, 3000, 10):
        log.ended(ended(f"r{second}", ttft_ms=201.0 if second >= 2950 else 5000.0), at=float(second))
    observed = seen(log, 3000.0)
    assert observed.last_minute == demand.Attainment(good=5, total=6)
    assert observed.last_5_minutes == demand.Attainment(good=5, total=30)
    assert observed.cumulative == demand.Attainment(good=5, total=300)
    later = seen(log, 10_000.0)
    assert (later.last_hour.total, later.cumulative.total) == (0, 300)


def test_quantiles_are_of_the_last_minute() -> None:
    log = log_heard_at(0.0)
    for number in range(1, 101):
        log.ended(ended(f"old{number}", ttft_ms=9000.0), at=10.0)
        log.ended(ended(f"r{number}", ttft_ms=float(number), e2e_ms=number + 20.0 * number), at=100.0)
    observed = seen(log, 120.0)
    assert observed.ttft_ms == demand.Quantiles(p50=50.0, p90=90.0, p99=99.0, count=100)
    assert observed.tpot_ms == demand.Quantiles(p50=50.0, p90=90.0, p99=99.0, count=100)
    assert (observed.output_tokens, observed.tpot_is_estimated) == (21.0, False)
    assert seen(log, 161.0).ttft_ms is None


def test_a_changed_objective_judges_from_then_on_and_keeps_the_rest() -> None:
    log = log_heard_at(0.0)
    log.ended(ended("r1"), at=1.0)
    log.started(started("r2"), at=1.0)
    stricter = Slo(window="30d", classes={"interactive": Objective(target="0.99", ttft_ms=100)})
    log.configure({"chat": stricter, "code": stricter})
    log.ended(ended("r3"), at=2.0)
    observation = log.snapshot(3.0)
    assert sorted(observation.classes) == [("chat", "interactive"), ("code", "interactive")]
    assert [found.class_name for found in observation.service("chat")] == ["interactive"]
    observed = observation.classes["chat", "interactive"]
    assert (observed.cumulative, observed.in_flight) == (demand.Attainment(good=1, total=2), 1)


def test_strangers_are_counted_and_change_nothing() -> None:
    log = log_heard_at(0.0)
    log.heard("gateway", at=5.0)
    before = log.snapshot(5.0)
    log.started(started("r1", service="other"), at=1.0)
    log.ended(ended("r2", class_name="hack"), at=1.0)
    log.started(started("r3"), at=4.5)
    log.started(started("r3"), at=4.6)
    after = log.snapshot(5.0)
    assert after.ignored == {"request started twice": 1, "unknown service or class": 2}
    assert after.classes["chat", "batch"] == before.classes["chat", "batch"]
    assert after.classes["chat", "interactive"].arrivals == (0, 0, 0, 1)


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["start", "run", "end", "hear", "look"]),
        st.integers(0, 9),
        st.floats(0, 2000),
        st.sampled_from(list(demand.Outcome)),
        st.sampled_from(["interactive", "batch", "hack"]),
    ),
    max_size=60,
)


@given(ENTRIES)
def test_nothing_is_counted_twice_or_lost_whatever_the_order(
    steps: list[tuple[str, int, float, demand.Outcome, str]],
) -> None:
    log = log_heard_at(0.0)
    ends, running = {"interactive": 0, "batch": 0}, set()
    for kind, number, at, outcome, class_name in steps:
        request = f"r{number}"
        if kind == "start":
            log.started(started(request, class_name), at=at)
        elif kind == "run":
            log.running(demand.Running(request=request, service="chat", class_name=class_name), at=at)
        elif kind == "end":
            log.ended(ended(request, class_name=class_name, outcome=outcome), at=at)
            ends[class_name] = ends.get(class_name, 0) + 1
        elif kind == "hear":
            log.heard("gateway", at=at)
        else:
            log.snapshot(at)
        if class_name != "hack" and kind in ("start", "run"):
            running.add(request)
    for class_name in ("interactive", "batch"):
        observed = seen(log, 2000.0, class_name)
        assert observed.cumulative.total + observed.cancelled + observed.refused == ends[class_name], (
            "every end is judged, cancelled or refused"
        )
        assert observed.failed + observed.shed <= observed.cumulative.total - observed.cumulative.good
        assert 0 <= observed.in_flight <= len(running)
        assert len(observed.arrivals) <= 600


def test_memory_is_bounded_without_a_look() -> None:
    log = log_heard_at(0.0)
    for number in range(30_000):
        log.started(started(f"r{number}"), at=float(number))
        log.ended(ended(f"r{number}"), at=float(number))
        log.heard(f"gateway {number}", at=float(number))
        log.ignore(f"cause {number}")
    record = log._records["chat", "interactive"]
    assert len(record.arrivals) <= 1200
    assert len(record.counts) <= 1441
    assert len(record.answers) <= 20_000
    assert len(log._gateways) <= 1000
    assert len(log._ignored) <= 101
