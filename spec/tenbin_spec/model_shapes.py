"""What a model holds in memory: weights, and keys and values of each token of context."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from tenbin_spec.quantities import Frozen

_Billions = Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)]
_Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]


class Precision(enum.StrEnum):
    """How the weights of a model are stored."""

    BF16 = "bf16"
    FP8 = "fp8"
    MXFP4 = "mxfp4"
    """Four bits, with a scale of eight for each 32."""

    @property
    def bytes(self) -> float:
        """Bytes of a weight."""
        return {Precision.BF16: 2.0, Precision.FP8: 1.0, Precision.MXFP4: 4.25 / 8}[self]


class ModelShape(Frozen):
    """Sizes from a model's configuration; parameters in billions."""

    parameters: _Billions
    weights: Precision
    """Of most weights; what stays wider is left out, so that the sum is a lower bound."""
    active: _Billions | None = None
    """Read for one token, without the embeddings; None where nobody needed it."""
    active_16_bit: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.0
    """The part of it that stays in 16 bit whatever the weights: attention and head of models with MXFP4 experts."""
    layers: _Count
    kv_heads: _Count
    head_dim: _Count
    whole_layers: _Count | None = None
    """Layers whose attention sees the whole context, where the others have a window."""
    kv_bytes: Annotated[int, Field(strict=True, ge=1, le=4)] = 2
    """Bytes of a key or value at least; 1 where the model brings the scales for a cache in eight bits."""

    @property
    def mixture(self) -> bool:
        """Whether a token uses few of the parameters."""
        return self.active is not None and self.active < self.parameters / 2

    @property
    def kv_values_per_token(self) -> int:
        """Keys and values that a token of context leaves behind; a window is bounded, and not counted."""
        return 2 * (self.whole_layers or self.layers) * self.kv_heads * self.head_dim

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights."""
        return self.parameters * 1e9 * self.weights.bytes

    def context_bytes(self, tokens: int, accelerators: int = 1) -> float:
        """Return the bytes of keys and values of a request.

        Args:
            tokens: of its context.
            accelerators: that share its heads; each has at least one, so that more of them than heads keep copies.
        """
        copies = max(1.0, accelerators / self.kv_heads)
        return float(tokens * self.kv_values_per_token * self.kv_bytes) * copies
