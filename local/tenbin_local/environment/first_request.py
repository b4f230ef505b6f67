"""One streamed request through the gateway: proof that everything between a client and an engine works."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from tenbin_spec import contract
from tenbin_spec.stack import Stack

from tenbin_local.errors import LocalError

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_TRIES = 20
_PAUSE_S = 1.0
PROMPT = "Say in one sentence what a balance scale is for."
MAX_TOKENS = 24


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    service: str
    text: str
    ttft_ms: int
    e2e_ms: int
    chunks: int


def ask(gateway_url: str, stack: Stack, service: str) -> Answer:
    """Stream one chat completion of a service.

    A failure is tried again for some seconds: the gateway learns of an engine after the engine became ready.

    Raises:
        LocalError: the gateway does not answer, answers with an error, or its stream has no tokens.
    """
    problem = ""
    for _ in range(_TRIES):
        try:
            return _stream(gateway_url, stack, service)
        except (httpx.HTTPError, LocalError) as error:
            problem = str(error) or type(error).__name__
        time.sleep(_PAUSE_S)
    raise LocalError(f"A request for service {service!r} through {gateway_url} fails: {problem}")


def _stream(gateway_url: str, stack: Stack, service: str) -> Answer:
    body = {
        "model": stack.services[service].model.id,
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": MAX_TOKENS,
        "stream": True,
    }
    headers = {contract.HEADER_SERVICE: service}
    started = time.monotonic()
    first: float | None = None
    pieces: list[str] = []
    with (
        httpx.Client(timeout=_TIMEOUT, trust_env=False) as client,
        client.stream("POST", f"{gateway_url}/v1/chat/completions", json=body, headers=headers) as response,
    ):
        if not response.is_success:
            response.read()
            raise LocalError(f"{response.status_code} {response.text.strip()[:300]}")
        for piece in _tokens(response.iter_lines()):
            first = first or time.monotonic()
            pieces.append(piece)
    if first is None:
        raise LocalError("the stream ended without a token")
    return Answer(
        service=service,
        text="".join(pieces),
        ttft_ms=round((first - started) * 1000),
        e2e_ms=round((time.monotonic() - started) * 1000),
        chunks=len(pieces),
    )


def _tokens(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        data = line.removeprefix("data: ")
        if data in {line, "[DONE]"}:
            continue
        for choice in json.loads(data).get("choices", ()):
            if text := choice.get("delta", {}).get("content"):
                yield text
