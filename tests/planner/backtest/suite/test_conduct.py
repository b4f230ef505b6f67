"""Starts that come too soon after stops are found, and those that are the cluster's or excused are not."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support import suites
from tenbin_planner.backtest.planner_ports import Reasoned
from tenbin_planner.backtest.suite import conduct
from tenbin_spec.reasons import Reason

GIVEN = suites.cell().scenario(0, lead_s=60)
WORKLOAD = GIVEN.document.workloads[0]


def replica(asked_s: float, *, ready_s: float | None = None, removed_s: float = math.inf) -> Any:
    ready = asked_s + 60 if ready_s is None else ready_s
    return SimpleNamespace(workload=WORKLOAD, asked_s=asked_s, ready_s=ready, removed_s=removed_s)


def hasty(*replicas: Any, reasons: tuple[Reasoned, ...] = ()) -> list[float]:
    return conduct.hasty_starts(cast("Any", SimpleNamespace(scenario=GIVEN, replicas=replicas, reasons=reasons)))


def because(reason: Reason) -> tuple[Reasoned, ...]:
    return (Reasoned(at_s=330.0, subject="service", wanted=2, reason=reason, detail=""),)


STOPPED = replica(0.0, ready_s=0.0, removed_s=300.0)


@pytest.mark.parametrize(
    ("asked_s", "found"), [(315.0, [315.0]), (345.0, [345.0]), (360.0, []), (300.0, []), (285.0, [])]
)
def test_a_start_within_a_lead_time_after_a_stop_is_hasty(asked_s: float, found: list[float]) -> None:
    assert hasty(STOPPED, replica(asked_s)) == found


def test_what_the_cluster_replaces_and_what_never_served_does_not_count() -> None:
    assert hasty(replica(0.0, ready_s=0.0, removed_s=301.7), replica(330.0)) == [], "an interruption is no stop"
    assert hasty(STOPPED, replica(331.7)) == [], "a replacement is no start of the planner"
    assert hasty(replica(270.0, removed_s=300.0), replica(330.0)) == [], "it did not serve yet"


def test_a_start_is_excused_by_the_reason_that_says_so() -> None:
    assert hasty(STOPPED, replica(330.0), reasons=because(Reason.BACKLOG)) == []
    assert hasty(STOPPED, replica(330.0), reasons=because(Reason.FORECAST)) == [330.0]
