"""What one engine does by Dynamo's planner: times and capacity of a mean request, by the engine's profile.

Source: ai-dynamo/dynamo 1.6.1, components/src/dynamo/planner/core/perf_model/engine_query.py, mode `agg`, with an exact
model of the forward pass.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_spec.profiles import curve_ms

if TYPE_CHECKING:
    from tenbin_spec.profiles import EngineProfile

CANDIDATES = 128
"""Batches that are looked at."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """What the planner is told, in milliseconds; infinite where nothing is."""

    ttft_ms: float
    itl_ms: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lengths:
    """Mean tokens of prompts and answers."""

    input_tokens: float
    output_tokens: float

    @property
    def is_known(self) -> bool:
        """Whether both are numbers above 0."""
        return 0 < self.input_tokens < math.inf and 0 < self.output_tokens < math.inf


def pass_ms(profile: EngineProfile, *, decoding: float, kv_tokens: float, prefill_tokens: float = 0.0) -> float:
    """Return the time of one forward pass, by the profile."""
    cost = profile.forward
    time = curve_ms(cost.decode_ms, decoding) + curve_ms(cost.kv_ms, kv_tokens)
    return time + curve_ms(cost.prefill_ms, prefill_tokens) if prefill_tokens > 0 else time


def drain_ms(profile: EngineProfile, prefill_tokens: float, *, decoding: float, kv_tokens: float) -> float:
    """Return the time in which prompt tokens are computed in chunks, each pass carrying the decodes as well."""
    if prefill_tokens <= 0:
        return 0.0
    chunk = max(profile.limits.max_num_batched_tokens - decoding, 1.0)
    whole, rest = divmod(prefill_tokens, chunk)
    context_ms = profile.forward.per_prefill_context_ms * prefill_tokens**2 / 2
    time = whole * pass_ms(profile, decoding=decoding, kv_tokens=kv_tokens, prefill_tokens=chunk) + context_ms
    return time + (pass_ms(profile, decoding=decoding, kv_tokens=kv_tokens, prefill_tokens=rest) if rest > 0 else 0.0)


def capacity_rps(profile: EngineProfile, lengths: Lengths, targets: Targets) -> float:
    """Return the requests per second of one engine: the best batch that keeps the targets, else the best of all.

    With batch b and context c = I + O / 2 a pass carries b decodes and b * I / O prompt tokens, which fit its budget;
    ITL is the time of that pass, the rate b / (O * ITL), and TTFT the drain of the pass's prompt tokens and one prompt.
    """
    limits, context = profile.limits, lengths.input_tokens + lengths.output_tokens / 2
    most = max(int(min(limits.max_num_seqs, limits.kv_tokens / context)), 1)
    best, fallback = 0.0, 0.0
    for index in range(1, min(most, CANDIDATES) + 1):
        batch = max(round(most * index / min(most, CANDIDATES)), 1)
        prompts = batch * lengths.input_tokens / lengths.output_tokens
        if prompts > limits.max_num_batched_tokens - batch and batch > 1:
            break
        itl = pass_ms(profile, decoding=batch, kv_tokens=batch * context, prefill_tokens=prompts)
        ttft = drain_ms(profile, prompts + lengths.input_tokens, decoding=batch, kv_tokens=batch * context)
        rate = 1000 * batch / (lengths.output_tokens * itl)
        fallback = max(fallback, rate)
        if ttft <= targets.ttft_ms and itl <= targets.itl_ms:
            best = max(best, rate)
    return best or fallback
