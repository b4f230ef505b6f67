"""vLLM, 0.9.2 and later; nothing is renamed without both names being there for a version.

Names: `kv_cache_usage_perc` since 0.9.2 (a share of 1 despite its name), `gpu_cache_usage_perc` until 0.11; likewise
the counters of the prefix cache, whose unit is tokens and not requests. `inter_token_latency_seconds` since 0.10.2,
`time_per_output_token_seconds` until 0.14: both measure the gap before each token. The mean of each request is
`request_time_per_output_token_seconds`, since 0.11. `num_requests_waiting_by_reason` since 0.20: only the reason
`capacity` says that the replica is short of room, while `num_requests_waiting` holds all reasons.

Bucket floors as the engine comes: TTFT 1 ms, between tokens 10 ms, end to end 300 ms.
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
    parts,
    seconds,
)

VLLM = Adapter(
    paths=("/metrics",),
    running=Quantity(unit=Unit.REQUESTS, candidates=gauges("vllm:num_requests_running")),
    waiting=Quantity(
        unit=Unit.REQUESTS,
        candidates=gauges("vllm:num_requests_waiting_by_reason", reason="capacity")
        + gauges("vllm:num_requests_waiting"),
    ),
    kv_usage=Quantity(
        unit=Unit.SHARE,
        candidates=gauges("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        aggregation=Aggregation.MEAN,
    ),
    input_tokens=Quantity(unit=Unit.TOKENS, candidates=parts("vllm:request_prompt_tokens_sum")),
    output_tokens=Quantity(unit=Unit.TOKENS, candidates=parts("vllm:request_generation_tokens_sum")),
    finished=Quantity(
        unit=Unit.REQUESTS,
        candidates=parts("vllm:request_generation_tokens_count") + counters("vllm:request_success_total"),
    ),
    generated=Quantity(unit=Unit.TOKENS, candidates=counters("vllm:generation_tokens_total", "vllm:generation_tokens")),
    prefix_queried=Quantity(
        unit=Unit.TOKENS,
        candidates=counters("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
    ),
    prefix_hit=Quantity(
        unit=Unit.TOKENS, candidates=counters("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total")
    ),
    ttft_ms=Latency(candidates=seconds("vllm:time_to_first_token_seconds")),
    tpot_ms=Latency(candidates=seconds("vllm:request_time_per_output_token_seconds")),
    itl_ms=Latency(candidates=seconds("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")),
    e2e_ms=Latency(candidates=seconds("vllm:e2e_request_latency_seconds")),
)
