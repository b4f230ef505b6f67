"""A simulated engine for each test: in this process, or as a process of its own where signals are at stake."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tenbin_local.engine import arguments
from tenbin_local.engine.server import EngineServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"


@dataclasses.dataclass(frozen=True)
class Client:
    """A client of one engine."""

    url: str
    session: aiohttp.ClientSession

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Send a body, as it is when it is bytes, and return status and JSON of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.url + path, data=data) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and text."""
        async with self.session.get(self.url + path) as response:
            return response.status, await response.text()

    async def events(self, path: str, body: dict[str, Any]) -> list[Any]:
        """Stream an answer and return its events, parsed save for `[DONE]`."""
        async with self.session.post(self.url + path, json={**body, "stream": True}) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            text = await response.text()
        parts = [part.removeprefix("data: ") for part in text.split("\n\n") if part]
        return [part if part == "[DONE]" else json.loads(part) for part in parts]

    async def metrics(self) -> dict[str, float]:
        """Return the samples of the metrics page by name and labels, the common ones left out."""
        _, page = await self.get("/metrics")
        samples = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                labels = {k: v for k, v in sample.labels.items() if k not in {"engine", "model_name"}}
                text = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
                samples[sample.name + (f"{{{text}}}" if text else "")] = sample.value
        return samples


@pytest.fixture
async def engine() -> AsyncIterator[Callable[..., Any]]:
    """Return a coroutine function that takes flags, starts an engine in this process and returns its client."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*flags: str) -> Client:
            options = arguments.parse(["m", "--profile", PROFILE, "--port", "0", *flags])
            server = EngineServer(options)
            url = await server.start()
            stack.push_async_callback(server.stop)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30))
            )
            return Client(url, session)

        yield start


@dataclasses.dataclass(frozen=True)
class EngineProcess:
    """An engine as its own process."""

    url: str
    process: subprocess.Popen[str]

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)


@pytest.fixture
def engine_process() -> Iterator[Callable[..., EngineProcess]]:
    """Start engines as processes; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> EngineProcess:
        command = [sys.executable, "-m", "tenbin_local.engine", "m", "--profile", PROFILE, "--port", "0", *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
        assert match, line
        return EngineProcess(match[1], process)

    yield start
    for process in started:
        process.kill()
        process.communicate()
