"""A live OpenAI-compatible server: what it says of itself, and timed answers. All HTTP of the measurement is here.

MeasureError                  the server cannot be measured; the message says what it did and what to do
└── BudgetSpentError          the allowed number of requests or seconds is used up
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import time
from typing import Any, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tenbin_spec.problems import TenbinError

from tenbin_planner.profiling.measure_answers import Answer

TOKEN_IDS = (1000, 30_000)
"""Ids that prompts are drawn from: inside the vocabulary of every common model and past its special tokens."""
SHORT_S = 10.0
"""Longest time of a request for a page."""
SILENCE_S = 120.0
"""Longest time without a byte while an answer is awaited."""
PINGS = 9


class MeasureError(TenbinError):
    """The server cannot be measured."""


class BudgetSpentError(MeasureError):
    """The allowed number of requests or seconds is used up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What a server says of itself; None where it does not say."""

    model: str
    max_model_len: int | None
    engine_version: str | None
    block_size: int | None
    kv_blocks: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Occupancy:
    """Requests inside the server."""

    running: int
    waiting: int

    @property
    def idle(self) -> bool:
        """Whether there are none."""
        return self.running == self.waiting == 0


class Stream:
    """An answer on its way."""

    def __init__(self, prompt_tokens: int, answer: Answer) -> None:
        self.prompt_tokens = prompt_tokens
        self.answer = answer
        self.sent = 0.0
        """When the request was sent, in seconds of `time.perf_counter`."""
        self.task: asyncio.Task[None] | None = None

    @property
    def tokens(self) -> int:
        """Tokens that came so far."""
        return len(self.answer.times)

    @property
    def ttft_ms(self) -> float:
        """Time from sending to the first token."""
        return (self.answer.times[0] - self.sent) * 1000

    def gaps_ms(self) -> list[float]:
        """Return the times between its tokens."""
        return [(later - earlier) * 1000 for earlier, later in itertools.pairwise(self.answer.times)]

    async def wait(self) -> Self:
        """Wait for the end of the answer.

        Raises:
            MeasureError: when the server refuses the request or breaks off.
        """
        if self.task is not None:
            await self.task
        return self

    async def stop(self) -> None:
        """Break off; the server sees its client go."""
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError, MeasureError):
                await self.task


class Server:
    """A connection pool to one server; `async with` opens and closes it."""

    def __init__(self, url: str, *, max_requests: int, seed: int | None, api_key: str | None = None) -> None:
        """Prepare.

        Args:
            url: scheme, address and port, with or without `/v1`.
            max_requests: answers that may be asked for.
            seed: of the prompts; None draws one, so that a second run finds nothing of the first in a prefix cache.
            api_key: bearer token, when the server wants one.
        """
        self.url = url.rstrip("/").removesuffix("/v1")
        self.requests = 0
        """Answers asked for so far."""
        self._max_requests = max_requests
        self._rng = random.Random(seed)  # noqa: S311 - prompts, not secrets
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._session: aiohttp.ClientSession | None = None
        self._model = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=SHORT_S, sock_read=SILENCE_S),
            headers=self._headers,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def identify(self, model: str | None) -> Identity:
        """Read the model, its longest length, the version and the KV cache.

        Raises:
            MeasureError: when nothing answers, or the wanted model is not served.
        """
        known = {entry["id"]: entry for entry in _entries(self.url, await self._page("/v1/models"))}
        if not known:
            raise MeasureError(f"{self.url}: /v1/models lists no model")
        self._model = model or next(iter(known))
        if self._model not in known:
            raise MeasureError(f"{self.url} does not serve {self._model!r}. It serves: {', '.join(sorted(known))}")
        config = next((labels for name, labels, _ in await self._samples() if name == "vllm:cache_config_info"), {})
        version = None
        with contextlib.suppress(MeasureError, ValueError, KeyError, TypeError):
            version = str(json.loads(await self._page("/version"))["version"])
        return Identity(
            model=self._model,
            max_model_len=_whole(known[self._model].get("max_model_len")),
            engine_version=version,
            block_size=_whole(config.get("block_size")),
            kv_blocks=_whole(config.get("num_gpu_blocks")),
        )

    async def occupancy(self) -> Occupancy | None:
        """Return what runs and waits inside, summed over the server's engines; None where it does not say."""
        totals = {"vllm:num_requests_running": 0, "vllm:num_requests_waiting": 0}
        seen = set()
        for name, _, value in await self._samples():
            if name in totals:
                totals[name] += int(value)
                seen.add(name)
        if len(seen) < len(totals):
            return None
        return Occupancy(running=totals["vllm:num_requests_running"], waiting=totals["vllm:num_requests_waiting"])

    async def prefix_hits(self) -> float:
        """Return the tokens that a prefix cache has saved since the server started; 0 where it does not say."""
        return sum(value for name, _, value in await self._samples() if name == "vllm:prefix_cache_hits_total")

    async def round_trip_ms(self) -> float:
        """Return the time of the smallest exchange: network and HTTP, which no engine is to blame for."""
        times = []
        for _ in range(PINGS):
            start = time.perf_counter()
            await self._page("/v1/models")
            times.append((time.perf_counter() - start) * 1000)
        return sorted(times)[PINGS // 2]

    def ask(self, prompt_tokens: int, output_tokens: int) -> Stream:
        """Send a prompt of random token ids for an answer of exactly `output_tokens` tokens.

        Raises:
            BudgetSpentError: when the allowed number of requests is used up.
        """
        if self.requests >= self._max_requests:
            raise BudgetSpentError(f"the allowed {self._max_requests} requests are used up")
        self.requests += 1
        body = {
            "model": self._model,
            "prompt": self._rng.choices(range(*TOKEN_IDS), k=prompt_tokens),
            "max_tokens": output_tokens,
            "min_tokens": output_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        stream = Stream(prompt_tokens, Answer())
        stream.task = asyncio.create_task(self._follow(json.dumps(body).encode(), stream))
        return stream

    async def _follow(self, body: bytes, stream: Stream) -> None:
        answer, clock = stream.answer, time.perf_counter
        stream.sent = clock()
        headers = {"content-type": "application/json"}
        try:
            async with self._open().post(f"{self.url}/v1/completions", data=body, headers=headers) as response:
                if response.status != 200:
                    said = (await response.content.read(4096)).decode(errors="replace")
                    raise MeasureError(f"{self.url} answered {response.status} to a completion: {_message(said)}")
                if response.content_type != "text/event-stream":
                    raise MeasureError(
                        f"{self.url} does not stream: it answered with {response.content_type!r} where "
                        "'text/event-stream' was asked for"
                    )
                async for data in response.content.iter_any():
                    answer.feed(data, clock())
        except (aiohttp.ClientError, OSError) as error:
            raise MeasureError(f"{self.url} broke off an answer: {error or type(error).__name__}") from error
        if answer.error or not answer.complete or not answer.times:
            raise MeasureError(f"{self.url} did not finish an answer: {answer.error or 'the stream ended early'}")

    async def _samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Return the samples of the metrics page; none where there is no such page."""
        try:
            families = list(text_string_to_metric_families(await self._page("/metrics")))
        except (MeasureError, ValueError):
            return []
        return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]

    async def _page(self, path: str) -> str:
        try:
            timeout = aiohttp.ClientTimeout(total=SHORT_S)
            async with self._open().get(self.url + path, timeout=timeout) as response:
                text = await response.text()
        except (aiohttp.ClientError, OSError) as error:
            raise MeasureError(f"{self.url} does not answer: {error or type(error).__name__}") from error
        if response.status != 200:
            raise MeasureError(f"{self.url}{path} answered {response.status}: {_message(text)}")
        return text

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the server is not open: use it with `async with`")
        return self._session


def _entries(url: str, page: str) -> list[dict[str, Any]]:
    try:
        return [entry for entry in json.loads(page)["data"] if isinstance(entry["id"], str)]
    except (ValueError, KeyError, TypeError) as error:
        raise MeasureError(f"{url}: /v1/models is not OpenAI's list of models: {page[:100]!r}") from error


def _message(text: str) -> str:
    """Return the message of an error in OpenAI's form, or the text, 300 characters at most."""
    try:
        return str(json.loads(text)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text.strip()[:300] or "nothing"


def _whole(value: object) -> int | None:
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if number > 0 else None
