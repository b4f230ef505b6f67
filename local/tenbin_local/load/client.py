"""Sends one chat completion and records what became of it, timed at this end of the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Self

import aiohttp
from tenbin_spec import contract

from tenbin_local.load import bounds, prompts, records
from tenbin_local.load.arrivals import PlannedRequest
from tenbin_local.load.records import RequestRecord
from tenbin_local.load.streaming import AnswerMeter

CONNECT_TIMEOUT_S = 5.0

Clock = Callable[[], float]
"""Seconds since the start of the run."""


class Client:
    """A connection pool to one gateway; `async with` opens and closes it."""

    def __init__(
        self, gateway_url: str, *, service: str, model: str, clock: Clock, timeout_s: float = bounds.REQUEST_TIMEOUT_S
    ) -> None:
        """Prepare a client.

        Args:
            gateway_url: scheme, address and port.
            service: name that the gateway routes by.
            model: model id that the engine serves.
            clock: seconds since the start of the run.
            timeout_s: longest time of a request.
        """
        self._url = f"{gateway_url.rstrip('/')}/v1/chat/completions"
        self._model = model
        self._headers = {contract.HEADER_SERVICE: service, "content-type": "application/json"}
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Connections without limit: a queue inside the client would hide the waiting that users see.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=15)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, planned: PlannedRequest) -> RequestRecord:
        """Send a request and follow its answer to the end; failures are outcomes, not exceptions."""
        sent_s = self._clock()
        meter = AnswerMeter()
        detail = ""
        try:
            status, detail = await self._exchange(planned, meter)
        except aiohttp.ConnectionTimeoutError as error:
            status, detail = records.CONNECTION, str(error)
        except TimeoutError:
            status = records.TIMEOUT
        except (aiohttp.ClientError, OSError) as error:
            status = records.CONNECTION if meter.last_at is None else records.BROKEN_STREAM
            detail = str(error)
        return self._record(planned, meter, status, detail, sent_s)

    async def _exchange(self, planned: PlannedRequest, meter: AnswerMeter) -> tuple[str, str]:
        session = self._session
        if session is None:
            raise RuntimeError("the client is not open: use it with `async with`")
        headers = {**self._headers, contract.HEADER_CLASS: planned.request_class}
        async with session.post(self._url, data=body(planned, self._model), headers=headers) as response:
            if response.status != 200:
                return records.http_status(response.status), _message(await response.content.read(4096))
            async for data in response.content.iter_any():
                meter.feed(data, self._clock())
        if meter.failed:
            return records.STREAM_ERROR, ""
        if not meter.done:
            return records.BROKEN_STREAM, "the stream ended without [DONE]"
        if meter.tokens is not None and meter.tokens < planned.output_tokens:
            return records.SHORT_ANSWER, f"{meter.tokens} of {planned.output_tokens} tokens"
        return records.OK, ""

    def _record(
        self, planned: PlannedRequest, meter: AnswerMeter, status: str, detail: str, sent_s: float
    ) -> RequestRecord:
        ttft_ms = None if meter.first_at is None else (meter.first_at - sent_s) * 1000
        complete = status in {records.OK, records.SHORT_ANSWER}
        e2e_ms = (meter.last_at - sent_s) * 1000 if complete and meter.last_at is not None else None
        tokens = meter.received
        return RequestRecord(
            planned=planned,
            status=status,
            detail=detail,
            ended_s=self._clock(),
            late_ms=max(sent_s - planned.arrival_s, 0.0) * 1000,
            ttft_ms=ttft_ms,
            tpot_ms=records.time_per_token_ms(ttft_ms=ttft_ms, e2e_ms=e2e_ms, tokens=tokens),
            e2e_ms=e2e_ms,
            tokens=tokens,
        )


def body(planned: PlannedRequest, model: str) -> bytes:
    """Return the body of a request for exactly `output_tokens` tokens."""
    content: Mapping[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": prompts.text(planned.input_tokens, seed=planned.number)}],
        "max_tokens": planned.output_tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return json.dumps(content).encode()


def _message(answer: bytes) -> str:
    """Return the message of an error answer in OpenAI's form, or its text, 200 characters at most."""
    try:
        return str(json.loads(answer)["error"]["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace").strip()[:200]
