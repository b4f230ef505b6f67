"""The picker's HTTP side: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from tenbin_planner import listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_planner.picker.metrics import Metrics


async def serve(host: str, port: int, *, is_ready: Callable[[], bool], metrics: Metrics) -> web.AppRunner:
    """Listen on `host`:`port` and return what stops it with its `cleanup` coroutine.

    Raises:
        OSError: when the address cannot be bound.
    """

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        if is_ready():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the first list of pods is not complete\n")

    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthy), web.get("/readyz", ready), web.get("/metrics", page)])
    return await listening.listen_http(app, host, port)
