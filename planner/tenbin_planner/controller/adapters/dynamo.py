"""NVIDIA Dynamo's frontend: one page for all workers behind it, one series per model.

It says nothing of the KV cache, which only workers know. A request is queued there until its first token, so that
prefill counts as waiting, and it is among the running ones at the same time.
"""

from __future__ import annotations

from tenbin_planner.controller.adapters.table import (
    Adapter,
    Latency,
    Quantity,
    Unit,
    counters,
    gauges,
    parts,
    seconds,
)

DYNAMO_FRONTEND = Adapter(
    paths=("/metrics",),
    running=Quantity(
        unit=Unit.REQUESTS,
        candidates=gauges("dynamo_frontend_inflight_requests", "dynamo_frontend_active_requests"),
    ),
    waiting=Quantity(unit=Unit.REQUESTS, candidates=gauges("dynamo_frontend_queued_requests")),
    kv_usage=Quantity(unit=Unit.SHARE),
    input_tokens=Quantity(unit=Unit.TOKENS, candidates=parts("dynamo_frontend_input_sequence_tokens_sum")),
    output_tokens=Quantity(unit=Unit.TOKENS, candidates=parts("dynamo_frontend_output_sequence_tokens_sum")),
    finished=Quantity(
        unit=Unit.REQUESTS,
        candidates=parts("dynamo_frontend_output_sequence_tokens_count") + counters("dynamo_frontend_requests_total"),
    ),
    generated=Quantity(unit=Unit.TOKENS, candidates=counters("dynamo_frontend_output_tokens_total")),
    prefix_queried=Quantity(unit=Unit.TOKENS, candidates=parts("dynamo_frontend_input_sequence_tokens_sum")),
    prefix_hit=Quantity(unit=Unit.TOKENS, candidates=parts("dynamo_frontend_cached_tokens_sum")),
    ttft_ms=Latency(candidates=seconds("dynamo_frontend_time_to_first_token_seconds")),
    itl_ms=Latency(candidates=seconds("dynamo_frontend_inter_token_latency_seconds")),
    e2e_ms=Latency(candidates=seconds("dynamo_frontend_request_duration_seconds")),
)
