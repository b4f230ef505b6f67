"""Recorded runs to sum up, and a small streaming gateway with a small API server beside it, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web
from tenbin_local.load import fleet, observing, records, report, shape
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_spec import contract
from tenbin_spec.document import Document, document_of

from support.stacks import stack

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

SLO = {
    "window": "30d",
    "default_class": "interactive",
    "classes": {
        "interactive": {"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60},
        "batch": {"target": "0.95", "e2e_ms": 60000},
    },
}

UNHURRIED_SLO = {
    **SLO,
    "classes": {
        "interactive": {"target": "0.99", "ttft_ms": 60_000, "tpot_ms": 10_000},
        "batch": {"target": "0.95", "e2e_ms": 600_000},
    },
}
"""Thresholds that an answer keeps on any machine."""

PLAN: dict[str, Any] = {
    "version": 1,
    "stack": "local",
    "at": "2026-11-24T12:00:00Z",
    "leader": True,
    "dry_run": False,
    "document_revision": "0",
    "document_problem": None,
    "findings": [],
    "services": [
        {
            "name": "chat",
            "requests_per_second": 3.0,
            "forecast_requests_per_second": 4.0,
            "in_flight": 1,
            "waiting": 0,
            "replica_requests_per_second": 5.0,
            "needed": 1,
            "planned": 1,
            "classes": {},
            "reasons": [{"code": "steady", "detail": "one replica does"}],
            "input_tokens": 100.0,
            "output_tokens": 11.0,
            "lead_s": {"chat-serve-l4-spot": 90.0},
            "forecast": [{"ahead_s": 0.0, "p50": 3.0, "p90": 4.0, "p99": 5.0}],
            "considered": None,
        }
    ],
    "workloads": [
        {
            "name": "chat-serve-l4-spot",
            "service": "chat",
            "role": "serve",
            "pool": "l4-spot",
            "hourly_usd": "0.36",
            "wanted": 1,
            "ready": 1,
            "starting": 0,
            "draining": 0,
            "reason": {"code": "steady", "detail": ""},
        }
    ],
    "hourly_usd": "0.36",
    "hourly_cap_usd": "4.00",
    "month_usd": "12.50",
    "monthly_cap_usd": None,
    "notes": [],
    "ignored": [],
}
"""A plan as the planner serves it."""


def document(slo: Mapping[str, Any] = SLO) -> Document:
    """Return the wire document of a stack with two classes and two pools, l4-spot at 0.36 and l4 at 0.8048 USD."""
    return document_of(stack(services__chat__slo=slo), "local")


def planned(number: int = 0, *, arrival_s: float = 0.0, request_class: str = "interactive") -> PlannedRequest:
    """Return a request of 100 tokens for an answer of 11."""
    return PlannedRequest(
        number=number, arrival_s=arrival_s, request_class=request_class, input_tokens=100, output_tokens=11
    )


def answered(
    number: int = 0,
    *,
    arrival_s: float = 0.0,
    request_class: str = "interactive",
    ttft_ms: float = 100.0,
    status: str = records.OK,
) -> records.RequestRecord:
    """Return a request whose 11 tokens came 30 ms apart, or one that failed."""
    request = planned(number, arrival_s=arrival_s, request_class=request_class)
    if status != records.OK:
        return records.RequestRecord(planned=request, status=status, ended_s=arrival_s, detail=f"why {status}")
    return records.RequestRecord(
        planned=request,
        status=status,
        ended_s=arrival_s + (ttft_ms + 300) / 1000,
        ttft_ms=ttft_ms,
        tpot_ms=30.0,
        e2e_ms=ttft_ms + 300,
        tokens=11,
    )


def replicas(at_s: float, **pools: int) -> fleet.FleetSample:
    """Return a sample with ready replicas by pool, `l4_spot=2`."""
    return fleet.FleetSample(
        at_s=at_s, pools={pool.replace("_", "-"): fleet.PoolCount(ready=count) for pool, count in pools.items()}
    )


def run(
    recorded: Sequence[records.RequestRecord], samples: Sequence[fleet.FleetSample], *, duration_s: float = 100.0
) -> report.Run:
    """Return a run of 100 s at 2 requests per second."""
    decision = observing.Decision(at_s=3.0, wanted={"l4-spot": 2}, reason="forecast", detail="4.1/s in 25 s")
    return report.Run(
        document=document(),
        service="chat",
        shape=shape.parse("100s@1"),
        rate=2.0,
        capacity_rps=1.5,
        seed=0,
        started=datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC),
        duration_s=duration_s,
        interrupted=False,
        records=recorded,
        samples=samples,
        decisions=[decision],
        problems=[],
    )


@dataclasses.dataclass
class StreamingServer:
    """An OpenAI server that streams an answer as it is told, and remembers what it was asked."""

    gap_s: float = 0.002
    """Between two tokens."""
    first_s: float = 0.0
    """Until the first token."""
    fault: str = ""
    """`status`, `cut`, `error`, `short` or `unfinished`: what goes wrong in each answer."""
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Lets seconds pass."""
    written: int = 0
    """Bytes of all answers so far."""
    asked: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    headers: list[dict[str, str]] = dataclasses.field(default_factory=list)
    url: str = ""
    enough: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set once 20 requests have come."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream an answer of `max_tokens` tokens."""
        body = await request.json()
        self.asked.append(body)
        if len(self.asked) >= 20:
            self.enough.set()
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        if self.fault == "status":
            error = {"error": {"message": "No replica of this service is ready.", "code": 503}}
            return web.json_response(error, status=503)
        stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await stream.prepare(request)
        await self.pause(self.first_s)
        await self._write(stream, _event({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))
        for token in range(body["max_tokens"] - (3 if self.fault == "short" else 0)):
            if self.fault == "cut" and token == 2:
                assert request.transport is not None
                request.transport.abort()
                return stream
            await self._write(stream, _event({"choices": [{"delta": {"content": f" {token}"}}]}))
            await self.pause(self.gap_s)
        await self._end(stream, body)
        return stream

    async def _write(self, stream: web.StreamResponse, content: bytes) -> None:
        self.written += len(content)
        await stream.write(content)

    async def _end(self, stream: web.StreamResponse, body: dict[str, Any]) -> None:
        if self.fault == "unfinished":
            return
        if self.fault == "error":
            await self._write(stream, _event({"error": {"message": "the engine died", "code": 500}}))
        tokens = body["max_tokens"] - (3 if self.fault == "short" else 0)
        usage = {"prompt_tokens": 1, "completion_tokens": tokens}
        await self._write(stream, _event({"choices": [], "usage": usage}))
        await self._write(stream, b"data: [DONE]\n\n")


@contextlib.asynccontextmanager
async def streaming_server(**settings: Any) -> AsyncIterator[StreamingServer]:
    """Run a streaming server on a free port."""
    server = StreamingServer(**settings)
    async with served([web.post("/v1/chat/completions", server.answer)]) as url:
        server.url = url
        yield server


@contextlib.asynccontextmanager
async def served(routes: Sequence[web.RouteDef]) -> AsyncIterator[str]:
    """Serve routes on a free port of the loopback interface; yields the URL."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def api_server(pods: list[dict[str, Any]], folder: pathlib.Path) -> AsyncIterator[pathlib.Path]:
    """Serve a wire document and pods as an API server does; yields a kubeconfig.

    Args:
        pods: served as they are at the moment of each call.
        folder: gets the kubeconfig.
    """

    async def config_maps(_: web.Request) -> web.Response:
        return web.json_response({"items": [{"data": {contract.DOCUMENT_KEY: document(UNHURRIED_SLO).to_json()}}]})

    async def listed(request: web.Request) -> web.Response:
        assert request.query["labelSelector"] == "app.kubernetes.io/name=tenbin-engine,tenbin.dev/service=chat"
        return web.json_response({"items": pods})

    async def no_service(request: web.Request) -> web.Response:
        return web.json_response({"message": f"{request.path} not found"}, status=404)

    routes = [
        web.get("/api/v1/configmaps", config_maps),
        web.get("/api/v1/namespaces/tenbin/pods", listed),
        web.get("/api/v1/namespaces/tenbin/services/{name}", no_service),
    ]
    async with served(routes) as url:
        path = folder / "kubeconfig"
        path.write_text(json.dumps(_kubeconfig(url)))
        yield path


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
    }


def pod(pool: str, *, ready: bool = True, draining: bool = False, phase: str = "Running") -> dict[str, Any]:
    """Return an engine's pod."""
    annotations = {contract.ANNOTATION_DRAINING: "true"} if draining else {}
    return {
        "metadata": {"labels": {contract.LABEL_POOL: pool}, "annotations": annotations},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"
