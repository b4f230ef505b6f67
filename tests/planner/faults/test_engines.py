"""Engines whose metrics hang, are garbage, are not numbers or never end: unknown, and no harm to anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support import addresses, planning
from support.planning import ON_DEMAND, SPOT
from support.waiting import until_async
from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.planner_cluster import Api
    from support.planner_process import Planner

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

pytestmark = pytest.mark.timeout(300)
FIVE = planning.document(planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": 5, "max": 8})})


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def garbage(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=bytes(range(256)) * 100)


async def no_numbers(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="vllm:num_requests_running NaN\nvllm:num_requests_waiting NaN\n")


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(10):
            await response.write(b"vllm:num_requests_waiting 1000\n" * 35_000)
    return response


class Good:
    """An engine that says what it does, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, _request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return web.Response(text="vllm:num_requests_running 3\nvllm:num_requests_waiting 7\n")


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve a metrics page where an engine would, and give the address."""
    app = web.Application()
    app.add_routes([web.get("/metrics", handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    address = addresses.spare()
    await web.TCPSite(runner, address, contract.PORT_ENGINE).start()
    try:
        yield address
    finally:
        await runner.cleanup()


async def test_bad_pages_make_their_engines_unknown_and_stop_nothing(api: Api, planner: Planner) -> None:
    good = Good()
    api.tell(SPOT, 2)
    api.tell(ON_DEMAND, 3)
    await until_async(lambda: len(api.pods(SPOT)) == 2 and len(api.pods(ON_DEMAND)) == 3)
    pods = sorted(pod["metadata"]["name"] for pod in [*api.pods(SPOT), *api.pods(ON_DEMAND)])
    async with contextlib.AsyncExitStack() as stack:
        for pod, handler in zip(pods, (hang, garbage, no_numbers, flood, good.answer), strict=True):
            api.set_ready(pod, await stack.enter_async_context(serving(handler)))
        api.put_document(FIVE.to_json())
        planner.start()
        await until_async(lambda: good.asked >= 4)  # ticks go on while one hangs at each of them
        plan = await asyncio.to_thread(planner.plan)
        page = await asyncio.to_thread(planner.get, "/metrics")
    assert plan is not None
    assert page is not None
    assert {item["name"]: (item["ready"], item["wanted"]) for item in plan["workloads"]} == {
        SPOT: (2, 2),
        ON_DEMAND: (3, 3),
    }
    assert plan["services"][0]["waiting"] == 7, "what can be read counts, and nothing else"
    assert plan["ignored"] == [f"replica {pods[2]} waiting is nan: not a number"]
    assert plan["hourly_usd"] == "3.12"
    assert re.search(r"^tenbin_planner_engines_unread 2\.0$", page.text, re.MULTILINE)
    failures = re.findall(r"^tenbin_planner_step_failures_total\{.*\} (.*)$", page.text, re.MULTILINE)
    assert all(float(value) == 0 for value in failures)
