"""A leader that is frozen: another planner follows it, and when it wakes it writes nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support import planning
from support.planner_process import Planner
from support.planning import SPOT
from support.waiting import until
from tenbin_planner.controller import cluster, leadership

if TYPE_CHECKING:
    from support.forks import Forks
    from support.planner_cluster import Api

pytestmark = pytest.mark.timeout(300)
ONE = planning.document(planner={"interval_s": 1})
TWO = planning.document(planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": 2, "max": 8})})
PROMISED_S = 20
TAKEOVER_S = 120.0
"""Patience of the test, on any machine; what is promised follows from the settings."""


def test_the_settings_promise_a_successor_within_20_s() -> None:
    """It sees the last renewal a retry late at most, lets the Lease run out, and takes it at its next retry."""
    assert leadership.LEASE_S + 2 * leadership.RETRY_S < PROMISED_S


def test_a_write_of_a_leader_ends_before_another_may_lead() -> None:
    assert leadership.RENEW_DEADLINE_S + cluster.TIMEOUT_S <= leadership.LEASE_S
    assert leadership.CALL_S < leadership.RENEW_DEADLINE_S


def test_a_leader_that_froze_is_followed_and_writes_nothing_when_it_wakes(
    api: Api, planner: Planner, forks: Forks
) -> None:
    api.put_document(ONE.to_json())
    planner.start(identity="planner-1")
    until(lambda: api.told(SPOT) == 1)
    second = Planner(api, forks)
    try:
        second.start(identity="planner-2")
        until(lambda: second.plan(leader=False))
        planner.send_signal(signal.SIGSTOP)
        before = scaled(planner)
        api.put_document(TWO.to_json())  # the frozen one wants another count than its successor
        until(lambda: second.plan(leader=True), seconds=TAKEOVER_S)
        assert api.lease_holder() == "planner-2"
        until(lambda: api.told(SPOT) == 2)
        version = api.deployment(SPOT)["metadata"]["generation"]
        planner.send_signal(signal.SIGCONT)
        until(lambda: planner.plan(leader=False))
        planner.wait_for_ticks(2)
        assert api.deployment(SPOT)["metadata"]["generation"] == version
        assert scaled(planner) == before
        assert scaled(second) == [(SPOT, 1, 2)]
        assert api.lease_holder() == "planner-2"
    finally:
        second.kill()


def scaled(planner: Planner) -> list[tuple[str, int, int]]:
    """Return what a planner has written."""
    lines = [line for line in planner.log() if line["event"] == "scaled"]
    return [(line["workload"], line["before"], line["after"]) for line in lines]
