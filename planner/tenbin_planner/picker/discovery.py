"""Serves endpoints to any number of gateways over gRPC (Envoy's aggregated discovery service)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc.aio
import structlog
from envoy.service.discovery.v3 import ads_pb2_grpc

from tenbin_planner import listening
from tenbin_planner.picker.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from envoy.service.discovery.v3 import discovery_pb2

    from tenbin_planner.picker.endpoints import Endpoints
    from tenbin_planner.picker.metrics import Metrics

_log = structlog.get_logger(__name__)


class DiscoveryServer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Tells every connected gateway the endpoints of its services, and again on each change.

    Before the first `publish` nobody is told anything, so that a picker that has just started never takes away the
    endpoints that a gateway knows.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._endpoints: Endpoints | None = None
        self._wakes: set[asyncio.Event] = set()
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen on `host`:`port` and return the port, which 0 leaves to the system.

        Raises:
            OSError: when the address cannot be bound.
        """
        # A gateway that vanished without a word is noticed within half a minute.
        keepalive = [("grpc.keepalive_time_ms", 20_000), ("grpc.keepalive_timeout_ms", 10_000)]
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *keepalive])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, server)
        bound = await listening.listen_grpc(server, host, port, whom="gateways")
        self._server = server
        return bound

    async def stop(self) -> None:
        """Stop listening. Streams of gateways are ended at once; they keep what they know and ask another picker."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    @property
    def is_ready(self) -> bool:
        """Whether there is something to serve."""
        return self._endpoints is not None

    def publish(self, endpoints: Endpoints) -> None:
        """Set the endpoints of all services and tell every gateway that is concerned."""
        if endpoints == self._endpoints:
            return
        self._endpoints = endpoints
        counts = {service: len(members) for service, members in endpoints.items()}
        self._metrics.set_endpoints(counts)
        _log.info("endpoints", services=counts)
        for wake in self._wakes:
            wake.set()

    async def StreamAggregatedResources(  # noqa: N802 - the method's name in Envoy's protocol
        self,
        request_iterator: AsyncIterator[discovery_pb2.DiscoveryRequest],
        context: grpc.aio.ServicerContext[discovery_pb2.DiscoveryRequest, discovery_pb2.DiscoveryResponse],
    ) -> None:
        """Serve one gateway until it or we go."""
        subscription, wake = Subscription(), asyncio.Event()
        self._wakes.add(wake)
        self._metrics.gateways.set(len(self._wakes))
        reader = asyncio.create_task(self._read(request_iterator, subscription, wake))
        try:
            while not reader.done():
                await wake.wait()
                wake.clear()
                response = subscription.respond(self._endpoints) if self._endpoints is not None else None
                if response is not None:
                    await context.write(response)
                    self._metrics.responses.inc()
        finally:
            self._wakes.discard(wake)
            self._metrics.gateways.set(len(self._wakes))
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(
        self, requests: AsyncIterator[discovery_pb2.DiscoveryRequest], subscription: Subscription, wake: asyncio.Event
    ) -> None:
        try:
            async for request in requests:
                subscription.receive(request)
                if subscription.refusal:
                    self._metrics.refusals.inc()
                    _log.error("endpoints refused", gateway=subscription.node, why=subscription.refusal)
                wake.set()
        finally:
            wake.set()
