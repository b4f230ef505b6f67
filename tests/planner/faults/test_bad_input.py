"""Input that is bad, or none at all: what runs stays, the plan says what is wrong, and the next good input counts."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import planning
from support.planning import ON_DEMAND, SPOT
from support.virtual_world import World
from support.waiting import until
from tenbin_planner.model import fleet
from tenbin_spec.document import VERSION

if TYPE_CHECKING:
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(300)
LEAD_S = {"l4-spot": 20.0, "l4": 20.0}
WEEK_S = 7 * 86_400.0
IDLE_TICK_S = 1800.0
HEARD_S = 10.0
"""How often the gateway is heard."""
GOOD = planning.document(planner={"interval_s": 1})


def reason(plan: dict[str, object], workload: str) -> str:
    [found] = [item for item in plan["workloads"] if item["name"] == workload]  # type: ignore[attr-defined]
    return f"{found['wanted']} {found['reason']['code']}"


def test_a_pool_without_a_price_is_left_and_said_so(api: Api, planner: Planner) -> None:
    api.put_document(planning.without_price(GOOD, SPOT).to_json())
    planner.start()
    until(lambda: api.told(ON_DEMAND) == 1)
    plan = until(planner.plan)
    assert (reason(plan, SPOT), plan["hourly_usd"]) == ("0 price-unknown", "0.80")
    assert api.told(SPOT) == 0


def test_an_engine_that_this_program_does_not_know_leaves_the_last_good_document_in_force(
    api: Api, planner: Planner
) -> None:
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    newer = json.loads(GOOD.to_json())
    newer["services"]["chat"]["engine"] = "quantum"
    api.put_document(json.dumps(newer))
    plan = until(lambda: (plan := planner.plan()) and plan["document_problem"] and plan)
    assert plan["document_revision"] == GOOD.revision
    assert "services.chat.engine: 'quantum'" in plan["document_problem"]
    assert api.told(SPOT) == 1


def test_a_document_of_a_newer_version_leaves_the_last_good_one_in_force(api: Api, planner: Planner) -> None:
    api.put_document(GOOD.to_json())
    planner.start()
    until(lambda: api.told(SPOT) == 1)
    newer = json.loads(GOOD.to_json()) | {"version": VERSION + 1, "surprise": {"of": "a version to come"}}
    api.put_document(json.dumps(newer))
    plan = until(lambda: (plan := planner.plan()) and plan["document_problem"] and plan)
    assert plan["document_revision"] == GOOD.revision
    said = f"{VERSION + 1} is not a version that this program reads. Allowed: {VERSION}"
    assert plan["document_problem"] == f"wire document has 1 problem:\n  - version: {said}"
    assert api.told(SPOT) == 1
    api.put_document(GOOD.to_json())
    until(lambda: (plan := planner.plan()) and plan["document_problem"] is None)


def test_a_service_without_traffic_for_a_week_has_no_replica_and_one_for_the_next_request() -> None:
    service = planning.service(replicas={"min": 0, "max": 8})
    agreed = planning.document(services={"chat": service})
    moments = np.concatenate([np.arange(0.0, 600.0), WEEK_S + np.arange(0.0, 120.0)])
    arrivals = fleet.Arrivals.of(moments, [300] * moments.size, [60] * moments.size, "interactive")
    made = World(agreed, arrivals, class_name="interactive", lead_s=LEAD_S)
    made.start({SPOT: 1})
    planner = made.new_loop()
    while made.now_s < WEEK_S:
        for seconds in np.arange(0.0, IDLE_TICK_S, HEARD_S):
            made._log.heard("gateway", at=made.now() + seconds)
        made._advance(made.now_s + IDLE_TICK_S)
        assert asyncio.run(planner.tick()) is not None
    assert sum(made.ticks[-1].plan.wanted().values()) == made.told(SPOT) + made.told(ON_DEMAND) == 0
    assert str(made.ticks[-1].plan.services[0].because[0].reason) == "minimum"
    assert made.saved is not None
    assert len(json.dumps(made.saved.to_plain())) < 60_000
    made.run(WEEK_S + 120, planner, interval_s=5)
    assert made.ready() >= 1
    assert made.good()[-60:-20].all(), "requests are answered in time again once the first replica is there"
    assert not made.failures
