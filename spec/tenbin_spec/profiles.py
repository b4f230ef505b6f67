"""Engine profiles: what a forward pass of (model, engine, accelerator, parallelism) costs, measured or derived."""

from __future__ import annotations

import datetime
import enum
import itertools
from typing import Annotated

from pydantic import AfterValidator, Field

from tenbin_spec.quantities import Frozen, Text

Coefficient = Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]


class ProfileKind(enum.StrEnum):
    """Where a profile's numbers come from."""

    MEASURED = "measured"
    VENDOR_MODEL = "vendor-model"
    EXTRAPOLATED = "extrapolated"
    SYNTHETIC = "synthetic"
    """Made up for tests and the local environment; no accelerator behaves like it."""


Knot = tuple[Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)], Coefficient]
"""Amount of work, and milliseconds at this amount."""


def _rising(knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
    """Refuse knots that do not start at 0, or that do not rise.

    Raises:
        ValueError: naming the first knot out of line.
    """
    if knots[0][0] != 0:
        raise ValueError(f"the first knot is at {knots[0][0]}; allowed is 0")
    for before, after in itertools.pairwise(knots):
        if after[0] <= before[0] or after[1] < before[1]:
            raise ValueError(
                f"knot {list(after)} follows {list(before)}; allowed are rising amounts with times that never fall"
            )
    return knots


Curve = Annotated[tuple[Knot, ...], Field(min_length=1, max_length=64), AfterValidator(_rising)]
"""Knots of a piecewise linear, never falling function; from the last knot on its last slope goes on."""


class ForwardPass(Frozen):
    """Time of one forward pass, in milliseconds.

    time = decode_ms(decode sequences) + kv_ms(KV tokens that these read)
    and, in a pass that computes prompts,
           + prefill_ms(prompt tokens) + per_prefill_context_ms * prefill context

    The prefill context is the sum over chunks of tokens * (tokens computed before + tokens / 2). Curves between knots,
    since neither the batch nor the prompt costs the same per unit everywhere: small batches share one reading of the
    weights, and an engine runs them by other kernels than large ones. Nothing falls, so more work never takes less
    time. The last knot of a curve is the end of what was measured.
    """

    decode_ms: Curve
    """By sequences that decode one token each; at 0 what every pass costs."""
    kv_ms: Curve
    """By tokens of context that the decodes read together."""
    prefill_ms: Curve
    """By prompt tokens in the pass; at 0 what the first of them costs."""
    per_prefill_context_ms: Coefficient

    def scaled(self, factor: float) -> ForwardPass:
        """Return the pass that takes `factor` times as long."""

        def curve(knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
            return tuple((amount, milliseconds * factor) for amount, milliseconds in knots)

        return ForwardPass(
            decode_ms=curve(self.decode_ms),
            kv_ms=curve(self.kv_ms),
            prefill_ms=curve(self.prefill_ms),
            per_prefill_context_ms=self.per_prefill_context_ms * factor,
        )


def curve_ms(knots: tuple[Knot, ...], amount: float) -> float:
    """Return the milliseconds of a curve at an amount, of 0 or more."""
    if len(knots) == 1:
        return knots[0][1]
    for (low, low_ms), (high, high_ms) in itertools.pairwise(knots):
        slope = (high_ms - low_ms) / (high - low)
        if amount <= high:
            return low_ms + slope * (amount - low)
    return knots[-1][1] + slope * (amount - knots[-1][0])


class EngineLimits(Frozen):
    """What bounds a batch."""

    max_num_seqs: Count
    max_num_batched_tokens: Count
    kv_blocks: Count
    """Blocks of the KV cache."""
    block_size: Count
    """Tokens in a block."""
    max_model_len: Count
    """Tokens of prompt and answer together."""

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds."""
        return self.kv_blocks * self.block_size


class ApiServer(Frozen):
    """CPU time of the engine's API process, a serial server in front of the accelerator, in milliseconds."""

    per_request_ms: Coefficient
    per_output_token_ms: Coefficient
    first_token_ms: Coefficient = 0.0
    """What the first token of an answer takes longer to reach its client; the process is free meanwhile."""


class EngineProfile(Frozen):
    """Measured cost of a forward pass, from which latency and capacity follow."""

    name: Annotated[str, Text("[a-z0-9][a-z0-9._-]{0,99}", "a profile name", "h200-llama-3.1-8b")]
    model: str
    accelerator: str
    """Name in the catalogue of accelerators."""
    tensor_parallel: Annotated[int, Field(strict=True, ge=1, le=64)]
    pipeline_parallel: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    engine: str
    engine_version: str
    kind: ProfileKind
    source: str
    """What was measured, on what, or which data were fitted and how."""
    date: Annotated[datetime.date, Field(strict=False)]
    error: str | None = None
    """Known error against measurement, in words."""
    forward: ForwardPass
    limits: EngineLimits
    api: ApiServer
