"""Reads many engines at once, each within a time and a size limit: one that hangs or talks nonsense harms no other."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import aiohttp

from tenbin_planner.controller import metrics_page, samples
from tenbin_planner.decide.observation import Absent, EngineReading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_planner.controller.adapters import Adapter
    from tenbin_planner.controller.histograms import Histogram
    from tenbin_planner.controller.samples import Samples

TIMEOUT_S = 1.5
MOST_BYTES = 2 * 1024 * 1024
AT_ONCE = 32
_HEADERS = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
"""Prometheus' Python client, which vLLM serves its page with, compresses for anybody who does not forbid it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """An engine to read."""

    pod: str
    host: str
    port: int
    adapter: Adapter


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counters:
    """What an engine has counted since it started; None where it does not say."""

    input_tokens: float | None
    output_tokens: float | None
    finished: float | None
    generated: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scraped:
    """What an engine said."""

    reading: EngineReading
    counters: Counters
    latencies: Mapping[str, Histogram | None] = dataclasses.field(default_factory=dict)
    """Histograms of times by their name in the table; empty unless they were asked for."""


class Scraper:
    """Reads engines over HTTP."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._worked: dict[str, str] = {}
        """Path at which each engine last had a page, by pod."""

    async def scrape(
        self, targets: Iterable[Target], *, with_latencies: bool = False
    ) -> Mapping[str, Scraped | Absent]:
        """Read all targets, with their histograms of times where these are wanted.

        Returns:
            By pod, what it said or why nothing is known.
        """
        listed = list(targets)
        results = await asyncio.gather(*(self._scrape_one(target, with_latencies) for target in listed))
        pods = {target.pod for target in listed}
        self._worked = {pod: path for pod, path in self._worked.items() if pod in pods}
        return {target.pod: result for target, result in zip(listed, results, strict=True)}

    async def _scrape_one(self, target: Target, with_latencies: bool) -> Scraped | Absent:
        try:
            async with self._limit, asyncio.timeout(TIMEOUT_S):
                page = await self._first_page(target)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Absent(why=f"{type(error).__name__}: {error}".rstrip(": "))
        names = samples.names(target.adapter, with_latencies=with_latencies)
        return scraped(metrics_page.parse(page, names), target.adapter, with_latencies=with_latencies)

    async def _first_page(self, target: Target) -> str:
        """Return the page at the first path that has one; all paths together have the time of one engine."""
        problems = []
        for path in sorted(target.adapter.paths, key=lambda path: path != self._worked.get(target.pod)):
            url = f"http://{target.host}:{target.port}{path}"
            async with self._session.get(url, headers=_HEADERS, allow_redirects=False) as response:
                if response.status == 200:
                    content = await body(response, most_bytes=MOST_BYTES)
                    self._worked[target.pod] = path
                    return content.decode("utf-8", "replace")
                problems.append(f"status {response.status} at {path}")
        raise ValueError(", ".join(problems))


def scraped(found: Samples, adapter: Adapter, *, with_latencies: bool) -> Scraped:
    """Return what an engine's samples come to."""
    values = samples.quantities(found, adapter)
    return Scraped(
        reading=EngineReading(running=values["running"], waiting=values["waiting"], kv_usage=values["kv_usage"]),
        counters=Counters(
            input_tokens=values["input_tokens"],
            output_tokens=values["output_tokens"],
            finished=values["finished"],
            generated=values["generated"],
        ),
        latencies=samples.latencies(found, adapter) if with_latencies else {},
    )


async def body(response: aiohttp.ClientResponse, *, most_bytes: int) -> bytes:
    """Read an answer that was asked for without compression.

    Raises:
        ValueError: when it is compressed all the same, or too long.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise ValueError(f"compressed with {encoding}, which was not asked for")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most_bytes:
            raise ValueError(f"more than {most_bytes} bytes")
    return bytes(content)
