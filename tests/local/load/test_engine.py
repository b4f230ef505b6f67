"""The client against the real simulated engine: what it measures is what the engine model predicts."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator

import numpy as np
import pytest
from support.traffic import document
from tenbin_local.load import arrivals, comparison, driving, records, shape, summary
from tenbin_local.load.client import Client
from tenbin_planner.model import fleet

DOCUMENT = document()
CHAT = DOCUMENT.services["chat"]


@contextlib.asynccontextmanager
async def engine(profile: str) -> AsyncIterator[str]:
    """Run one engine as a process of its own; yields its URL."""
    command = [sys.executable, "-m", "tenbin_local.engine", CHAT.model, "--profile", profile, "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        found = None
        while found is None:
            line = await process.stdout.readline()
            assert line, "the engine ended before it listened"
            found = re.search(rb"listening on (http://\S+)", line)
        yield found[1].decode()
    finally:
        process.kill()
        await process.wait()


async def test_one_replica_keeps_the_objectives_at_the_default_rate_as_the_model_says() -> None:
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
    loop = asyncio.get_running_loop()
    async with engine(profile.name) as url:
        began = loop.time()
        async with Client(url, service="chat", model=CHAT.model, clock=lambda: loop.time() - began) as client:
            traffic = driving.Traffic(requests, client.send, lambda: loop.time() - began)
            await traffic.run(asyncio.Event())
    recorded = sorted(traffic.records, key=lambda record: record.planned.number)
    assert {record.status for record in recorded} == {records.OK}
    assert [record.tokens for record in recorded] == [request.output_tokens for request in requests]
    share = summary.tallies(recorded, CHAT.slo)["interactive"].attainment
    assert share is not None
    assert share >= 0.99
    predicted = fleet.simulate(arrivals.as_arrivals(requests), fleet.fixed(profile, 1))
    tpot = np.array([np.nan if record.tpot_ms is None else record.tpot_ms for record in recorded])
    ttft = np.array([record.ttft_ms for record in recorded])
    assert float(np.nanmedian(tpot)) == pytest.approx(float(np.nanmedian(predicted.tpot_ms)), rel=0.1)
    assert float(np.median(ttft)) == pytest.approx(float(np.median(predicted.ttft_ms)), abs=30)
