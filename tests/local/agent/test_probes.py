"""Counting and order of probes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import virtual_time
from tenbin_local.agent import containers, handlers, probes

Kind = probes.Kind


def tally(results: list[bool], *, passing: bool, success: int, failure: int) -> probes.Tally:
    found = probes.Tally(passing=passing)
    for result in results:
        found = found.after(succeeded=result, success_threshold=success, failure_threshold=failure)
    return found


@pytest.mark.parametrize(
    ("results", "expected"),
    [([], True), ([False, False], True), ([False] * 3, False), ([False, False, True, False, False], True)],
)
def test_a_verdict_changes_only_after_enough_equal_results_in_a_row(results: list[bool], expected: bool) -> None:
    assert tally(results, passing=True, success=1, failure=3).passing is expected


@given(st.lists(st.booleans(), max_size=30), st.booleans(), st.integers(1, 4), st.integers(1, 4))
def test_a_long_enough_row_always_decides(results: list[bool], passing: bool, success: int, failure: int) -> None:
    assert tally([*results, *[True] * success], passing=passing, success=success, failure=failure).passing
    assert not tally([*results, *[False] * failure], passing=passing, success=success, failure=failure).passing


def watch(container: dict[str, Any], succeeds: Callable[[int], bool], for_s: float) -> list[tuple[Kind, bool]]:
    """Verdicts of a container whose n-th probe succeeds as told, within a span of virtual time."""
    verdicts: list[tuple[Kind, bool]] = []
    count = 0

    async def act(_action: dict[str, Any], _timeout_s: float) -> handlers.Outcome:
        nonlocal count
        count += 1
        return handlers.Outcome(succeeded=succeeds(count), message="no")

    async def run() -> None:
        prober = probes.Prober(
            container=container,
            act=act,
            verdict=lambda kind, passing: verdicts.append((kind, passing)),
            complain=lambda _kind, _message: None,
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(prober.run(), for_s)

    virtual_time.run(run())
    return verdicts


PROBE = {"periodSeconds": 2, "failureThreshold": 2}


def test_a_container_without_probes_is_started_and_ready_at_once() -> None:
    assert watch({}, lambda _: False, 0.01) == [(Kind.STARTUP, True), (Kind.READINESS, True)]


def test_readiness_is_probed_only_after_the_startup_probe_has_passed() -> None:
    container = {"startupProbe": {**PROBE, "failureThreshold": 10}, "readinessProbe": PROBE}
    verdicts = watch(container, lambda count: count >= 3, 60)
    assert verdicts == [(Kind.STARTUP, True), (Kind.READINESS, True)]


def test_a_startup_probe_that_fails_too_often_says_so_once() -> None:
    assert watch({"startupProbe": PROBE}, lambda _: False, 60) == [(Kind.STARTUP, False)]


def test_a_failing_liveness_probe_does_not_touch_readiness() -> None:
    verdicts = watch({"livenessProbe": PROBE}, lambda _: False, 60)
    assert verdicts == [(Kind.STARTUP, True), (Kind.READINESS, True), (Kind.LIVENESS, False)]


@pytest.mark.parametrize(
    ("crashes", "expected"), [(0, 0.0), (1, 10.0), (2, 20.0), (5, 160.0), (6, 300.0), (10_000, 300.0)]
)
def test_back_off_is_that_of_a_kubelet(crashes: int, expected: float) -> None:
    assert containers.backoff_s(crashes, 10.0) == expected


@given(st.integers(0, 10**6), st.floats(0.001, 300))
def test_back_off_never_shrinks_with_more_crashes_and_is_bounded(crashes: int, base_s: float) -> None:
    assert containers.backoff_s(crashes, base_s) <= containers.backoff_s(crashes + 1, base_s) <= 30 * base_s
