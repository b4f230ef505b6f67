"""OpenAI responses and server-sent events, in the order and with the keys of vLLM.

A chat stream opens with a chunk that holds the role and an empty content, which comes with the first token; the chunk
of the last token carries the finish reason; a chunk with usage and no choices follows when the client asked for it, and
`data: [DONE]` ends the stream.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenbin_local.engine.protocol import Ask

DONE = b"data: [DONE]\n\n"
WORDS = (" one", " two", " six", " ten", " and", " the", " sun", " sea", " ice", " oak", " owl", " fox", " is.")
"""Texts of output tokens, 4 characters each."""


def token_text(position: int) -> str:
    """Return the text of the output token at a position, counted from 0."""
    return WORDS[position % len(WORDS)]


def usage(ask: Ask, output_tokens: int) -> dict[str, Any]:
    """Return the usage object of an answer that has `output_tokens` tokens so far."""
    return {
        "prompt_tokens": ask.prompt_tokens,
        "total_tokens": ask.prompt_tokens + output_tokens,
        "completion_tokens": output_tokens,
        "prompt_tokens_details": None,
    }


def whole(ask: Ask, request_id: str, created: int) -> dict[str, Any]:
    """Return the body of an answer that is not streamed."""
    text = "".join(token_text(position) for position in range(ask.output_tokens))
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": ask.finish_reason, "stop_reason": None}
    if ask.chat:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None, "tool_calls": []}
    else:
        choice["text"] = text
    return {
        "id": request_id,
        "object": "chat.completion" if ask.chat else "text_completion",
        "created": created,
        "model": ask.model,
        "choices": [choice],
        "usage": usage(ask, ask.output_tokens),
    }


class Chunks:
    """The events of one stream; what is the same in all of them is written once."""

    def __init__(self, ask: Ask, request_id: str, created: int) -> None:
        self._ask = ask
        kind = "chat.completion.chunk" if ask.chat else "text_completion"
        self._envelope: dict[str, Any] = {"id": request_id, "object": kind, "created": created, "model": ask.model}
        before, after = self._event([self._choice("\0", None)]).split(b"\\u0000")
        self._tokens = [before + text.encode() + after for text in WORDS]

    def token(self, position: int) -> bytes:
        """Return what the token at `position` (from 0) adds to the stream, opening and end included."""
        last = position == self._ask.output_tokens - 1
        event = self._last(position) if last else self._tokens[position % len(WORDS)]
        if position == 0 and self._ask.chat:
            delta = {"role": "assistant", "content": ""}
            opening = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
            return self._event([opening]) + event
        return event

    def _last(self, position: int) -> bytes:
        event = self._event([self._choice(token_text(position), self._ask.finish_reason)])
        if self._ask.include_usage:
            event += self._event([], usage=usage(self._ask, self._ask.output_tokens))
        return event + DONE

    def _choice(self, text: str, finish_reason: str | None) -> dict[str, Any]:
        content: dict[str, Any] = {"delta": {"content": text}} if self._ask.chat else {"text": text}
        return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason, "stop_reason": None}

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {**self._envelope, "choices": choices, **more}
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
