"""TensorRT-LLM's `trtllm-serve`, with `return_perf_metrics` and `enable_iter_perf_stats`.

Its `/metrics` are JSON statistics that are gone once somebody has read them: only `/prometheus/metrics` may be read.
Until 1.2 there are about five metrics, without prefix, and none of queue or KV cache, which is absent then. Counters
grow when a request finishes. `time_per_output_token_seconds` is a mean per request; gaps are not measured.

Bucket floors as the engine comes: those of vLLM.
"""

from __future__ import annotations

from tenbin_planner.controller.adapters.table import (
    Adapter,
    Aggregation,
    Latency,
    Quantity,
    Unit,
    counters,
    gauges,
    seconds,
)

TENSORRT_LLM = Adapter(
    paths=("/prometheus/metrics",),
    running=Quantity(unit=Unit.REQUESTS, candidates=gauges("trtllm_num_requests_running")),
    waiting=Quantity(unit=Unit.REQUESTS, candidates=gauges("trtllm_num_requests_waiting")),
    kv_usage=Quantity(unit=Unit.SHARE, candidates=gauges("trtllm_kv_cache_utilization"), aggregation=Aggregation.MEAN),
    input_tokens=Quantity(unit=Unit.TOKENS, candidates=counters("trtllm_prompt_tokens_total")),
    output_tokens=Quantity(unit=Unit.TOKENS, candidates=counters("trtllm_generation_tokens_total")),
    finished=Quantity(unit=Unit.REQUESTS, candidates=counters("trtllm_request_success_total", "request_success_total")),
    generated=Quantity(unit=Unit.TOKENS, candidates=counters("trtllm_generation_tokens_total")),
    prefix_queried=Quantity(unit=Unit.TOKENS, candidates=counters("trtllm_prompt_tokens_total")),
    prefix_hit=Quantity(unit=Unit.TOKENS, candidates=counters("trtllm_prompt_cached_tokens_total")),
    ttft_ms=Latency(candidates=seconds("trtllm_time_to_first_token_seconds", "time_to_first_token_seconds")),
    tpot_ms=Latency(candidates=seconds("trtllm_time_per_output_token_seconds", "time_per_output_token_seconds")),
    e2e_ms=Latency(candidates=seconds("trtllm_e2e_request_latency_seconds", "e2e_request_latency_seconds")),
)
