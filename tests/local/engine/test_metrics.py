"""The metrics page says what really happened, under the names and buckets of vLLM."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

COMPLETIONS = "/v1/completions"
VLLM_0_23 = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:num_requests_waiting_by_reason{reason=capacity}",
    "vllm:num_requests_waiting_by_reason{reason=deferred}",
    "vllm:kv_cache_usage_perc",
    "vllm:engine_sleep_state{sleep_state=awake}",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:external_prefix_cache_queries_total",
    "vllm:external_prefix_cache_hits_total",
    "vllm:num_preemptions_total",
    "vllm:prompt_tokens_total",
    "vllm:prompt_tokens_by_source_total{source=local_compute}",
    "vllm:prompt_tokens_cached_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total{finished_reason=stop}",
    "vllm:request_success_total{finished_reason=length}",
    "vllm:request_success_total{finished_reason=abort}",
    "vllm:request_success_total{finished_reason=error}",
    "vllm:request_success_total{finished_reason=repetition}",
)
HISTOGRAMS = (
    "request_prompt_tokens",
    "request_generation_tokens",
    "iteration_tokens_total",
    "request_max_num_generation_tokens",
    "request_params_n",
    "request_params_max_tokens",
    "time_to_first_token_seconds",
    "inter_token_latency_seconds",
    "request_time_per_output_token_seconds",
    "e2e_request_latency_seconds",
    "request_queue_time_seconds",
    "request_inference_time_seconds",
    "request_prefill_time_seconds",
    "request_decode_time_seconds",
    "request_prefill_kv_computed_tokens",
)


def bounds(samples: dict[str, float], histogram: str) -> list[float]:
    prefix = f"vllm:{histogram}_bucket{{le="
    return [float(name.removeprefix(prefix).rstrip("}")) for name in samples if name.startswith(prefix)]


async def test_the_page_has_the_series_of_vllm(engine: Callable[..., Any]) -> None:
    client = await engine()
    samples = await client.metrics()
    assert [name for name in VLLM_0_23 if name not in samples] == []
    assert [name for name in HISTOGRAMS if f"vllm:{name}_count" not in samples] == []
    _, page = await client.get("/metrics")
    assert 'vllm:num_requests_running{engine="0",model_name="m"} 0.0\n' in page
    assert 'vllm:time_to_first_token_seconds_bucket{engine="0",le="1.0",model_name="m"} 0.0\n' in page


async def test_buckets_are_those_of_vllm_up_to_the_model_length(engine: Callable[..., Any]) -> None:
    samples = await (await engine()).metrics()
    assert bounds(samples, "time_to_first_token_seconds")[:3] == [0.001, 0.005, 0.01]
    assert bounds(samples, "inter_token_latency_seconds")[:3] == [0.01, 0.025, 0.05]
    assert bounds(samples, "e2e_request_latency_seconds")[-3:-1] == [1920, 7680]
    assert bounds(samples, "request_prompt_tokens")[-3:-1] == [2000, 5000]


async def test_buckets_can_stand_on_the_thresholds_of_an_objective(engine: Callable[..., Any]) -> None:
    families = '{"time_to_first_token": [0.5, 1], "inter_token_latency": [0.04], "request_latency": [2, 60]}'
    samples = await (await engine("--custom-histogram-buckets", families)).metrics()
    infinity = float("inf")
    assert bounds(samples, "time_to_first_token_seconds") == [0.5, 1, infinity]
    assert bounds(samples, "inter_token_latency_seconds") == [0.04, infinity]
    assert bounds(samples, "request_time_per_output_token_seconds") == [0.04, infinity]
    for name in ("e2e_request_latency", "request_queue_time", "request_prefill_time", "request_decode_time"):
        assert bounds(samples, f"{name}_seconds") == [2, 60, infinity]


async def test_counts_match_what_was_sent(engine: Callable[..., Any]) -> None:
    client = await engine("--time-scale", "0.05")
    asked = [(10, 1), (20, 5), (300, 12), (900, 7)]
    bodies = [{"prompt": [1] * prompt, "max_tokens": answer, "ignore_eos": True} for prompt, answer in asked]
    await asyncio.gather(*(client.events(COMPLETIONS, body) for body in bodies))
    samples = await client.metrics()
    prompts, answers = sum(prompt for prompt, _ in asked), sum(answer for _, answer in asked)
    expected = {
        "prompt_tokens_total": prompts,
        "prompt_tokens_by_source_total{source=local_compute}": prompts,
        "prefix_cache_queries_total": prompts,
        "prefix_cache_hits_total": 0,
        "generation_tokens_total": answers,
        "iteration_tokens_total_sum": prompts + answers,
        "request_success_total{finished_reason=length}": 4,
        "request_prompt_tokens_sum": prompts,
        "request_generation_tokens_sum": answers,
        "request_generation_tokens_bucket{le=5.0}": 2,
        "request_params_max_tokens_sum": answers,
        "time_to_first_token_seconds_count": 4,
        "inter_token_latency_seconds_count": answers - 4,
        "e2e_request_latency_seconds_count": 4,
        "num_requests_running": 0,
        "kv_cache_usage_perc": 0,
    }
    assert {name: samples[f"vllm:{name}"] for name in expected} == expected
    phases = ("request_queue_time", "request_prefill_time", "request_decode_time")
    total_s = sum(samples[f"vllm:{name}_seconds_sum"] for name in phases)
    assert total_s == pytest.approx(samples["vllm:e2e_request_latency_seconds_sum"], rel=0.3, abs=0.1)


async def test_gauges_show_running_and_waiting_requests(engine: Callable[..., Any]) -> None:
    client = await engine("--max-num-seqs", "2")
    body = {"prompt": [1] * 160, "max_tokens": 400, "ignore_eos": True}
    tasks = [asyncio.create_task(client.post(COMPLETIONS, body)) for _ in range(5)]
    async with asyncio.timeout(30):
        samples = await client.metrics()
        while (samples["vllm:num_requests_running"], samples["vllm:num_requests_waiting"]) != (2, 3):
            samples = await client.metrics()
    assert samples["vllm:num_requests_waiting_by_reason{reason=capacity}"] == 3
    assert samples["vllm:kv_cache_usage_perc"] == pytest.approx(22 / 5000, abs=12.1 / 5000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_client_that_goes_away_aborts_its_request(engine: Callable[..., Any]) -> None:
    client = await engine()
    body = {"prompt": [1] * 10, "max_tokens": 500, "ignore_eos": True, "stream": True}
    async with client.session.post(client.url + COMPLETIONS, json=body) as response:
        await response.content.readline()
        response.close()
    async with asyncio.timeout(30):
        samples = await client.metrics()
        while not samples["vllm:request_success_total{finished_reason=abort}"]:
            samples = await client.metrics()
    assert samples["vllm:request_success_total{finished_reason=abort}"] == 1
    assert (samples["vllm:num_requests_running"], samples["vllm:kv_cache_usage_perc"]) == (0, 0)
