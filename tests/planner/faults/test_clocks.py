"""Clocks that differ: a planner on a node whose clock is wrong goes on from what the one before it saved.

The gateway, the API server and the planners are real; what a planner takes for its machine's clock is shifted.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import planning
from support.gateway import traffic
from support.planning import ON_DEMAND, SPOT
from support.waiting import until_async

if TYPE_CHECKING:
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(300)
GOOD = planning.document(planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": 1, "max": 1})})
MINUTES_S, HOUR_S = 300.0, 3600.0
NOTE = r"saved state is \d+ s ahead of this planner's clock: {done}; check the nodes' clocks"


def saved(api: Api) -> dict[str, Any]:
    """Return the memory that a planner has saved; empty before it has."""
    return json.loads(api.state().get("memory.json", "{}"))


def watched_s(memory: dict[str, Any]) -> float:
    """Return of how many seconds demand has been learned."""
    return memory["services"]["chat"]["demand"]["observed_s"] if memory else 0.0


def metric(planner: Planner, name: str) -> float:
    page = planner.get("/metrics")
    assert page is not None
    [value] = re.findall(rf"^{name} (.*)$", page.text, re.MULTILINE)
    return float(value)


async def followed(api: Api, planner: Planner, *, first_s: float, then_s: float) -> dict[str, Any]:
    """Have a planner learn demand, kill it, start one whose clock is off by something else; return what was saved."""
    api.put_document(GOOD.to_json())
    planner.start(clock_ahead_s=first_s)
    await until_async(lambda: asyncio.to_thread(lambda: watched_s(saved(api)) >= 10 and api.told(SPOT) == 1))
    await asyncio.to_thread(planner.kill)
    left = saved(api)
    planner.start(clock_ahead_s=then_s)
    return left


async def test_a_planner_whose_clock_is_minutes_behind_learns_on_at_once(api: Api, planner: Planner) -> None:
    async with traffic(planner.host):
        left = await followed(api, planner, first_s=0.0, then_s=-MINUTES_S)
        await until_async(lambda: asyncio.to_thread(lambda: watched_s(saved(api)) >= watched_s(left) + 10))
        now, plan = saved(api), await asyncio.to_thread(planner.plan)
        moved_s = await asyncio.to_thread(metric, planner, "tenbin_planner_clock_moved_seconds")
        ticked_at = await asyncio.to_thread(metric, planner, "tenbin_planner_last_tick_seconds")
        alive = await asyncio.to_thread(planner.get, "/healthz")
    assert left["at"] < now["at"] <= time.time() + 1, "time goes on where it was left"
    assert plan is not None
    [note] = [note for note in plan["notes"] if "clock" in note]
    assert re.fullmatch(NOTE.format(done="the clock was moved forward"), note)
    assert 0 < moved_s <= MINUTES_S
    assert ticked_at <= time.time() - MINUTES_S, "metrics are told by the machine's clock, as those that read them do"
    assert alive is not None
    assert alive.status_code == 200
    assert (api.told(SPOT), api.told(ON_DEMAND)) == (1, 0)
    [told] = [line for line in planner.log() if line["event"] == "saved state is from the future"]
    assert (told["level"], told["done"]) == ("warning", "the clock was moved forward")


async def test_a_planner_that_follows_one_whose_clock_was_an_hour_ahead_learns_demand_anew(
    api: Api, planner: Planner
) -> None:
    async with traffic(planner.host):
        left = await followed(api, planner, first_s=HOUR_S, then_s=0.0)
        now = await until_async(
            lambda: asyncio.to_thread(
                lambda: (found := saved(api))["at"] < left["at"] and watched_s(found) >= 10 and found
            )
        )
        plan = await asyncio.to_thread(planner.plan)
        moved_s = await asyncio.to_thread(metric, planner, "tenbin_planner_clock_moved_seconds")
    assert now["at"] <= time.time() + 1
    assert moved_s == 0
    assert plan is not None
    [note] = [note for note in plan["notes"] if "clock" in note]
    assert re.fullmatch(NOTE.format(done="demand is learned anew"), note)
    assert (api.told(SPOT), api.told(ON_DEMAND)) == (1, 0), "what runs is kept, and whose count it is"
    assert not [line for line in planner.log() if line["event"] == "note" and "taken over" in line["now"]]
