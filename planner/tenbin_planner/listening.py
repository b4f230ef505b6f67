"""How planner and picker listen: HTTP and gRPC on an address of the pod."""

from __future__ import annotations

import grpc.aio
from aiohttp import web


async def listen_http(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve an application on `host`:`port` and return what stops it with its `cleanup` coroutine.

    Raises:
        OSError: when the address cannot be bound.
    """
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


async def listen_grpc(server: grpc.aio.Server, host: str, port: int, *, whom: str) -> int:
    """Start a server on `host`:`port` and return the port, which 0 leaves to the system.

    Raises:
        OSError: when the address cannot be bound; says for `whom` it was.
    """
    try:
        bound: int = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {host}:{port} for {whom}: {error}") from error
    await server.start()
    return bound
