"""Actions that probes and lifecycle hooks share: httpGet, tcpSocket, exec, grpc, sleep."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp

from tenbin_local.agent import api, processes

BODY_LIMIT = 1024
_SERVING = b"\x08\x01"
"""grpc.health.v1.HealthCheckResponse with field 1 (status) = 1 (SERVING)."""


@dataclass(frozen=True)
class Outcome:
    """Whether an action succeeded, and what to tell where it did not."""

    succeeded: bool
    message: str = ""


Runner: TypeAlias = Callable[[Sequence[str], int], processes.Process]
"""Starts a command as the container would, its output going to a file descriptor; raises StartError."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The container that an action is for."""

    address: str
    ports: dict[str, int]
    run: Runner
    session: aiohttp.ClientSession

    def port(self, value: int | str) -> int:
        """Port by number or by name; raises ValueError where the container does not have that name."""
        if isinstance(value, int) or value.isdigit():
            return int(value)
        if value not in self.ports:
            raise ValueError(f"couldn't find port: {value!r}")
        return self.ports[value]


def named_ports(container: api.Json) -> dict[str, int]:
    """Ports of a container that have a name."""
    return {port["name"]: port["containerPort"] for port in container.get("ports") or [] if port.get("name")}


async def act(action: api.Json, target: Target, *, timeout_s: float) -> Outcome:
    """Do the one action of a probe or hook; never raises but on cancellation."""
    try:
        async with asyncio.timeout(timeout_s):
            if "httpGet" in action:
                return await _http_get(action["httpGet"], target)
            if "tcpSocket" in action:
                return await _tcp(action["tcpSocket"], target)
            if "exec" in action:
                return await _exec(action["exec"], target)
            if "grpc" in action:
                return await _grpc(action["grpc"], target, timeout_s)
            if "sleep" in action:
                await asyncio.sleep(action["sleep"]["seconds"])
            return Outcome(succeeded=True)
    except TimeoutError:
        return Outcome(succeeded=False, message=f"timeout: no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, OSError, ValueError, processes.StartError) as error:
        return Outcome(succeeded=False, message=str(error) or type(error).__name__)


async def _http_get(action: api.Json, target: Target) -> Outcome:
    scheme = (action.get("scheme") or "HTTP").lower()
    host = action.get("host") or target.address
    path = action.get("path") or "/"
    url = f"{scheme}://{host}:{target.port(action['port'])}{path if path.startswith('/') else '/' + path}"
    headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders") or []}
    async with target.session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer:
        body = (await answer.content.read(BODY_LIMIT)).decode(errors="replace")
        if 200 <= answer.status < 400:
            return Outcome(succeeded=True)
        detail = f": {body.strip()}" if body.strip() else ""
        return Outcome(succeeded=False, message=f"HTTP probe failed with statuscode: {answer.status}{detail}")


async def _tcp(action: api.Json, target: Target) -> Outcome:
    _, writer = await asyncio.open_connection(action.get("host") or target.address, target.port(action["port"]))
    writer.close()
    return Outcome(succeeded=True)


async def _exec(action: api.Json, target: Target) -> Outcome:
    with tempfile.TemporaryFile() as output:
        process = target.run(action["command"], output.fileno())
        try:
            code = await process.wait()
        finally:
            process.signal(signal.SIGKILL)
            await process.wait()
        output.seek(0)
        text = output.read(BODY_LIMIT).decode(errors="replace").strip()
    if code == 0:
        return Outcome(succeeded=True)
    return Outcome(succeeded=False, message=f"command {action['command'][0]!r} ended with {code}: {text}")


async def _grpc(action: api.Json, target: Target, timeout_s: float) -> Outcome:
    # Imported on first use: gRPC starts threads, and most agents never need it. Its handlers for fork would touch
    # those threads in each container's child before exec, so they stay off.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    import grpc.aio  # noqa: PLC0415

    service = (action.get("service") or "").encode()
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    async with grpc.aio.insecure_channel(f"{target.address}:{target.port(action['port'])}") as channel:
        check: Callable[..., object] = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await check(request, timeout=timeout_s)  # type: ignore[misc]
        except grpc.aio.AioRpcError as error:
            return Outcome(succeeded=False, message=f"service unhealthy: {error.code().name}: {error.details()}")
    if answer.startswith(_SERVING):
        return Outcome(succeeded=True)
    return Outcome(succeeded=False, message="service unhealthy: it answered, but not SERVING")
