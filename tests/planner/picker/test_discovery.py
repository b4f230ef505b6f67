"""The endpoint server over gRPC, as gateways see it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from support.waiting import PATIENCE_S, until_async
from tenbin_planner.picker.discovery import DiscoveryServer
from tenbin_planner.picker.endpoints import Endpoint
from tenbin_planner.picker.metrics import Metrics
from tenbin_planner.picker.subscription import ENDPOINT_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ONE = {"chat": (Endpoint("10.0.0.1", 8000),)}
TWO = {"chat": (Endpoint("10.0.0.1", 8000), Endpoint("10.0.0.2", 8000))}


def question(**fields: str) -> discovery_pb2.DiscoveryRequest:
    return discovery_pb2.DiscoveryRequest(type_url=ENDPOINT_TYPE, resource_names=["chat"], **fields)


@contextlib.asynccontextmanager
async def stream(port: int) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
        await call.write(question())
        yield call
        call.cancel()


async def test_gateways_wait_for_the_first_list_and_each_hears_of_changes() -> None:
    metrics = Metrics()
    server = DiscoveryServer(metrics)
    port = await server.start("127.0.0.1", 0)
    try:
        async with stream(port) as first, stream(port) as second:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(reading := asyncio.ensure_future(first.read())), 0.3)
            assert not server.is_ready
            server.publish(ONE)
            assert server.is_ready
            heard = [await reading, await second.read()]
            assert len({response.version_info for response in heard}) == 1
            server.publish(ONE)
            server.publish(TWO)
            await first.write(question(response_nonce=heard[0].nonce))
            changed = await asyncio.wait_for(first.read(), PATIENCE_S)
            assert changed.version_info != heard[0].version_info
            refusal = question(response_nonce=changed.nonce)
            refusal.error_detail.message = "malformed"
            await first.write(refusal)
            await until_async(lambda: "tenbin_picker_refusals_total 1.0\n" in metrics.page().decode())
            page = metrics.page().decode()
            assert 'tenbin_picker_endpoints{service="chat"} 2.0\n' in page
            assert "tenbin_picker_gateways 2.0\n" in page
        await until_async(lambda: "tenbin_picker_gateways 0.0\n" in metrics.page().decode())
    finally:
        await server.stop()


async def test_an_address_in_use_is_said() -> None:
    first, second = DiscoveryServer(Metrics()), DiscoveryServer(Metrics())
    port = await first.start("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match=rf"^cannot listen on 127\.0\.0\.1:{port} for gateways: "):
            await second.start("127.0.0.1", port)
    finally:
        await first.stop()
