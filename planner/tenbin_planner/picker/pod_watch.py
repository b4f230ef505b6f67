"""Follows the engine pods of a namespace and publishes endpoints on every change.

The API server may be away for any time: what was published last stays in force, and a complete new list is taken when
it is back. Nothing is published before the first complete list.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from kubernetes.aio import client

from tenbin_planner.picker.endpoints import SELECTOR, PodTable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tenbin_planner.picker.endpoints import Endpoints

_log = structlog.get_logger(__name__)

_WATCH_S = 60
"""A watch is begun anew so often, which bounds how long a connection that died without a word is believed in."""
_GRACE_S = 10
_SHORTEST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class WatchExpiredError(Exception):
    """The API server ended a watch with an error; pods must be listed anew."""


async def follow(
    api: client.ApiClient, namespace: str, publish: Callable[[Endpoints], None], failed: Callable[[], None]
) -> None:
    """Follow the pods until cancelled; calls `failed` whenever it has to start over after an error."""
    core = client.CoreV1Api(api)
    pause_s = _SHORTEST_PAUSE_S
    while True:
        try:
            async for table in _states(core, namespace):
                publish(table.endpoints())
                pause_s = _SHORTEST_PAUSE_S
        except (
            client.ApiException,
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            ValueError,
            KeyError,
            WatchExpiredError,
        ) as error:
            failed()
            _log.warning("pods unknown, last endpoints stay", why=f"{type(error).__name__}: {error}", retry_s=pause_s)
            # Pickers that lost the API server together must not come back together.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _states(core: client.CoreV1Api, namespace: str) -> AsyncIterator[PodTable]:
    """Yield the table of pods after the first complete list and after each change, without end."""
    table = PodTable()
    body = await _call(core, namespace)
    pods = json.loads(await body.text())
    table.replace(pods["items"])
    version = pods["metadata"]["resourceVersion"]
    yield table
    while True:
        response = await _call(core, namespace, watch_from=version)
        try:
            async for line in _lines(response.content):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise WatchExpiredError(event["object"].get("message", "unknown"))
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    table.apply(event["type"], event["object"])
                    yield table
        finally:
            _abandon(response)


def _abandon(response: aiohttp.ClientResponse) -> None:
    """End a watch without TLS's exchange of goodbyes: nobody waits for it, so it could outlive its event loop."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length; the reader's own iteration refuses those above 128 KiB."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


async def _call(core: client.CoreV1Api, namespace: str, *, watch_from: str | None = None) -> aiohttp.ClientResponse:
    """List pods, or watch them from a version on, as raw JSON: models of the client would cost more than they give."""
    watch: dict[str, Any] = {}
    if watch_from is not None:
        watch = {
            "watch": True,
            "resource_version": watch_from,
            "allow_watch_bookmarks": True,
            "timeout_seconds": _WATCH_S,
        }
    timeout_s = _WATCH_S + _GRACE_S if watch_from is not None else _GRACE_S
    response: aiohttp.ClientResponse = await core.list_namespaced_pod_without_preload_content(
        namespace, label_selector=SELECTOR, _request_timeout=timeout_s, **watch
    )
    if response.status != 200:
        raise client.ApiException(status=response.status, reason=(await response.text())[:500])
    return response
