"""A node that is lost with a replica on it: the replica counts for nothing, and another one takes its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from support.waiting import until

if TYPE_CHECKING:
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(600)
AGREED = planning.document(
    planner={"interval_s": 1},
    pools=planning.pools(lead_time_s=1800),
    services={"chat": planning.service(replicas={"min": 1, "max": 2})},
)
GIVEN_UP_S = 240.0
"""Patience until the cluster gives a silent node up."""


def bound(api: Api, *, besides: str = "") -> dict[str, Any]:
    """Return a pod that has a node, once there is one."""
    found: dict[str, Any] = until(
        lambda: next(
            (
                pod
                for pod in [*api.pods(SPOT), *api.pods(ON_DEMAND)]
                if pod["spec"].get("nodeName") and pod["metadata"]["name"] != besides
            ),
            None,
        )
    )
    return found


def replicas(planner: Planner, phase: str) -> float:
    """Return the replicas in a phase, of all workloads."""
    page = planner.get("/metrics")
    assert page is not None
    values = re.findall(rf"^tenbin_planner_replicas\{{.*phase=\"{phase}\".*\}} (.*)$", page.text, re.MULTILINE)
    return sum(float(value) for value in values)


def test_a_replica_on_a_lost_node_is_replaced_and_not_stopped(api: Api, planner: Planner) -> None:
    with api.node("spot-1", pool="l4-spot") as heart:
        api.put_document(AGREED.to_json())
        planner.start()
        lost = bound(api)["metadata"]["name"]
        api.set_ready(lost, tells_containers=True)
        until(lambda: replicas(planner, "ready") == 1)
        with api.node("spot-2", pool="l4-spot"):
            heart.set()
            until(lambda: replicas(planner, "lost") == 1, seconds=GIVEN_UP_S)
            another = bound(api, besides=lost)
            assert another["spec"]["nodeName"] == "spot-2"
            assert (api.told(SPOT), api.told(ON_DEMAND)) == (2, 0)
            api.set_ready(another["metadata"]["name"], tells_containers=True)
            until(lambda: replicas(planner, "ready") == 1)
            planner.wait_for_ticks(2)
            plan = until(planner.plan)
            assert [(item["ready"], item["wanted"]) for item in plan["workloads"]] == [(1, 2), (0, 0)]
            assert plan["hourly_usd"] == "0.72", "what is lost is paid for until it is gone"
            assert another["metadata"]["name"] in {pod["metadata"]["name"] for pod in api.pods(SPOT)}
    assert not [line for line in planner.log() if line["event"] == "drains"]
