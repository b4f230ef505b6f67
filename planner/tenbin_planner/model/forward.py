"""Time of one forward pass, from the coefficients of an engine profile.

    time = base + per_sequence * decode sequences + per_kv_token * KV tokens that these read
           + per_prefill_token * prefill tokens + per_prefill_context * prefill context

A *decode* yields one token of one sequence and reads the keys and values of all tokens before it: the batch shares one
reading of the weights (base), each sequence adds its own memory traffic. A *prefill chunk* computes many tokens at
once; its matrix work is linear in the tokens and its attention quadratic, which the prefill context counts: the sum
over chunks of tokens * (tokens computed before + tokens / 2). All coefficients are at least 0, so more work never
takes less time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from tenbin_spec.profiles import EngineProfile, ForwardPass

    Amount = TypeVar("Amount", float, np.ndarray)


def pass_ms(
    forward: ForwardPass,
    *,
    decode_sequences: Amount,
    kv_tokens: Amount,
    prefill_tokens: Amount,
    prefill_context: Amount,
) -> Amount:
    """Return the time of a forward pass in milliseconds.

    Args:
        forward: coefficients.
        decode_sequences: sequences that decode one token each; a number, or an array for many passes at once.
        kv_tokens: tokens of context that these read together, of the same shape.
        prefill_tokens: prompt tokens computed, of the same shape.
        prefill_context: sum over chunks of `chunk_context`, in tokens squared, of the same shape.

    Returns:
        Milliseconds, of the same shape. At least `base_ms`: a pass without work is not free.
    """
    return (
        forward.base_ms
        + forward.per_sequence_ms * decode_sequences
        + forward.per_kv_token_ms * kv_tokens
        + forward.per_prefill_token_ms * prefill_tokens
        + forward.per_prefill_context_ms * prefill_context
    )


def chunk_context(tokens: float, computed: float) -> float:
    """Return the attention work of a prefill chunk in tokens squared.

    Each of the chunk's `tokens` attends to the `computed` tokens before it and, on average, to half of its own chunk.
    """
    return tokens * (computed + tokens / 2)


def longest_pass_ms(profile: EngineProfile) -> float:
    """Return a time that no pass within the profile's limits exceeds, in milliseconds."""
    limits = profile.limits
    return pass_ms(
        profile.forward,
        decode_sequences=float(min(limits.max_num_seqs, limits.max_num_batched_tokens)),
        kv_tokens=float(limits.kv_tokens),
        prefill_tokens=float(limits.max_num_batched_tokens),
        prefill_context=float(limits.max_num_batched_tokens) * limits.max_model_len,
    )
