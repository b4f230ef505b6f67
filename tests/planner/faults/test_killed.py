"""A planner that is killed at each of its calls in turn: the next one goes on, and nothing is done twice.

Between two calls a planner only computes, so that these are all the states in which it can leave the world: killed
before a call it has changed nothing by it, killed after one it does not know that it has.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from support import planning
from support.api_proxy import Moment, pass_on
from support.planning import ON_DEMAND, SPOT
from support.waiting import until

if TYPE_CHECKING:
    from support.api_proxy import ApiProxy, Call
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(600)
PATIENT_S = 1800
"""Lead time of the pools: a replica that waits for a node here is given up by no planner on any machine."""
AGREEMENTS = [
    planning.document(
        planner={"interval_s": 1},
        pools=planning.pools(lead_time_s=PATIENT_S),
        services={"chat": planning.service(replicas={"min": least, "max": most})},
    )
    for least, most in ((3, 8), (1, 1))
]
WANTED = [{SPOT: 2, ON_DEMAND: 1}, {SPOT: 1, ON_DEMAND: 0}]
"""What each agreement makes of the other one's replicas: every change takes two writes."""
STATE = "configmaps/tenbin-planner-state"
CALLS = (
    (f"GET {STATE}", 1),
    ("GET configmaps/tenbin-document", 1),
    ("GET deployments", 1),
    ("GET pods", 1),
    (f"PATCH {STATE}", 1),
    (f"GET deployments/{ON_DEMAND}/scale", 1),
    (f"PUT deployments/{ON_DEMAND}/scale", 1),
    (f"GET deployments/{SPOT}/scale", 1),
    (f"PUT deployments/{SPOT}/scale", 1),
    (f"PATCH {STATE}", 2),
    ("POST events", 1),
)
"""Of a tick that writes, and how often it was made: recall, observe, persist, act, remember, explain."""


@dataclasses.dataclass
class Executioner:
    """Kills a planner at one of its calls."""

    planner: Planner
    call: str
    moment: Moment
    times: int = 1

    def __call__(self, call: Call, moment: Moment) -> bool:
        if not self.planner.is_killed and (str(call), moment) == (self.call, self.moment):
            self.times -= 1
            if not self.times:
                self.planner.die()
        return not self.planner.is_killed


def counts(api: Api) -> dict[str, int]:
    return {name: api.told(name) for name in (SPOT, ON_DEMAND)}


def generations(api: Api) -> dict[str, int]:
    return {name: api.generation(name) for name in (SPOT, ON_DEMAND)}


def saved_counts(api: Api) -> dict[str, int]:
    """Return the counts that the planner remembers to have written."""
    text = api.state().get("memory.json")
    return {} if text is None else {name: item["written"] for name, item in json.loads(text)["workloads"].items()}


@pytest.mark.parametrize("moment", Moment)
def test_a_planner_killed_at_any_call_is_carried_on_by_the_next(
    api: Api, proxy: ApiProxy, planner: Planner, moment: Moment
) -> None:
    for number, (call, times) in enumerate(CALLS):
        agreed, wanted = AGREEMENTS[number % 2], WANTED[number % 2]
        before = generations(api)
        api.put_document(agreed.to_json())
        proxy.judge = Executioner(planner, call, moment, times)
        planner.start(through=proxy.address)
        until(planner.has_ended)
        proxy.judge = pass_on
        planner.start(through=proxy.address)
        until(lambda wanted=wanted: counts(api) == saved_counts(api) == wanted)
        until(planner.plan)
        assert {name: now - before[name] for name, now in generations(api).items()} == {SPOT: 1, ON_DEMAND: 1}, call
        planner.kill()
        assert [line["now"] for line in planner.log() if line["event"] == "note"] == [], call
    assert {call.status for call in proxy.calls if call.is_count} == {200}


def test_a_planner_killed_while_it_drains_removes_the_replica_that_it_marked(
    api: Api, proxy: ApiProxy, planner: Planner
) -> None:
    api.tell(SPOT, 2)
    until(lambda: len(api.pods(SPOT)) == 2)
    pods = [pod["metadata"]["name"] for pod in api.pods(SPOT)]
    for pod in pods:
        api.set_ready(pod)
    before = api.generation(SPOT)
    api.put_document(AGREEMENTS[1].to_json())
    scale = f"PUT deployments/{SPOT}/scale"
    for call, moment in (("PATCH pods", Moment.ASKED), ("PATCH pods", Moment.DONE), (scale, Moment.ASKED)):
        proxy.judge = Executioner(planner, call, moment)
        planner.start(through=proxy.address)
        until(planner.has_ended)
    assert api.told(SPOT) == 2
    proxy.judge = Executioner(planner, scale, Moment.DONE)
    planner.start(through=proxy.address)
    until(planner.has_ended)
    proxy.judge = pass_on
    planner.start(through=proxy.address)
    until(lambda: saved_counts(api) == {SPOT: 1, ON_DEMAND: 0})
    [marked] = {call.path.rpartition("/")[2] for call in proxy.calls if str(call).startswith("PATCH pods")}
    assert [pod["metadata"]["name"] for pod in api.pods(SPOT)] == [pod for pod in pods if pod != marked]
    assert api.generation(SPOT) == before + 1
