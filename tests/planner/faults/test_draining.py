"""A scale-down under a thousand open streams: the planner marks, the picker withdraws, and every stream ends whole.

The planner, the picker, Envoy and the API server are real processes; engines hold their streams until the replicas that
had to go are gone, and what a kubelet would do with them is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support import addresses, planning
from support.gateway import COMPLETIONS, Engine, Gateway
from support.planning import ON_DEMAND, SPOT
from support.waiting import PATIENCE_S, until_async
from tenbin_spec import contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.forks import Forks
    from support.planner_cluster import Api
    from support.planner_process import Planner

pytestmark = pytest.mark.timeout(600)
STREAMS, BATCH = 1000, 50
FAILURES = ("_5xx", "_rq_rx_reset", "_rq_tx_reset", "_with_active_rq", "rq_timeout", "rq_retry", "none_healthy")
"""In the names of Envoy's counters."""
FOUR, ONE = (
    planning.document(
        planner={"interval_s": 1}, services={"chat": planning.service(replicas={"min": count, "max": count})}
    )
    for count in (4, 1)
)


@contextlib.asynccontextmanager
async def picker(api: Api, forks: Forks) -> AsyncIterator[str]:
    """Run a picker and give its address."""
    host = addresses.spare()
    arguments = ["picker", "--namespace", "tenbin", "--host", host]
    fork = forks.start(arguments, api.environment(), api.pod_root.parent / "picker.log")
    try:
        yield host
    finally:
        fork.kill()


class Kubelet:
    """Gives each pod an engine, and tells the engine when its pod is deleted: from then on it refuses requests."""

    def __init__(self, api: Api, engines: list[Engine]) -> None:
        self._api = api
        self._spare = list(engines)
        self.engines: dict[str, Engine] = {}
        self.removed: list[str] = []

    async def watch(self) -> None:
        """Do so until cancelled."""
        while True:
            pods = await asyncio.to_thread(lambda: [*self._api.pods(SPOT), *self._api.pods(ON_DEMAND)])
            names = {pod["metadata"]["name"] for pod in pods}
            for name in sorted(self.engines.keys() - names - set(self.removed)):
                self.engines[name].status = 503
                self.removed.append(name)
            for name in sorted(names - self.engines.keys()):
                self.engines[name] = self._spare.pop()
                await asyncio.to_thread(self._api.set_ready, name, self.engines[name].address)
            await asyncio.sleep(0.05)


async def stream(http: aiohttp.ClientSession) -> tuple[int, str]:
    async with http.post(COMPLETIONS, data=b'{"stream": true}') as response:
        return response.status, await response.text()


async def keep_asking(gateway: Gateway, statuses: list[int]) -> None:
    """Send one short request after another, as traffic that does not stop for a scale-down."""
    while True:
        statuses.append((await gateway.post(body=b'{"stream": false}'))[0])
        await asyncio.sleep(0.02)


async def test_a_scale_down_under_a_thousand_streams_loses_none(api: Api, forks: Forks, planner: Planner) -> None:
    api.put_document(FOUR.to_json())
    planner.start()
    released = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        engines = [Engine(tokens=3, port=contract.PORT_ENGINE, held=released, first_token_s=0.0) for _ in range(4)]
        for engine in engines:
            await stack.enter_async_context(engine)
        kubelet = Kubelet(api, engines)
        tasks = [asyncio.create_task(kubelet.watch())]
        stack.callback(lambda: [task.cancel() for task in tasks])
        host = await stack.enter_async_context(picker(api, forks))
        gateway = await stack.enter_async_context(Gateway(picker_host=host, planner_host=planner.host))
        await until_async(lambda: len(kubelet.engines) == 4)
        await _takes(gateway, engines)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(gateway.http._base_url, connector=aiohttp.TCPConnector(limit=0))
        )
        streams = await _opened(http, engines)
        statuses: list[int] = []
        tasks.append(asyncio.create_task(keep_asking(gateway, statuses)))

        api.put_document(ONE.to_json())
        await until_async(lambda: len(kubelet.removed) == 3)
        assert sum(engine.running for engine in engines) == STREAMS
        asked = len(statuses)
        await until_async(lambda: len(statuses) > asked + 5)
        plan = await asyncio.to_thread(planner.plan)
        released.set()
        answers = await asyncio.wait_for(asyncio.gather(*streams), PATIENCE_S)
        failures = await gateway.counters(*FAILURES)
    assert {status for status, _ in answers} == {200}
    assert {text.count("token ") for _, text in answers} == {3}
    assert all(text.endswith("data: [DONE]\n\n") for _, text in answers)
    assert set(statuses) == {200}
    assert failures == {}
    _told_why(plan)
    log = planner.log()
    marked = {line["replica"] for line in log if line["event"] == "drains"}
    assert marked == set(kubelet.removed)
    assert not any(line["event"] == "drains no more" for line in log)


async def _opened(http: aiohttp.ClientSession, engines: list[Engine]) -> list[asyncio.Task[tuple[int, str]]]:
    """Open the streams, and no more at once than an engine's queue of connections holds."""
    streams: list[asyncio.Task[tuple[int, str]]] = []
    for opened in range(BATCH, STREAMS + 1, BATCH):
        streams += [asyncio.create_task(stream(http)) for _ in range(BATCH)]
        await until_async(lambda opened=opened: sum(engine.running for engine in engines) == opened)
    return streams


async def _takes(gateway: Gateway, engines: list[Engine]) -> None:
    """Wait until every engine gets requests."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(engine.requests for engine in engines):
            await gateway.post(body=b'{"stream": false}')


def _told_why(plan: dict[str, Any] | None) -> None:
    assert plan is not None
    [service] = plan["services"]
    assert service["in_flight"] >= STREAMS
    assert {item["code"] for item in service["reasons"]} & {"scale-down", "maximum", "minimum"}
    assert {item["name"]: item["wanted"] for item in plan["workloads"]} == {SPOT: 1, ON_DEMAND: 0}
    assert plan["hourly_usd"] == "0.36"
