"""What one empty replica can do at best: the closed-form floor under every objective."""

from __future__ import annotations

import dataclasses

from tenbin_spec.objectives import Objective
from tenbin_spec.profiles import EngineProfile, curve_ms
from tenbin_spec.workload import Workload


@dataclasses.dataclass(frozen=True, kw_only=True)
class Floor:
    """Times of a request that has a replica to itself, in milliseconds."""

    ttft_ms: float
    tpot_ms: float
    e2e_ms: float


def floor(profile: EngineProfile, *, input_tokens: int, output_tokens: int) -> Floor:
    """Return the times of one request alone on a replica.

    TTFT = API time + forward passes of the prompt in chunks, TPOT = one decode pass at batch 1 over the mean context
    (`ForwardPass` has the formula of a pass; the API process works on a token during the next pass). The chunks'
    contexts add up to half the square of the prompt, however it is cut.

    Raises:
        ValueError: when a count is below 1.
    """
    if input_tokens < 1 or output_tokens < 1:
        raise ValueError(f"token counts must be 1 or more, not {input_tokens} in, {output_tokens} out")
    forward, api = profile.forward, profile.api
    whole, rest = divmod(input_tokens, profile.limits.max_num_batched_tokens)
    chunks = [profile.limits.max_num_batched_tokens] * whole + [rest] * (rest > 0)
    prefill = input_tokens**2 / 2 * forward.per_prefill_context_ms + sum(
        curve_ms(forward.decode_ms, 0) + curve_ms(forward.prefill_ms, chunk) for chunk in chunks
    )
    first = api.per_request_ms + prefill + api.per_output_token_ms
    ttft = first + api.first_token_ms
    context = input_tokens + output_tokens / 2
    tpot = curve_ms(forward.decode_ms, 1) + curve_ms(forward.kv_ms, context)
    return Floor(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=max(ttft, first + (output_tokens - 1) * tpot))


def broken_thresholds(objective: Objective, workload: Workload, profile: EngineProfile) -> tuple[str, ...]:
    """Name, in words, the thresholds that not even one empty replica keeps.

    The request that must be good is the 95th percentile's when the target asks for that many, else the mean one.
    """
    tail = float(objective.target) >= 0.95
    which = "p95" if tail else "mean"
    input_tokens = workload.input_tokens.p95 if tail else workload.input_tokens.mean
    output_tokens = workload.output_tokens.p95 if tail else workload.output_tokens.mean
    best = floor(profile, input_tokens=input_tokens, output_tokens=output_tokens)
    pairs = (
        ("ttft_ms", objective.ttft_ms, best.ttft_ms),
        ("tpot_ms", objective.tpot_ms, best.tpot_ms),
        ("e2e_ms", objective.e2e_ms, best.e2e_ms),
    )
    return tuple(
        f"{name} {limit} is below the {value:.0f} ms of one empty replica for the {which} request"
        for name, limit, value in pairs
        if limit is not None and value > limit
    )
