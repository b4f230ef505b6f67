"""The planner's HTTP side: a page for people under `/`, and `/plan`, `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING

from aiohttp import web

from tenbin_planner import listening
from tenbin_planner.controller import metrics as metrics_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenbin_planner.controller.metrics import Metrics
    from tenbin_planner.controller.recorder import ClusterRecorder


_ONLY_ITSELF = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
"""The page loads nothing from elsewhere."""


async def serve(
    host: str,
    port: int,
    *,
    recorder: ClusterRecorder,
    metrics: Metrics,
    is_alive: Callable[[], bool],
    is_ready: Callable[[], bool],
) -> web.AppRunner:
    """Listen on `host`:`port` and return what stops it with its `cleanup` coroutine.

    Raises:
        OSError: when the address cannot be bound.
    """
    status_page = importlib.resources.files(__package__).joinpath("status_page.html").read_text(encoding="utf-8")

    async def people(_request: web.Request) -> web.Response:
        headers = {"content-security-policy": _ONLY_ITSELF, "cache-control": "no-store"}
        return web.Response(text=status_page, content_type="text/html", headers=headers)

    async def plan(_request: web.Request) -> web.Response:
        if recorder.last_view is None:
            problem = recorder.last_failure or "no decision has been made yet"
            return web.json_response({"problem": problem}, status=503)
        return web.Response(text=recorder.last_view.model_dump_json(indent=2) + "\n", content_type="application/json")

    async def healthy(_request: web.Request) -> web.Response:
        return _say("ok" if is_alive() else "the loop stands still", is_good=is_alive())

    async def ready(_request: web.Request) -> web.Response:
        return _say("ok" if is_ready() else "another planner leads, or none yet", is_good=is_ready())

    async def page(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"content-type": metrics_module.CONTENT_TYPE})

    app = web.Application()
    app.add_routes(
        [
            web.get("/", people),
            web.get("/plan", plan),
            web.get("/healthz", healthy),
            web.get("/readyz", ready),
            web.get("/metrics", page),
        ]
    )
    return await listening.listen_http(app, host, port)


def _say(text: str, *, is_good: bool) -> web.Response:
    return web.Response(status=200 if is_good else 503, text=f"{text}\n")
