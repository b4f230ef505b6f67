"""Reads engines from a Prometheus that scrapes them: one query a tick for all engines, by the tables of the adapters.

The query selects samples by name over a span of time, as a range vector: only so does an answer say when a sample was
taken. An instant vector carries the moment of the query instead, and reaches five minutes back without a word. What
comes back are the series of each engine as its page had them, so that they are read as a page is; only their types are
not told.

A sample counts that the last scrape of its engine took, and that is not older than `STALE_AFTER` scrapes. An engine
whose last scrape failed is absent although older samples lie in the span, and so is a series that its last page lacked.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Literal

import aiohttp
import pydantic

from tenbin_planner.controller import samples
from tenbin_planner.controller.samples import Samples
from tenbin_planner.controller.scraper import body, scraped
from tenbin_planner.decide.observation import Absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenbin_spec.engine_metrics import EngineMetrics

    from tenbin_planner.controller.samples import Sample
    from tenbin_planner.controller.scraper import Scraped, Target

TIMEOUT_S = 3.0
MOST_BYTES = 32 * 1024 * 1024
STALE_AFTER = 3
"""Scrape intervals after which a sample is too old: one scrape may fail or come late without an engine getting lost."""
_UP = "up"
_MOST_WORDS = 300
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


class _Series(pydantic.BaseModel):
    """Samples of one series, oldest first."""

    metric: dict[str, str]
    values: list[tuple[float, str]] = []


class _Matrix(pydantic.BaseModel):
    resultType: Literal["matrix"]  # noqa: N815 - as Prometheus writes it
    result: list[_Series]


class _Answer(pydantic.BaseModel):
    """What Prometheus answers to a query; keys that are not read here come with newer versions."""

    status: Literal["success"]
    data: _Matrix
    warnings: list[str] = []


class _Refusal(pydantic.BaseModel):
    errorType: str  # noqa: N815 - as Prometheus writes it
    error: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scrapes:
    """What Prometheus has of one of its targets."""

    taken_at: float
    """When it was scraped last, in seconds of Prometheus' clock."""
    by_name: dict[str, list[Sample]]
    """Samples of that scrape."""

    @property
    def failed(self) -> bool:
        """Whether that scrape got no page."""
        return any(value == 0 for _, value in self.by_name.get(_UP, ()))

    @property
    def is_engine(self) -> bool:
        """Whether the page had anything that was asked for."""
        return bool(set(self.by_name) - {_UP})


class Prometheus:
    """Reads engines through the HTTP API of Prometheus."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def read(
        self,
        targets: Iterable[Target],
        metrics: EngineMetrics,
        *,
        namespace: str,
        with_latencies: bool = False,
    ) -> Mapping[str, Scraped | Absent]:
        """Read all targets, with their histograms of times where these are wanted.

        Args:
            targets: engines; a series is of the pod that its label `pod` names, without one of the address in its
                label `instance`.
            metrics: which Prometheus, and how often it scrapes.
            namespace: of the pods; series of other namespaces are left out.
            with_latencies: whether histograms are wanted.

        Returns:
            By pod, what Prometheus has of it or why nothing is known.
        """
        listed = list(targets)
        if not listed:
            return {}
        names = set[str]().union(*(samples.names(item.adapter, with_latencies=with_latencies) for item in listed))
        span_s = STALE_AFTER * metrics.scrape_interval_s
        try:
            answer = await self._ask(f"{metrics.url}/api/v1/query", query(names, metrics.labels, namespace, span_s))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            told = f"Prometheus at {metrics.url}: {type(error).__name__}: {error}".rstrip(": ")
            return {target.pod: Absent(why=told) for target in listed}
        found = _by_pod(answer.data.result, listed)
        partial = f"; its answer is partial: {'; '.join(answer.warnings)[:_MOST_WORDS]}" if answer.warnings else ""
        missing = Absent(why=f"Prometheus has no sample of the last {span_s} s{partial}")
        return {
            target.pod: _reading(found.get(target.pod, ()), target, missing, with_latencies=with_latencies)
            for target in listed
        }

    async def _ask(self, url: str, text: str) -> _Answer:
        """Send a query.

        Raises:
            ClientError, OSError, TimeoutError: when there is no answer.
            ValueError: when it is an error, or none of Prometheus.
        """
        async with (
            asyncio.timeout(TIMEOUT_S),
            self._session.post(url, data={"query": text}, headers=_HEADERS, allow_redirects=False) as response,
        ):
            content = await body(response, most_bytes=MOST_BYTES)
        if response.status != 200:
            raise ValueError(f"status {response.status}{_refusal(content)}")
        try:
            return _Answer.model_validate_json(content)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"no answer of Prometheus: {where}: {first['msg']}".replace(": : ", ": ")) from None


def query(names: Iterable[str], labels: Mapping[str, str], namespace: str, span_s: int) -> str:
    """Return the PromQL that selects metrics by name, and the outcome of scrapes with them.

    Series without the label `namespace` are selected too: not every Prometheus writes it.

    >>> query({"vllm:num_requests_running"}, {"cluster": "a"}, "llm", 45)
    '{__name__=~"up|vllm:num_requests_running",namespace=~"|llm",cluster="a"}[45s]'
    """
    pattern = "|".join(sorted({_UP, *names}))
    matchers = [f'__name__=~"{pattern}"', f'namespace=~"|{namespace}"']
    matchers += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(labels.items())]
    return f"{{{','.join(matchers)}}}[{span_s}s]"


def _refusal(content: bytes) -> str:
    try:
        told = _Refusal.model_validate_json(content)
    except pydantic.ValidationError:
        return ""
    return f", {told.errorType}: {told.error}"[:_MOST_WORDS]


def _by_pod(result: Iterable[_Series], targets: Iterable[Target]) -> dict[str, list[_Scrapes]]:
    """Sort series by the pod that they are of, and within it by the target of Prometheus that they come from."""
    pods = {target.pod: target.pod for target in targets}
    addresses = {f"{target.host}:{target.port}": target.pod for target in targets}
    found: dict[str, dict[tuple[str, str], list[_Series]]] = {}
    for series in result:
        labels = series.metric
        pod = pods.get(labels["pod"]) if "pod" in labels else addresses.get(labels.get("instance", ""))
        if pod is not None and series.values:
            job = (labels.get("job", ""), labels.get("instance", ""))
            found.setdefault(pod, {}).setdefault(job, []).append(series)
    return {pod: [_scrapes(series) for _, series in sorted(jobs.items())] for pod, jobs in found.items()}


def _scrapes(series: list[_Series]) -> _Scrapes:
    """Return the samples of a target's last scrape: one scrape gives all of its samples the same time."""
    taken_at = max(item.values[-1][0] for item in series)
    by_name: dict[str, list[Sample]] = {}
    for item in series:
        at, text = item.values[-1]
        value = samples.number(text)
        if at == taken_at and value is not None:
            by_name.setdefault(item.metric.get("__name__", ""), []).append((item.metric, value))
    return _Scrapes(taken_at=taken_at, by_name=by_name)


def _reading(scrapes: Sequence[_Scrapes], target: Target, missing: Absent, *, with_latencies: bool) -> Scraped | Absent:
    """Read an engine that may be scraped as several targets: once, from the newest page that has it."""
    engines = [item for item in scrapes if item.is_engine]
    if engines:
        newest = max(engines, key=lambda item: item.taken_at)
        return scraped(Samples(by_name=newest.by_name), target.adapter, with_latencies=with_latencies)
    if any(item.failed for item in scrapes):
        return Absent(why="Prometheus could not scrape it")
    if scrapes:
        return Absent(why="Prometheus scrapes it, and its page has no metric of an engine")
    return missing
