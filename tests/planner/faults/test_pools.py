"""Pools that do not give what was asked for: another pool is tried, and the plan says why and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from support.waiting import until

if TYPE_CHECKING:
    from support.api_proxy import ApiProxy
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(300)
TWO = planning.document(planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": 2, "max": 8})})
ONE = planning.document(planner={"interval_s": 1})
LONG_S = 900.0
"""Longer than any start is waited for."""


def told_of(planner: Planner, workload: str) -> list[str]:
    """Return what was logged of the plan for a workload: count and reason, and the reason in words."""
    lines = [line for line in planner.log() if (line["event"], line.get("name")) == ("plan", workload)]
    return [f"{line['now']}: {line['detail']}" for line in lines]


def test_a_quota_that_is_reached_closes_its_pool_alone(api: Api, planner: Planner) -> None:
    with api.quota(1, pool="l4-spot"):
        api.put_document(TWO.to_json())
        planner.start()
        until(lambda: (api.told(SPOT), api.told(ON_DEMAND)) == (1, 1))
        plan = until(lambda: (plan := planner.plan()) and plan["hourly_usd"] == "1.16" and plan)
    assert {item["name"]: item["wanted"] for item in plan["workloads"]} == {SPOT: 1, ON_DEMAND: 1}
    refusals = [text for text in told_of(planner, SPOT) if text.startswith("1 stuck-pending: the cluster refuses")]
    assert refusals
    assert all("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in text for text in refusals)


def test_a_pool_without_a_free_node_is_left_for_another(api: Api, proxy: ApiProxy, planner: Planner) -> None:
    api.put_document(ONE.to_json())
    planner.start(through=proxy.address)
    until(lambda: api.told(SPOT) == 1 and api.pods(SPOT))
    proxy.clock_ahead_s = LONG_S
    until(lambda: (api.told(SPOT), api.told(ON_DEMAND)) == (0, 1))
    assert any(text.startswith("0 stuck-pending: 1 pending for longer than") for text in told_of(planner, SPOT))
    plan = until(lambda: (plan := planner.plan()) and plan["hourly_usd"] == "0.80" and plan)
    assert plan["workloads"][0]["reason"]["code"] == "stuck-pending"


def test_an_image_that_never_starts_is_waited_for_no_longer_than_a_node(
    api: Api, proxy: ApiProxy, planner: Planner
) -> None:
    with api.node("spot-1", pool="l4-spot"):
        api.put_document(ONE.to_json())
        planner.start(through=proxy.address)
        until(lambda: api.told(SPOT) == 1 and api.pods(SPOT))
        pod = until(lambda: next((pod for pod in api.pods(SPOT) if pod["spec"].get("nodeName")), None))
        api.set_waiting(pod["metadata"]["name"], "ImagePullBackOff")
        proxy.clock_ahead_s = LONG_S
        until(lambda: (api.told(SPOT), api.told(ON_DEMAND)) == (0, 1))
    assert any(text.startswith("0 stuck-pending: 1 pending for longer than") for text in told_of(planner, SPOT))
