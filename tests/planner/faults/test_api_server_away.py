"""The API server away, and a leader that is cut off from it: the loop waits, and nobody writes what is not his."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest
from support import planning
from support.api_proxy import ApiProxy, Moment
from support.planner_process import Planner
from support.planning import ON_DEMAND, SPOT
from support.waiting import until

if TYPE_CHECKING:
    from support.api_proxy import Call
    from support.forks import Forks
    from support.planner_cluster import Api

pytestmark = pytest.mark.timeout(300)
TWO, THREE = (
    planning.document(planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": least, "max": 8})})
    for least in (2, 3)
)


def metric(planner: Planner, name: str) -> float:
    """Return a metric of a planner, all of its series added."""
    page = planner.get("/metrics")
    assert page is not None
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (.*)$", page.text, re.MULTILINE))


def test_a_planner_without_api_server_waits_and_goes_on_when_it_is_back(api: Api, planner: Planner) -> None:
    api.put_document(TWO.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 2 and planner.plan(leader=True))
    before = api.generation(SPOT), api.generation(ON_DEMAND)
    with api.stopped():
        until(lambda: metric(planner, "tenbin_planner_step_failures_total") >= 2)
        until(lambda: (answer := planner.get("/readyz")) and answer.status_code == 503)
        alive, plan = planner.get("/healthz"), planner.plan()
        assert alive is not None
        assert (alive.status_code, alive.text) == (200, "ok\n"), "a planner that waits is not to be restarted"
        assert plan is not None
        assert [item["wanted"] for item in plan["workloads"]] == [2, 0], "the last plan is still shown, with its time"
    until(lambda: planner.plan(leader=True) and metric(planner, "tenbin_planner_leader") == 1)
    planner.wait_for_ticks(2)
    assert (api.generation(SPOT), api.generation(ON_DEMAND)) == before
    api.put_document(THREE.to_json())
    until(lambda: api.told(ON_DEMAND) == 1)
    planner.kill()
    told = [line["event"] for line in planner.log()]
    assert "leads no more" in told
    assert "step works again" in told
    assert "note" not in told


class Postman:
    """Lets everything through, but keeps one write until it is told to deliver it."""

    def __init__(self) -> None:
        self.arrived, self.deliver, self.delivered = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, call: Call, moment: Moment) -> bool:
        if call.is_count and moment is Moment.ASKED and not self.arrived.is_set():
            self.arrived.set()
            self.deliver.wait()
        elif call.is_count and moment is Moment.DONE:
            self.delivered.set()
        return True


def test_a_leader_that_is_cut_off_is_followed_by_another_and_its_late_write_changes_nothing(
    api: Api, forks: Forks, proxy: ApiProxy, planner: Planner
) -> None:
    api.put_document(TWO.to_json())
    planner.start(through=proxy.address)
    until(lambda: api.told(SPOT) == 2 and planner.plan(leader=True))
    second, postman = Planner(api, forks), Postman()
    try:
        second.start(identity="planner-2")
        until(lambda: second.plan(leader=False))
        proxy.judge = postman
        api.put_document(THREE.to_json())
        assert postman.arrived.wait(60)  # the leader's write is under way ...
        proxy.is_cut = True  # ... and nothing else comes through any more
        until(lambda: second.plan(leader=True))
        until(lambda: api.told(ON_DEMAND) == 1)
        until(lambda: metric(planner, "tenbin_planner_leader") == 0)
        after = api.generation(SPOT), api.generation(ON_DEMAND)
        postman.deliver.set()
        assert postman.delivered.wait(60)
        assert proxy.counts()[-1] == f"PUT deployments/{ON_DEMAND}/scale: 409"
        proxy.is_cut = False
        moment = (planner.plan() or {})["at"]
        until(lambda: (plan := planner.plan(leader=False)) and plan["at"] > moment)
        second.wait_for_ticks(2)
        assert (api.generation(SPOT), api.generation(ON_DEMAND)) == after
        assert api.lease_holder() == "planner-2"
        second_log = [line["event"] for line in second.log()]
        assert "note" not in second_log
    finally:
        postman.deliver.set()
        second.kill()
