"""Engine profiles: what a forward pass of (model, engine, accelerator, parallelism) costs, measured or derived."""

from __future__ import annotations

import datetime
import enum
from typing import Annotated

from pydantic import Field

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


class ForwardPass(Frozen):
    """Coefficients of the time of one forward pass, in milliseconds.

    time = base_ms + per_sequence_ms * decode sequences + per_kv_token_ms * KV tokens that these read
           + per_prefill_token_ms * prefill tokens
           + per_prefill_context_ms * sum over prefill chunks of tokens * (tokens computed before + tokens / 2)

    Linear in the memory that decodes read and in the prefill's matrix work, with the quadratic part of attention;
    all coefficients are at least 0, so that more work never takes less time.
    """

    base_ms: Coefficient
    per_sequence_ms: Coefficient
    per_kv_token_ms: Coefficient
    per_prefill_token_ms: Coefficient
    per_prefill_context_ms: Coefficient


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


class EngineProfile(Frozen):
    """Measured cost of a forward pass, from which latency and capacity follow."""

    name: Annotated[str, Text("[a-z0-9][a-z0-9._-]{0,99}", "a profile name", "h200-llama-3.1-8b")]
    model: str
    accelerator: str
    """Name in the catalogue of accelerators."""
    tensor_parallel: Annotated[int, Field(strict=True, ge=1, le=64)]
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
