"""Engines read from a real Prometheus: as scraped directly, and absent with the cause where it does not know them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import http.server
import json
import pathlib
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, cast

import aiohttp
import httpx
import pytest
from aiohttp import web
from support import addresses, engine_processes, planning
from support import prometheus as real
from support.waiting import PATIENCE_S, until, until_async
from tenbin_planner.controller import prometheus, scraper
from tenbin_planner.controller.adapters import DYNAMO_FRONTEND, NIM, SGLANG, TENSORRT_LLM, VLLM, Adapter
from tenbin_planner.controller.scraper import Scraped, Target
from tenbin_planner.decide.observation import Absent
from tenbin_spec.engine_metrics import EngineMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

PAGES = pathlib.Path(__file__).parent / "pages"
ODD = "vllm:num_requests_running NaN\nvllm:num_requests_waiting +Inf\n"
ENGINES: dict[str, tuple[str, Adapter]] = {
    "vllm-old": ((PAGES / "vllm-0.9.txt").read_text(), VLLM),
    "vllm-real": ((PAGES / "vllm-0.23.txt").read_text(), VLLM),
    "vllm-new": ((PAGES / "vllm-0.33.txt").read_text(), VLLM),
    "sglang": ((PAGES / "sglang-0.5.txt").read_text(), SGLANG),
    "tensorrt-llm-old": ((PAGES / "tensorrt-llm-1.2.txt").read_text(), TENSORRT_LLM),
    "tensorrt-llm": ((PAGES / "tensorrt-llm-1.3.txt").read_text(), TENSORRT_LLM),
    "nim-old": ((PAGES / "nim-1.txt").read_text(), NIM),
    "nim": ((PAGES / "nim-2.txt").read_text(), NIM),
    "dynamo": ((PAGES / "dynamo-frontend-1.6.txt").read_text(), DYNAMO_FRONTEND),
    "odd": (ODD, VLLM),
}
TWICE, UNNAMED, BROKEN, STRANGER = "sglang", "vllm-new", "broken", "stranger"
NAMESPACE = "tenbin"
LATE = Absent(why="Prometheus could not scrape it")
MINUTE = 20
"""Scrape interval that makes a span of a minute: long, for machines that come late to their scrapes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleet:
    """Engines, and the Prometheus that scrapes them."""

    url: str
    targets: list[Target]

    def target(self, pod: str) -> Target:
        [found] = [target for target in self.targets if target.pod == pod]
        return found


@contextlib.contextmanager
def serving(page: str, status: int = 200) -> Iterator[int]:
    """Serve a page at every path, from a thread of its own, and yield the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def job(name: str, port: int, path: str = "/metrics", **labels: str) -> dict[str, object]:
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    return {"job_name": name, "metrics_path": path, "static_configs": targets}


def answered(url: str, *, tokens: int) -> None:
    """Let an engine answer one request."""
    body = {"model": "m", "prompt": [1] * 40, "max_tokens": tokens, "ignore_eos": True}
    httpx.post(f"{url}/v1/completions", json=body, timeout=60).raise_for_status()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        found = {pod: stack.enter_context(serving(page)) for pod, (page, _) in ENGINES.items()}
        tables = {pod: adapter for pod, (_, adapter) in ENGINES.items()}
        simulated = stack.enter_context(engine_processes.running(planning.PROFILE, "--time-scale", "0.05"))
        for tokens in (1, 8, 30):
            answered(simulated, tokens=tokens)
        found["simulated"], tables["simulated"] = urllib.parse.urlsplit(simulated).port or 0, VLLM
        found[BROKEN], tables[BROKEN] = stack.enter_context(serving(ODD, status=500)), VLLM
        found[STRANGER], tables[STRANGER] = stack.enter_context(serving("other 1\n")), VLLM
        jobs = [
            job(pod, port, tables[pod].paths[0], **({} if pod == UNNAMED else {"pod": pod, "namespace": NAMESPACE}))
            for pod, port in found.items()
        ]
        jobs.append(job("again", found[TWICE], pod=TWICE, namespace=NAMESPACE))
        jobs.append(job("elsewhere", found["vllm-old"], pod="vllm-real", namespace="other"))
        url = stack.enter_context(real.scraping(tmp_path_factory.mktemp("prometheus"), jobs))
        until(lambda: len(real.ask(url, "up")) == len(jobs))
        yield Fleet(
            url=url,
            targets=[Target(pod=pod, host="127.0.0.1", port=port, adapter=tables[pod]) for pod, port in found.items()],
        )


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give both readers the time that a busy machine may need."""
    monkeypatch.setattr(prometheus, "TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(scraper, "TIMEOUT_S", PATIENCE_S)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as found:
        yield found


def metrics(url: str, **changes: object) -> EngineMetrics:
    plain = {"source": "prometheus", "url": url, "scrape_interval_s": MINUTE}
    return EngineMetrics.model_validate({**plain, **changes})


async def read(
    session: aiohttp.ClientSession, url: str, targets: list[Target], **changes: object
) -> Mapping[str, Scraped | Absent]:
    reader = prometheus.Prometheus(session)
    return await reader.read(targets, metrics(url, **changes), namespace=NAMESPACE, with_latencies=True)


async def in_time(session: aiohttp.ClientSession, fleet: Fleet, *pods: str) -> Mapping[str, Scraped | Absent]:
    """Read engines, and again where a busy machine came late to the last scrape of one."""
    targets = [fleet.target(pod) for pod in pods]

    async def found() -> Mapping[str, Scraped | Absent] | None:
        read_now = await read(session, fleet.url, targets)
        return None if LATE in read_now.values() else read_now

    return cast("Mapping[str, Scraped | Absent]", await until_async(found))


async def test_what_prometheus_has_of_an_engine_is_what_its_page_says(
    fleet: Fleet, session: aiohttp.ClientSession
) -> None:
    found = await in_time(session, fleet, *ENGINES, "simulated")
    directly = await scraper.Scraper(session).scrape(fleet.targets, with_latencies=True)
    for pod in (*ENGINES, "simulated"):
        assert isinstance(found[pod], Scraped), (pod, found[pod])
        assert repr(found[pod]) == repr(directly[pod]), pod
    simulated = found["simulated"]
    assert isinstance(simulated, Scraped)
    assert (simulated.counters.finished, simulated.counters.output_tokens) == (3.0, 39.0)


async def test_an_engine_that_answers_scrapes_with_an_error_is_absent(
    fleet: Fleet, session: aiohttp.ClientSession
) -> None:
    assert await read(session, fleet.url, [fleet.target(BROKEN)]) == {BROKEN: LATE}
    without = Absent(why="Prometheus scrapes it, and its page has no metric of an engine")
    assert await in_time(session, fleet, STRANGER) == {STRANGER: without}


async def test_a_pod_that_prometheus_has_not_heard_of_is_absent(fleet: Fleet, session: aiohttp.ClientSession) -> None:
    unheard = Target(pod="unheard", host="127.0.0.1", port=1, adapter=VLLM)
    found = await read(session, fleet.url, [unheard])
    assert found == {"unheard": Absent(why="Prometheus has no sample of the last 60 s")}
    assert await read(session, fleet.url, []) == {}


async def test_labels_leave_out_series_of_another_cluster(fleet: Fleet, session: aiohttp.ClientSession) -> None:
    found = await read(session, fleet.url, [fleet.target("vllm-old")], labels={"cluster": 'a"b\\c'})
    assert found["vllm-old"] == Absent(why="Prometheus has no sample of the last 60 s")
    found = await read(session, fleet.url, [fleet.target("vllm-old")], labels={"job": "vllm-old"})
    assert found["vllm-old"] == LATE or isinstance(found["vllm-old"], Scraped)


def sample(name: str, value: float, at: float, **labels: str) -> str:
    inside = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
    return f"{name}{{{inside}}} {value} {at:.3f}\n"


async def test_only_what_the_last_scrape_took_and_took_lately_counts(
    tmp_path: pathlib.Path, session: aiohttp.ClientSession
) -> None:
    now = time.time()
    running, waiting = "vllm:num_requests_running", "vllm:num_requests_waiting"
    made = (
        sample(running, 3, now - 60, pod="fresh")
        + sample(running, 4, now - 1800, pod="old")
        + sample(running, 5, now - 120, pod="failing", instance="a")
        + sample(running, 6, now - 120, pod="shrunk")
        + sample(running, 7, now - 60, pod="shrunk")
        + sample(running, 8, now - 120, pod="moved", instance="a")
        + sample(running, 9, now - 60, pod="moved", instance="b")
        + sample(waiting, 1, now - 120, pod="shrunk")
        + sample("up", 0, now - 60, pod="failing", instance="a")
        + sample("up", 0, now - 60, pod="moved", instance="a")
    )
    pods = ("fresh", "old", "failing", "shrunk", "moved")
    targets = [Target(pod=pod, host="10.0.0.1", port=8000, adapter=VLLM) for pod in pods]
    with real.holding(tmp_path / "prometheus", made) as url:
        found = await read(session, url, targets, scrape_interval_s=300)
    numbers = {
        pod: (item.reading.running, item.reading.waiting) for pod, item in found.items() if isinstance(item, Scraped)
    }
    assert numbers == {"fresh": (3.0, None), "shrunk": (7.0, None), "moved": (9.0, None)}
    assert {pod: item for pod, item in found.items() if isinstance(item, Absent)} == {
        "old": Absent(why="Prometheus has no sample of the last 900 s"),
        "failing": LATE,
    }


@contextlib.asynccontextmanager
async def impostor(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve something in place of Prometheus, and yield its address."""
    app = web.Application()
    app.add_routes([web.post("/api/v1/query", handler)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


HERE = [Target(pod="p", host="10.0.0.1", port=8000, adapter=VLLM), Target(pod="q", host="h", port=1, adapter=VLLM)]


def matrix(*series: dict[str, object], **more: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}


SERIES = {"metric": {"__name__": "vllm:num_requests_running", "pod": "p"}, "values": [[1.5, "3"], [2.5, "4"]]}
REFUSED = {"status": "error", "errorType": "execution", "error": "query processing would load too many samples"}


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (
            {"status": 422, "text": json.dumps(REFUSED)},
            "ValueError: status 422, execution: query processing would load too many samples",
        ),
        ({"status": 503, "text": "<html>no upstream</html>"}, "ValueError: status 503"),
        ({"status": 302, "headers": {"Location": "/login"}}, "ValueError: status 302"),
        ({"text": "<html>"}, "ValueError: no answer of Prometheus: Invalid JSON: expected value at line 1 column 1"),
        (
            {"text": json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})},
            "ValueError: no answer of Prometheus: data.resultType: Input should be 'matrix'",
        ),
        (
            {"text": json.dumps(matrix({"metric": {}, "values": [["soon", "1"]]}))},
            (
                "ValueError: no answer of Prometheus: data.result.0.values.0.0: Input should be a valid number,"
                " unable to parse string as a number"
            ),
        ),
        (
            {"body": gzip.compress(b"{}"), "headers": {"Content-Encoding": "gzip"}},
            "ValueError: compressed with gzip, which was not asked for",
        ),
    ],
)
async def test_what_is_no_answer_leaves_every_engine_absent_with_the_cause(
    response: dict[str, object], why: str, session: aiohttp.ClientSession
) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(**response)  # type: ignore[arg-type]

    async with impostor(answer) as url:
        found = await read(session, url, HERE)
    assert found == dict.fromkeys(("p", "q"), Absent(why=f"Prometheus at {url}: {why}"))


async def test_a_prometheus_that_hangs_is_given_up(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.2)

    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with impostor(hang) as url:
        found = await read(session, url, HERE)
    assert found["p"] == Absent(why=f"Prometheus at {url}: TimeoutError")


async def test_a_prometheus_that_is_not_there_is_told(session: aiohttp.ClientSession) -> None:
    with addresses.refusing() as (host, port):
        found = await read(session, f"http://{host}:{port}", HERE)
    assert isinstance(found["p"], Absent)
    assert found["p"].why.startswith(f"Prometheus at http://{host}:{port}: ClientConnectorError: Cannot connect")


async def test_an_endless_answer_is_cut_off(session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MOST_BYTES", 100_000)

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    async with impostor(flood) as url:
        found = await read(session, url, HERE)
    assert found["p"] == Absent(why=f"Prometheus at {url}: ValueError: more than 100000 bytes")


async def test_a_partial_answer_says_why_an_engine_is_missing(session: aiohttp.ClientSession) -> None:
    warnings = ["store gateway: context deadline exceeded", "second"]

    async def partial(_request: web.Request) -> web.StreamResponse:
        return web.json_response(matrix(SERIES, warnings=warnings, infos=["newer"]))

    async with impostor(partial) as url:
        found = await read(session, url, HERE)
    assert isinstance(found["p"], Scraped)
    assert found["p"].reading.running == 4.0
    why = "; its answer is partial: store gateway: context deadline exceeded; second"
    assert found["q"] == Absent(why=f"Prometheus has no sample of the last 60 s{why}")


async def test_one_query_asks_for_all_engines(session: aiohttp.ClientSession) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(str((await request.post())["query"]))
        return web.json_response(matrix(SERIES))

    targets = [Target(pod=f"p{index}", host="h", port=index, adapter=VLLM) for index in range(100)]
    targets.append(Target(pod="s", host="h", port=1, adapter=SGLANG))
    async with impostor(answer) as url:
        await prometheus.Prometheus(session).read(targets, metrics(url), namespace=NAMESPACE)
    [query] = asked
    assert "vllm:num_requests_running" in query
    assert "sglang:num_running_reqs" in query
    assert "_bucket" not in query
    assert len(query) < 2000
