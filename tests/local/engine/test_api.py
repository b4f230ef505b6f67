"""The OpenAI API of the simulated engine over real HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

FAST = ("--time-scale", "0.05")
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}


async def test_a_chat_streams_role_then_tokens_then_usage_then_done(engine: Callable[..., Any]) -> None:
    client = await engine(*FAST)
    body = {**HELLO, "max_tokens": 3, "ignore_eos": True, "stream_options": {"include_usage": True}}
    opening, *tokens, usage, done = await client.events(CHAT, body)
    assert opening["choices"] == [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
    ]
    assert [chunk["choices"][0]["delta"]["content"] for chunk in tokens] == [" one", " two", " six"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in tokens] == [None, None, "length"]
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 3,
        "total_tokens": 5,
        "prompt_tokens_details": None,
    }
    assert done == "[DONE]"
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in (opening, *tokens, usage)} == {
        (opening["id"], "chat.completion.chunk", "m")
    }


async def test_a_completion_streams_text_without_usage_unless_asked(engine: Callable[..., Any]) -> None:
    client = await engine(*FAST)
    *chunks, done = await client.events(COMPLETIONS, {"prompt": [5, 6], "max_tokens": 2, "ignore_eos": True})
    assert [chunk["choices"][0]["text"] for chunk in chunks] == [" one", " two"]
    assert all("usage" not in chunk for chunk in chunks)
    assert done == "[DONE]"


async def test_an_answer_that_is_not_streamed_has_text_and_usage(engine: Callable[..., Any]) -> None:
    client = await engine(*FAST)
    status, answer = await client.post(COMPLETIONS, {"prompt": list(range(40)), "max_tokens": 5, "ignore_eos": True})
    assert (status, answer["object"], answer["choices"][0]["text"]) == (200, "text_completion", " one two six ten and")
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (40, 5)
    status, answer = await client.post(CHAT, {**HELLO, "max_completion_tokens": 1, "ignore_eos": True})
    assert (status, answer["choices"][0]["message"]["content"]) == (200, " one")


async def test_a_seed_repeats_the_length_of_an_answer(engine: Callable[..., Any]) -> None:
    client = await engine(*FAST)
    body = {"prompt": "tell me", "max_tokens": 200, "min_tokens": 4, "seed": 11}
    answers = [(await client.post(COMPLETIONS, body))[1] for _ in range(2)]
    lengths = {answer["usage"]["completion_tokens"] for answer in answers}
    assert len(lengths) == 1
    assert 4 <= lengths.pop() < 200
    assert {answer["choices"][0]["finish_reason"] for answer in answers} == {"stop"}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (CHAT, b"{not json", 400, "the body is not JSON: Expecting property name enclosed in double quotes"),
        (CHAT, [1], 400, "the body must be a JSON object"),
        (CHAT, {}, 400, "messages must be a list of at least one message"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": 3}]},
            400,
            "content must be a text or a list of parts of type text",
        ),
        (COMPLETIONS, {}, 400, "prompt must be a text or a list of token ids, not empty, and one per request"),
        (
            COMPLETIONS,
            {"prompt": ["a", "b"]},
            400,
            "prompt must be a text or a list of token ids, not empty, and one per request",
        ),
        (COMPLETIONS, {"prompt": "a", "model": "other"}, 404, "The model `other` does not exist."),
        (
            COMPLETIONS,
            {"prompt": "a", "n": 2},
            400,
            "n is 2; the simulated engine gives one answer per request: n must be 1",
        ),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 0}, 400, "max_tokens is 0; allowed is a whole number of 1 or more"),
        (
            COMPLETIONS,
            {"prompt": "a", "max_tokens": 2, "min_tokens": 3},
            400,
            "min_tokens is 3; allowed is at most max_tokens, 2",
        ),
        (COMPLETIONS, {"prompt": "a", "stream": "yes"}, 400, "stream is 'yes'; allowed is true or false"),
        (
            COMPLETIONS,
            {"prompt": "a", "stream_options": {}},
            400,
            "Stream options can only be defined when `stream=True`.",
        ),
        (
            COMPLETIONS,
            {"prompt": "x" * 400, "max_tokens": 29},
            400,
            (
                "This model's maximum context length is 128 tokens. However, you requested 129 tokens "
                "(100 in the prompt, 29 in the completion). Please reduce the length of the prompt or completion."
            ),
        ),
    ],
)
async def test_bad_requests_get_the_error_object_of_vllm(
    engine: Callable[..., Any], path: str, body: Any, status: int, message: str
) -> None:
    client = await engine("--max-model-len", "128")
    got, answer = await client.post(path, body)
    assert got == status
    assert answer["error"]["message"].startswith(message)
    assert answer["error"]["code"] == status
    assert (await client.metrics())["vllm:request_success_total{finished_reason=length}"] == 0


async def test_a_full_queue_answers_503(engine: Callable[..., Any]) -> None:
    client = await engine("--max-num-seqs", "1", "--max-num-queued-reqs", "1")
    body = {"prompt": [1] * 10, "max_tokens": 60, "ignore_eos": True}
    running = asyncio.create_task(client.post(COMPLETIONS, body))
    await _until(client, "vllm:num_requests_running")
    waiting = asyncio.create_task(client.post(COMPLETIONS, body))
    await _until(client, "vllm:num_requests_waiting")
    status, answer = await client.post(COMPLETIONS, body)
    assert (status, answer["error"]["message"]) == (503, "The engine's queue is full. Try again later.")
    assert [(await task)[0] for task in (running, waiting)] == [200, 200]
    assert (await client.metrics())["vllm:admission_rejections_total{reason=max_num_queued_reqs}"] == 1


async def test_the_other_routes_of_vllm_answer(engine: Callable[..., Any]) -> None:
    client = await engine("--served-model-name", "chat", "chat-latest", "--max-model-len", "4096")
    assert (await client.get("/health"))[0] == 200
    assert (await client.get("/ping"))[0] == 200
    assert await client.get("/version") == (200, '{"version": "0.23.0"}')
    async with client.session.get(client.url + "/v1/models") as response:
        models = (await response.json())["data"]
    assert [(model["id"], model["root"], model["max_model_len"]) for model in models] == [
        ("chat", "m", 4096),
        ("chat-latest", "m", 4096),
    ]


async def _until(client: Any, gauge: str) -> None:
    """Wait until a gauge of the metrics page is 1."""
    async with asyncio.timeout(30):
        while (await client.metrics())[gauge] != 1:
            pass
