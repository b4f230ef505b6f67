"""OpenAI requests, checked as vLLM checks them.

Unknown keys are allowed, as they are there: clients send many that change nothing here (temperature, top_p, user).
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
from typing import Any

CHARACTERS_PER_TOKEN = 4
COMPLETION_TOKENS = 16
"""Output tokens of `/v1/completions` when the request does not say; OpenAI's default, which vLLM keeps."""
ANSWER_LOCATION, ANSWER_SCALE = math.log(60), 0.8
"""Answers that end by themselves have lognormal lengths with a median of 60 tokens."""


class ApiError(Exception):
    """A request that is refused; `body` is vLLM's error object."""

    def __init__(self, status: int, kind: str, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": parameter, "code": status}}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ask:
    """A request that the engine can serve."""

    chat: bool
    model: str
    prompt_tokens: int
    output_tokens: int
    """How long the answer will be."""
    max_tokens: int
    """How long it may be."""
    stream: bool
    include_usage: bool
    """Whether a stream ends with a chunk of usage."""

    @property
    def finish_reason(self) -> str:
        """Why the answer ends: `length` when it is as long as it may be, else `stop`."""
        return "length" if self.output_tokens == self.max_tokens else "stop"


def parse(raw: bytes, *, chat: bool, served_names: tuple[str, ...], max_model_len: int, rng: random.Random) -> Ask:
    """Parse and check the body of a request.

    Args:
        raw: the body.
        chat: whether it came to `/v1/chat/completions`.
        served_names: names of the model that are served.
        max_model_len: tokens of prompt and answer together at most.
        rng: draws the length of the answer, unless the request brings a seed of its own.

    Raises:
        ApiError: 400 for a body, a key or a length that is not allowed, 404 for another model.
    """
    body = _object(raw)
    model = body.get("model") or served_names[0]
    if model not in served_names:
        raise ApiError(404, "NotFoundError", f"The model `{model}` does not exist.", "model")
    if body.get("n", 1) not in (1, None):
        raise _refused(f"n is {body['n']!r}; the simulated engine gives one answer per request: n must be 1", "n")
    stream = _flag(body, "stream")
    prompt_tokens = _chat_tokens(body) if chat else _prompt_tokens(body)
    max_tokens = _max_tokens(body, prompt_tokens, chat=chat, max_model_len=max_model_len)
    return Ask(
        chat=chat,
        model=model,
        prompt_tokens=prompt_tokens,
        output_tokens=_answer_tokens(body, max_tokens, rng),
        max_tokens=max_tokens,
        stream=stream,
        include_usage=_include_usage(body, stream=stream),
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _refused(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise _refused("the body must be a JSON object")
    return body


def _refused(message: str, parameter: str | None = None) -> ApiError:
    return ApiError(400, "BadRequestError", message, parameter)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _refused(f"{name} is {value!r}; allowed is true or false", name)
    return bool(value)


def _include_usage(body: dict[str, Any], *, stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise _refused("Stream options can only be defined when `stream=True`.", "stream_options")
    if not isinstance(options, dict):
        raise _refused(f"stream_options is {options!r}; allowed is an object", "stream_options")
    return _flag(options, "include_usage")


def _count(body: dict[str, Any], name: str, low: int) -> int | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
        raise _refused(f"{name} is {value!r}; allowed is a whole number of {low} or more", name)
    return value


def text_tokens(characters: int) -> int:
    """Return the tokens of a text of this many characters: one for each 4, rounded up, at least 1."""
    return max(1, -(-characters // CHARACTERS_PER_TOKEN))


def _prompt_tokens(body: dict[str, Any]) -> int:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return text_tokens(len(prompt))
    if isinstance(prompt, list) and prompt and all(type(token) is int and token >= 0 for token in prompt):
        return len(prompt)
    raise _refused("prompt must be a text or a list of token ids, not empty, and one per request", "prompt")


def _chat_tokens(body: dict[str, Any]) -> int:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _refused("messages must be a list of at least one message", "messages")
    return text_tokens(sum(_message_characters(message) for message in messages))


def _message_characters(message: Any) -> int:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise _refused("each message must be an object with a role and a content", "messages")
    content = message.get("content")
    if content is None:
        return 0
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        return sum(len(part["text"]) for part in content)
    raise _refused("content must be a text or a list of parts of type text", "messages")


def _max_tokens(body: dict[str, Any], prompt_tokens: int, *, chat: bool, max_model_len: int) -> int:
    asked = _count(body, "max_completion_tokens", 1) if chat else None
    if asked is None:
        asked = _count(body, "max_tokens", 1)
    if asked is None:
        asked = max(max_model_len - prompt_tokens, 1) if chat else COMPLETION_TOKENS
    if prompt_tokens + asked > max_model_len:
        where = "messages" if chat else "prompt"
        raise _refused(
            f"This model's maximum context length is {max_model_len} tokens. However, you requested "
            f"{prompt_tokens + asked} tokens ({prompt_tokens} in the {where}, {asked} in the completion). "
            f"Please reduce the length of the {where} or completion.",
            "max_tokens",
        )
    return asked


def _answer_tokens(body: dict[str, Any], max_tokens: int, rng: random.Random) -> int:
    least = _count(body, "min_tokens", 0) or 0
    if least > max_tokens:
        raise _refused(f"min_tokens is {least}; allowed is at most max_tokens, {max_tokens}", "min_tokens")
    seed = _count(body, "seed", -(2**63))
    if _flag(body, "ignore_eos"):
        return max_tokens
    source = rng if seed is None else random.Random(seed)  # noqa: S311 - lengths of simulated answers, no secrets
    drawn = round(source.lognormvariate(ANSWER_LOCATION, ANSWER_SCALE))
    return min(max(drawn, least, 1), max_tokens)
