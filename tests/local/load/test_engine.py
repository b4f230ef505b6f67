"""The client against the simulated engine, in virtual time: what it measures is what the engine model predicts."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support import virtual_time
from support.traffic import document
from tenbin_local.engine import arguments
from tenbin_local.engine.server import EngineServer
from tenbin_local.load import arrivals, comparison, driving, records, shape, summary
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_local.load.client import Client
from tenbin_local.load.records import RequestRecord
from tenbin_planner.model import fleet

DOCUMENT = document()
CHAT = DOCUMENT.services["chat"]
SETTLE_S = 0.003
"""Real time for bytes to get through the loopback interface."""


async def answered(requests: list[PlannedRequest], profile: str) -> list[RequestRecord]:
    """Send requests over real sockets to one engine; return their records in the order of the requests."""
    loop = asyncio.get_running_loop()
    server = EngineServer(arguments.parse([CHAT.model, "--profile", profile, "--port", "0"]))
    url = await server.start()
    began = loop.time()
    async with Client(url, service="chat", model=CHAT.model, clock=lambda: loop.time() - began) as client:
        traffic = driving.Traffic(requests, client.send, lambda: loop.time() - began)
        await traffic.run(asyncio.Event())
    await server.stop()
    return sorted(traffic.records, key=lambda record: record.planned.number)


def test_one_replica_keeps_the_objectives_at_the_default_rate_as_the_model_says() -> None:
    profile = comparison.profile_of(DOCUMENT, "chat")
    assert profile is not None
    capacity_rps = comparison.replica_capacity(DOCUMENT, "chat", ["interactive"])
    assert capacity_rps is not None
    requests = arrivals.draw(
        shape.parse("8s@1"),
        rate=comparison.DEFAULT_LOAD * capacity_rps,
        workload=CHAT.workload,
        mix={"interactive": 1.0},
        longest=profile.limits.max_model_len,
        seed=4,
    )
    recorded = virtual_time.run(answered(requests, profile.name), settle_s=SETTLE_S)
    assert {record.status for record in recorded} == {records.OK}
    assert [record.tokens for record in recorded] == [request.output_tokens for request in requests]
    share = summary.tallies(recorded, CHAT.slo)["interactive"].attainment
    assert share is not None
    assert share >= 0.99
    predicted = fleet.simulate(arrivals.as_arrivals(requests), fleet.fixed(profile, 1))
    tpot = np.array([np.nan if record.tpot_ms is None else record.tpot_ms for record in recorded])
    ttft = np.array([record.ttft_ms for record in recorded])
    assert float(np.nanmedian(tpot)) == pytest.approx(float(np.nanmedian(predicted.tpot_ms)), rel=0.01)
    assert float(np.median(ttft)) == pytest.approx(float(np.median(predicted.ttft_ms)), abs=1)
