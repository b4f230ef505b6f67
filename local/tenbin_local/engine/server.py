"""The HTTP server: routes of vLLM's API server, and its behaviour on SIGTERM.

With `--shutdown-timeout 0` the signal aborts what is in flight and the port closes at once. With a timeout the engine
drains: `/health` and `/metrics` still answer 200, new requests get 500, and the process ends when nothing is in flight
or when the time is over. The port opens only when the model is loaded, so a refused connection means "still starting".

The response headers of a stream are sent before the first token, as vLLM does: only the first byte of the body tells
the time to first token.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
import time
import uuid
from typing import TYPE_CHECKING

from aiohttp import web
from tenbin_planner.model import stepwise

from tenbin_local.engine import answers, protocol
from tenbin_local.engine.driver import Aborted, Driver, Stream
from tenbin_local.engine.metrics import EngineMetrics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenbin_local.engine.arguments import Options
    from tenbin_local.engine.protocol import Ask

LARGEST_BODY = 64 * 1024 * 1024
CUT_S = 0.2
"""How long handlers are given to notice that their streams were aborted."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class State(enum.Enum):
    """What the server does with requests."""

    SERVING = enum.auto()
    DRAINING = enum.auto()
    """New requests get 500, those in flight go on."""
    STOPPING = enum.auto()
    """All requests are aborted."""


class EngineServer:
    """One simulated engine on one port. Build it inside a running event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._state = State.SERVING
        self._replica = stepwise.Replica(options.profile, max_queued=options.max_queued)
        self._metrics = EngineMetrics(
            options.served_names[0], self._replica, time_scale=options.time_scale, buckets=options.buckets
        )
        self._driver = Driver(self._replica, self._metrics, time_scale=options.time_scale)
        self._rng = random.Random(options.seed)  # noqa: S311 - lengths of simulated answers, no secrets
        self._created = int(time.time())
        self._runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=CUT_S
        )

    async def start(self) -> str:
        """Open the port, once the engine model is loaded, and return the server's URL.

        Raises:
            OSError: when the address cannot be bound.
        """
        await asyncio.to_thread(stepwise.warm_up, self._options.profile)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.port, backlog=1024)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Do what SIGTERM asks for: drain if there is time for it, then abort what is left and close."""
        if self._options.shutdown_timeout_s:
            self._state = State.DRAINING
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._driver.idle(), self._options.shutdown_timeout_s)
        self._state = State.STOPPING
        self._driver.abort_all()
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.add_routes(
            [
                web.post("/v1/chat/completions", self._answering(chat=True)),
                web.post("/v1/completions", self._answering(chat=False)),
                web.get("/v1/models", self._models),
                web.get("/health", self._health),
                web.get("/ping", self._health),
                web.post("/ping", self._health),
                web.get("/version", self._version),
                web.get("/metrics", self._page),
            ]
        )
        return application

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(status=503 if self._state is State.STOPPING else 200)

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": self._options.profile.engine_version})

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), headers={"Content-Type": METRICS_TYPE})

    async def _models(self, _request: web.Request) -> web.Response:
        models = [
            {
                "id": name,
                "object": "model",
                "created": self._created,
                "owned_by": "vllm",
                "root": self._options.model,
                "parent": None,
                "max_model_len": self._options.profile.limits.max_model_len,
            }
            for name in self._options.served_names
        ]
        return web.json_response({"object": "list", "data": models})

    def _answering(self, *, chat: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answer(request, chat=chat)
            except protocol.ApiError as error:
                return web.json_response(error.body, status=error.status)

        return answer

    async def _answer(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        if self._state is not State.SERVING:
            raise protocol.ApiError(500, "InternalServerError", "EngineCore is shutting down.")
        ask = protocol.parse(
            await request.read(),
            chat=chat,
            served_names=self._options.served_names,
            max_model_len=self._options.profile.limits.max_model_len,
            rng=self._rng,
        )
        submitted = self._driver.submit(ask)
        if submitted is None:
            raise protocol.ApiError(503, "ServiceUnavailableError", "The engine's queue is full. Try again later.")
        number, stream = submitted
        request_id = f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}"
        try:
            if ask.stream:
                return await self._streamed(request, ask, stream, request_id)
            return await self._whole(ask, stream, request_id)
        finally:
            self._driver.abort(number)

    async def _whole(self, ask: Ask, stream: Stream, request_id: str) -> web.Response:
        taken = 0
        try:
            while taken < ask.output_tokens:
                taken += len(await stream.take())
        except Aborted:
            raise protocol.ApiError(500, "InternalServerError", "EngineCore is shutting down.") from None
        return web.json_response(answers.whole(ask, request_id, int(time.time())))

    async def _streamed(self, request: web.Request, ask: Ask, stream: Stream, request_id: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        chunks = answers.Chunks(ask, request_id, int(time.time()))
        taken = 0
        try:
            while taken < ask.output_tokens:
                positions = await stream.take()
                taken += len(positions)
                await response.write(b"".join(chunks.token(position) for position in positions))
        except Aborted:
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response
