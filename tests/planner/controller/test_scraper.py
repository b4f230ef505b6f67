"""Reading engines over HTTP: those that hang, lie or flood harm no other."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING

import aiohttp
import prometheus_client
import pytest
from aiohttp import web
from support import addresses
from tenbin_planner.controller import scraper
from tenbin_planner.controller.adapters import NIM, TENSORRT_LLM, VLLM
from tenbin_planner.decide.observation import Absent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def engine(handler: Handler, path: str = "/metrics") -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes([web.get(path, handler)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def good(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="vllm:num_requests_running 3\nvllm:generation_tokens_total 10\n")


async def scrape(*ports: int) -> list[scraper.Scraped | Absent]:
    targets = [
        scraper.Target(pod=f"p{index}", host="127.0.0.1", port=port, adapter=VLLM) for index, port in enumerate(ports)
    ]
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        found = await scraper.Scraper(session).scrape(targets)
    return [found[target.pod] for target in targets]


async def test_an_engine_says_what_it_does() -> None:
    async with engine(good) as port:
        [found] = await scrape(port)
    assert isinstance(found, scraper.Scraped)
    assert (found.reading.running, found.reading.waiting, found.counters.generated) == (3.0, None, 10.0)


async def test_a_hanging_engine_is_absent_and_the_others_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraper, "TIMEOUT_S", 3.0)

    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with engine(hang) as hanging, engine(good) as port:
        silent, talking = await scrape(hanging, port)
    assert silent == Absent(why="TimeoutError")
    assert isinstance(talking, scraper.Scraped)


async def test_a_flood_is_cut_off() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                await response.write(b"x" * 65536)
        return response

    async with engine(flood) as port:
        assert await scrape(port) == [Absent(why="ValueError: more than 2097152 bytes")]


async def test_a_page_of_prometheus_own_client_is_read_as_it_is() -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Gauge("vllm:num_requests_running", "Requests.", registry=registry).set(7)
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    try:
        [found] = await scrape(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert isinstance(found, scraper.Scraped)
    assert found.reading.running == 7.0


async def test_a_compressed_page_says_so() -> None:
    async def compressed(_request: web.Request) -> web.StreamResponse:
        page = gzip.compress(b"vllm:num_requests_running 3\n")
        return web.Response(body=page, headers={"Content-Encoding": "gzip"})

    async with engine(compressed) as port:
        [found] = await scrape(port)
    assert found == Absent(why="ValueError: compressed with gzip, which was not asked for")


async def test_an_error_status_is_no_page() -> None:
    async def broken(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="vllm:num_requests_running 3\n")

    async with engine(broken) as port:
        assert await scrape(port) == [Absent(why="ValueError: status 500 at /metrics")]


async def test_a_closed_port_is_absent() -> None:
    with addresses.refusing() as (_, port):
        [found] = await scrape(port)
    assert isinstance(found, Absent)
    assert found.why.startswith("ClientConnectorError: Cannot connect to host 127.0.0.1")


async def test_bytes_that_are_no_text_say_nothing() -> None:
    async def noise(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(range(256)) * 10)

    async with engine(noise) as port:
        [found] = await scrape(port)
    assert isinstance(found, scraper.Scraped)
    assert found.reading.running is None


@pytest.mark.parametrize("path", ["/v1/metrics", "/metrics"])
async def test_the_path_that_worked_last_is_tried_first(path: str) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        is_there = request.path == path
        return web.Response(text="num_requests_running 3\n") if is_there else web.Response(status=404)

    async with engine(answer, "/{path:.*}") as port, aiohttp.ClientSession() as session:
        target = scraper.Target(pod="p", host="127.0.0.1", port=port, adapter=NIM)
        reader = scraper.Scraper(session)
        for _ in range(3):
            found = await reader.scrape([target])
            assert isinstance(found["p"], scraper.Scraped)
            assert found["p"].reading.running == 3.0
        assert asked == [*NIM.paths[: NIM.paths.index(path)], path, path, path]
        await reader.scrape([])
        asked.clear()
        await reader.scrape([target])
        assert asked[0] == NIM.paths[0], "a pod that was gone is forgotten"


async def test_an_engine_without_a_page_at_any_path_says_where_it_was_sought() -> None:
    async def none(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    async with engine(none) as port, aiohttp.ClientSession() as session:
        target = scraper.Target(pod="p", host="127.0.0.1", port=port, adapter=NIM)
        found = await scraper.Scraper(session).scrape([target])
    assert found["p"] == Absent(why="ValueError: status 404 at /v1/metrics, status 404 at /metrics")


async def test_a_hanging_engine_is_not_asked_at_its_next_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraper, "TIMEOUT_S", 0.2)
    asked: list[str] = []

    async def hang(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        await asyncio.Event().wait()
        raise AssertionError

    async with engine(hang, "/{path:.*}") as port, aiohttp.ClientSession() as session:
        target = scraper.Target(pod="p", host="127.0.0.1", port=port, adapter=NIM)
        found = await scraper.Scraper(session).scrape([target])
    assert found["p"] == Absent(why="TimeoutError")
    assert asked == ["/v1/metrics"]


async def test_statistics_that_are_gone_once_read_are_left_alone() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(text="trtllm_num_requests_running 2\n")

    async with engine(answer, "/{path:.*}") as port, aiohttp.ClientSession() as session:
        target = scraper.Target(pod="p", host="127.0.0.1", port=port, adapter=TENSORRT_LLM)
        found = await scraper.Scraper(session).scrape([target])
    assert isinstance(found["p"], scraper.Scraped)
    assert asked == ["/prometheus/metrics"]
