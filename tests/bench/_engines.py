"""Serves what the bench of observation reads: an API server's lists under one port, and an engine's page under many.

    python tests/bench/_engines.py SERVICES REPLICAS

Prints one line of JSON with the ports, the API's first, and serves until its standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import sys
from typing import TYPE_CHECKING

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from aiohttp import web
from support import observed
from tenbin_spec import contract

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

_NAMESPACED = f"namespaces/{observed.agreed(1, 1).namespace}"


async def main(services: int, replicas: int) -> None:
    """Serve."""
    page = observed.page().encode()

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=page, headers={"content-type": "text/plain; version=0.0.4"})

    runners = [await _serve("/metrics", metrics) for _ in range(services * replicas)]
    ports = [runner.addresses[0][1] for runner in runners]
    agreed = observed.agreed(services, replicas)
    answers = {
        f"/api/v1/{_NAMESPACED}/configmaps/{contract.DOCUMENT_CONFIG_MAP}": {
            "data": {contract.DOCUMENT_KEY: agreed.to_json()}
        },
        f"/api/v1/{_NAMESPACED}/pods": {"items": observed.pods(agreed, [("127.0.0.1", port) for port in ports])},
        f"/api/v1/{_NAMESPACED}/events": {"items": []},
        "/api/v1/nodes": {"items": observed.nodes(services * replicas)},
        f"/apis/apps/v1/{_NAMESPACED}/deployments": {"items": observed.deployments(agreed, replicas)},
    }
    bodies = {path: json.dumps(answer).encode() for path, answer in answers.items()}

    async def api(request: web.Request) -> web.Response:
        body = bodies.get(request.path)
        return web.Response(body=body or b"{}", status=200 if body else 404, content_type="application/json")

    server = await _serve("/{path:.*}", api)
    sys.stdout.write(json.dumps([server.addresses[0][1], *ports]) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for runner in (server, *runners):
        await runner.cleanup()


async def _serve(path: str, handler: Handler) -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.get(path, handler)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
