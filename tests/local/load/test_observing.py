"""Watching the planner: the latest words, and the moments at which the plan changed."""

from __future__ import annotations

import copy
from typing import Any

import aiohttp
from aiohttp import web
from support.traffic import PLAN, served
from tenbin_local.load.observing import Decision, PlanWatch, Trouble


class Planner:
    """Serves what it is told to."""

    def __init__(self) -> None:
        self.plan: Any = copy.deepcopy(PLAN)
        self.status = 200

    async def answer(self, _: web.Request) -> web.Response:
        return web.json_response(self.plan, status=self.status)

    def want(self, replicas: int, code: str, detail: str) -> None:
        self.plan["workloads"][0]["wanted"] = replicas
        self.plan["services"][0]["reasons"] = [{"code": code, "detail": detail}]


async def test_a_decision_is_a_change_of_replicas_or_reason_while_the_words_follow_each_plan() -> None:
    planner, now = Planner(), [0.0]
    async with served([web.get("/plan", planner.answer)]) as url, aiohttp.ClientSession() as session:
        watch = PlanWatch(url, "chat", lambda: now[0])
        for at_s, replicas, code, detail in (
            (0.0, 1, "steady", "3/s"),
            (2.0, 1, "steady", "4/s"),
            (4.0, 2, "forecast", "6/s"),
            (6.0, 2, "hold", "5/s"),
        ):
            now[0] = at_s
            planner.want(replicas, code, detail)
            await watch.look(session)
            assert str(watch.current) == f"{code}: {detail}"
    assert watch.decisions == [
        Decision(at_s=0.0, wanted={"l4-spot": 1}, reason="steady", detail="3/s"),
        Decision(at_s=4.0, wanted={"l4-spot": 2}, reason="forecast", detail="6/s"),
        Decision(at_s=6.0, wanted={"l4-spot": 2}, reason="hold", detail="5/s"),
    ]


async def test_trouble_is_told_and_over_with_the_next_plan() -> None:
    planner = Planner()
    async with served([web.get("/plan", planner.answer)]) as url, aiohttp.ClientSession() as session:
        watch = PlanWatch(url, "chat", lambda: 0.0)
        planner.status = 503
        await watch.look(session)
        assert watch.trouble.now == "the planner answers 503"
        planner.status, planner.plan = 200, {"version": 2}
        await watch.look(session)
        assert watch.trouble.now is not None
        assert watch.trouble.now.startswith("the planner's plan cannot be read: ")
        planner.plan = PLAN
        await watch.look(session)
    assert (watch.trouble.times, len(watch.decisions)) == (2, 1)
    assert watch.trouble == Trouble(now=None, last=watch.trouble.last, times=2)


async def test_a_plan_without_the_service_is_no_decision() -> None:
    planner = Planner()
    async with served([web.get("/plan", planner.answer)]) as url, aiohttp.ClientSession() as session:
        watch = PlanWatch(url, "other", lambda: 0.0)
        await watch.look(session)
    assert (watch.current, watch.decisions, watch.trouble.now) == (None, [], None)
