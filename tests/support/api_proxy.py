"""A proxy before the real API server, which sees each call of a planner and decides what becomes of it.

So a test kills a planner at exactly one of its calls, cuts it off, delivers a write late, or shows it another clock,
and the planner runs as it is. TLS ends here, with the API server's own certificate; credentials are passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import email.utils
import enum
import ssl
import threading
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.planner_cluster import Api

_OF_ONE_CONNECTION = ("host", "connection", "transfer-encoding", "content-length")


class Moment(enum.Enum):
    """Of a call."""

    ASKED = "asked"
    """The API server knows nothing of it yet."""
    DONE = "done"
    """What it asks for has happened, and nobody has been told."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the planner."""

    method: str
    path: str
    status: int | None = None
    """What the API server answered; None before it did."""

    @property
    def is_count(self) -> bool:
        """Whether it writes a count."""
        return self.method == "PUT" and self.path.endswith("/scale")

    def __str__(self) -> str:
        """Say what is called: the names of pods are left out, since nobody knows them beforehand."""
        what = self.path.rpartition("/namespaces/")[2].partition("/")[2]
        return f"{self.method} {'pods' if what.startswith('pods/') else what}"


def pass_on(_call: Call, _moment: Moment) -> bool:
    """Let everything through."""
    return True


class ApiProxy:
    """The proxy; it runs in a thread of its own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.address: tuple[str, int] = ("", 0)
        self.calls: list[Call] = []
        """Those that the API server has answered, oldest first."""
        self.judge: Callable[[Call, Moment], bool] = pass_on
        """Asked at each moment of each call, in a thread, where it may wait: False ends the call there."""
        self.is_cut = False
        """While it is, no call arrives and no answer, and nobody is told."""
        self.clock_ahead_s = 0.0
        """By how much the API server's clock seems to be ahead, in seconds."""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(PATIENCE_S)

    def counts(self) -> list[str]:
        """Return the counts that were written, as `PUT <path>: <status>`."""
        return [f"{call}: {call.status}" for call in self.calls if call.is_count]

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        pair = self._api.pki.pair("kube-apiserver")
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(pair.certificate, pair.key)
        trusting = ssl.create_default_context(cafile=str(self._api.pki.authority.certificate))
        app = web.Application(client_max_size=16 * 2**20)
        app.add_routes([web.route("*", "/{path:.*}", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, self._api.own.address, 0, ssl_context=serving).start()
        connector = aiohttp.TCPConnector(ssl=trusting, limit=0)
        async with aiohttp.ClientSession(
            self._api.own.server, connector=connector, auto_decompress=False
        ) as self._session:
            self.address = (self._api.own.address, runner.addresses[0][1])
            self._started.set()
            await self._stopped.wait()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = Call(method=request.method, path=request.path)
        body = await request.read()
        await self._connected()
        if not await asyncio.to_thread(self.judge, call, Moment.ASKED):
            return _cut(request)
        async with self._session.request(
            request.method,
            request.rel_url,
            headers=_kept(request.headers),
            skip_auto_headers=("Accept-Encoding",),
            data=body,
            allow_redirects=False,
        ) as answer:
            call = dataclasses.replace(call, status=answer.status)
            response = web.StreamResponse(status=answer.status, headers=self._shifted(_kept(answer.headers)))
            if "watch" in request.query:
                return await self._pass_on(request, answer, response)
            content = await answer.read()
            self.calls.append(call)
            if not await asyncio.to_thread(self.judge, call, Moment.DONE):
                return _cut(request)
            await self._connected()
            with contextlib.suppress(ConnectionError):  # nobody waits for the answer any more
                await response.prepare(request)
                await response.write(content)
        return response

    async def _pass_on(
        self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> web.StreamResponse:
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await self._connected()
                await response.write(chunk)
        return response

    async def _connected(self) -> None:
        while self.is_cut:  # noqa: ASYNC110 - another thread says when
            await asyncio.sleep(0.02)

    def _shifted(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        if self.clock_ahead_s and "Date" in headers:
            shown = email.utils.parsedate_to_datetime(headers["Date"]).timestamp() + self.clock_ahead_s
            headers["Date"] = email.utils.formatdate(shown, usegmt=True)
        return headers


def _cut(request: web.Request) -> web.Response:
    """End a call without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _kept(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OF_ONE_CONNECTION)
