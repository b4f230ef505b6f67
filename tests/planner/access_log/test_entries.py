"""Entries of Envoy's log, each read on its own; hostile ones are named and change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from hypothesis import given
from hypothesis import strategies as st
from tenbin_planner import demand
from tenbin_planner.controller import access_log
from tenbin_spec.objectives import Objective, Slo

END = accesslog_pb2.DownstreamEnd


def entry(
    *,
    kind: int = END,
    route: str = "chat/interactive",
    request: str = "r1",
    status: int | None = 200,
    flags: tuple[str, ...] = (),
    output_bytes: int = 900,
    **tags: str,
) -> accesslog_pb2.HTTPAccessLogEntry:
    response: dict[str, Any] = {"response_body_bytes": output_bytes}
    if status is not None:
        response["response_code"] = {"value": status}
    return accesslog_pb2.HTTPAccessLogEntry(
        common_properties=accesslog_pb2.AccessLogCommon(
            access_log_type=kind,
            route_name=route,
            stream_id=request,
            custom_tags={"ttft_us": "201866", "e2e_us": "304412", **tags},
            response_flags=accesslog_pb2.ResponseFlags(**dict.fromkeys(flags, True)),
        ),
        response=accesslog_pb2.HTTPResponseProperties(**response),
    )


def test_a_request_is_told_three_times() -> None:
    name = {"request": "r1", "service": "chat", "class_name": "interactive"}
    start = entry(kind=accesslog_pb2.DownstreamStart, status=None)
    assert access_log.read_entry(start) == demand.Started(**name)
    runs = entry(kind=accesslog_pb2.DownstreamPeriodic, content_type="text/event-stream; charset=utf-8")
    runs.common_properties.duration.FromMilliseconds(4250)
    running = demand.Running(**name, is_streamed=True, output_bytes=900, age_ms=4250.0, ttft_ms=201.866)
    assert access_log.read_entry(runs) == running
    ends = entry(content_type="text/event-stream", output_tokens="5")
    assert access_log.read_entry(ends) == demand.Ended(
        **name,
        outcome=demand.Outcome.ANSWERED,
        ttft_ms=201.866,
        e2e_ms=304.412,
        is_streamed=True,
        output_bytes=900,
        output_tokens=5,
    )


@pytest.mark.parametrize("route", ["", "-/health", "chat/-", "-/unknown-path"])
def test_what_is_no_demand_is_passed_over(route: str) -> None:
    assert access_log.read_entry(entry(route=route)) is None


@pytest.mark.parametrize(
    ("status", "flags", "outcome"),
    [
        (200, (), demand.Outcome.ANSWERED),
        (200, ("downstream_connection_termination",), demand.Outcome.CANCELLED),
        (200, ("downstream_remote_reset", "local_reset"), demand.Outcome.CANCELLED),
        (None, ("downstream_connection_termination",), demand.Outcome.CANCELLED),
        (None, (), demand.Outcome.FAILED),
        (200, ("upstream_connection_termination",), demand.Outcome.FAILED),
        (200, ("upstream_remote_reset",), demand.Outcome.FAILED),
        (200, ("stream_idle_timeout",), demand.Outcome.FAILED),
        (500, (), demand.Outcome.FAILED),
        (503, ("no_healthy_upstream",), demand.Outcome.FAILED),
        (429, (), demand.Outcome.SHED),
        (400, (), demand.Outcome.REFUSED),
        (404, (), demand.Outcome.REFUSED),
        (413, (), demand.Outcome.REFUSED),
    ],
)
def test_how_a_request_ended(status: int | None, flags: tuple[str, ...], outcome: demand.Outcome) -> None:
    said = access_log.read_entry(entry(status=status, flags=flags))
    assert isinstance(said, demand.Ended)
    assert said.outcome is outcome


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"route": "chat"}, "malformed route name"),
        ({"route": "/interactive"}, "malformed route name"),
        ({"route": "chat/" + "x" * 200}, "malformed route name"),
        ({"request": ""}, "malformed request id"),
        ({"request": "x" * 129}, "malformed request id"),
        ({"kind": 0}, "unknown type of entry"),
        ({"ttft_us": "-5"}, "time out of range"),
        ({"e2e_us": "86400000001"}, "time out of range"),
        ({"ttft_us": "nan"}, "not a number"),
        ({"ttft_us": "1e999"}, "not a number"),
        ({"e2e_us": "soon"}, "not a number"),
    ],
)
def test_an_unusable_entry_is_counted_by_cause(changes: dict[str, Any], cause: str) -> None:
    log = demand.DemandLog()
    log.configure({"chat": Slo(window="30d", classes={"interactive": Objective(target="0.99", ttft_ms=500)})})
    access_log.record(log, entry(**changes), at=1.0)
    observation = log.snapshot(2.0)
    assert observation.ignored == {cause: 1}
    assert observation.classes["chat", "interactive"].cumulative.total == 0


@pytest.mark.parametrize("text", ["", "-", "0", "-3", "nan", "many", "1e300", "10000001"])
def test_a_number_of_tokens_that_cannot_be_is_no_number(text: str) -> None:
    said = access_log.read_entry(entry(output_tokens=text))
    assert isinstance(said, demand.Ended)
    assert said.output_tokens is None


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    hostile = accesslog_pb2.HTTPAccessLogEntry()
    try:
        hostile.MergeFromString(data)
    except Exception:  # noqa: BLE001 - bytes that are no message at all never get to the reader
        return
    access_log.record(demand.DemandLog(), hostile, at=1.0)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=300), st.integers(0, 13), st.integers(0, 1000))
def test_no_values_break_the_reader(ttft: str, e2e: str, route: str, kind: int, status: int) -> None:
    access_log.record(
        demand.DemandLog(), entry(kind=kind, route=route, status=status, ttft_us=ttft, e2e_us=e2e), at=1.0
    )
