"""SGLang 0.5, started with `--enable-metrics`.

Each tensor-parallel, pipeline and expert rank reports what its data-parallel rank does, so that the same number is
there several times. With priorities, `num_running_reqs` and `num_queue_reqs` have a total, whose label `priority` is
empty, beside one series per priority. All counters but `realtime_tokens_total` grow when a request finishes.
`cached_tokens_total` has one series per source of the tokens; each token is in one of them.

Bucket floors as the engine comes: TTFT and end to end 100 ms, between tokens 2 ms.
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

SGLANG = Adapter(
    paths=("/metrics",),
    copied_over=("tp_rank", "pp_rank", "moe_ep_rank"),
    running=Quantity(unit=Unit.REQUESTS, candidates=gauges("sglang:num_running_reqs", priority="")),
    waiting=Quantity(unit=Unit.REQUESTS, candidates=gauges("sglang:num_queue_reqs", priority="")),
    kv_usage=Quantity(unit=Unit.SHARE, candidates=gauges("sglang:token_usage"), aggregation=Aggregation.MEAN),
    input_tokens=Quantity(unit=Unit.TOKENS, candidates=counters("sglang:prompt_tokens_total")),
    output_tokens=Quantity(unit=Unit.TOKENS, candidates=counters("sglang:generation_tokens_total")),
    finished=Quantity(unit=Unit.REQUESTS, candidates=counters("sglang:num_requests_total")),
    generated=Quantity(
        unit=Unit.TOKENS,
        candidates=counters("sglang:realtime_tokens_total", mode="decode") + counters("sglang:generation_tokens_total"),
    ),
    prefix_queried=Quantity(unit=Unit.TOKENS, candidates=counters("sglang:prompt_tokens_total")),
    prefix_hit=Quantity(unit=Unit.TOKENS, candidates=counters("sglang:cached_tokens_total")),
    ttft_ms=Latency(candidates=seconds("sglang:time_to_first_token_seconds")),
    tpot_ms=Latency(candidates=seconds("sglang:request_time_per_output_token_seconds")),
    itl_ms=Latency(candidates=seconds("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds")),
    e2e_ms=Latency(candidates=seconds("sglang:e2e_request_latency_seconds")),
)
