"""NVIDIA NIM for LLMs: 2.x is vLLM behind a proxy and hands on its names, 1.x has names of its own without prefix.

The share `gpu_cache_usage_perc` of 1.x is one of 1, as in vLLM. 1.x does not say why requests wait, and its
`time_per_output_token_seconds` is of single tokens.
"""

from __future__ import annotations

import dataclasses

from tenbin_planner.controller.adapters.table import counters, gauges, parts, seconds
from tenbin_planner.controller.adapters.vllm import VLLM

NIM = dataclasses.replace(
    VLLM,
    paths=("/v1/metrics", "/metrics"),
    running=VLLM.running.or_else(gauges("num_requests_running")),
    waiting=VLLM.waiting.or_else(gauges("num_requests_waiting")),
    kv_usage=VLLM.kv_usage.or_else(gauges("gpu_cache_usage_perc")),
    input_tokens=VLLM.input_tokens.or_else(parts("request_prompt_tokens_sum")),
    output_tokens=VLLM.output_tokens.or_else(parts("request_generation_tokens_sum")),
    finished=VLLM.finished.or_else(parts("request_generation_tokens_count") + counters("request_finish_total")),
    generated=VLLM.generated.or_else(counters("generation_tokens_total")),
    ttft_ms=VLLM.ttft_ms.or_else(seconds("time_to_first_token_seconds")),
    itl_ms=VLLM.itl_ms.or_else(seconds("time_per_output_token_seconds")),
    e2e_ms=VLLM.e2e_ms.or_else(seconds("e2e_request_latency_seconds")),
)
