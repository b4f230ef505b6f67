"""Profiles whose passes can be computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tenbin_spec.profiles import EngineProfile

if TYPE_CHECKING:
    from collections.abc import Callable


def _profile(**changes: Any) -> EngineProfile:
    """A pass takes 10 ms + 1 ms per decode + 0.1 ms per prompt token; context and API process are free.

    Changes are coefficients of straight lines, whole curves, limits, or times of the API process.
    """
    cost = {
        "base_ms": 10.0,
        "per_sequence_ms": 1.0,
        "per_kv_token_ms": 0.0,
        "per_prefill_token_ms": 0.1,
        "per_prefill_context_ms": 0.0,
    }
    limits = {
        "max_num_seqs": 4,
        "max_num_batched_tokens": 100,
        "kv_blocks": 100,
        "block_size": 10,
        "max_model_len": 500,
    }
    api = {"per_request_ms": 0.0, "per_output_token_ms": 0.0, "first_token_ms": 0.0}
    for part in (cost, limits, api):
        part.update({name: changes.pop(name) for name in list(changes) if name in part})
    curves = {name: changes.pop(name) for name in ("decode_ms", "kv_ms", "prefill_ms") if name in changes}
    assert not changes, f"no such coefficients or limits: {sorted(changes)}"
    return EngineProfile.model_validate(
        {
            "name": "by-hand",
            "model": "m",
            "accelerator": "L4",
            "tensor_parallel": 1,
            "engine": "vllm",
            "engine_version": "0.23.0",
            "kind": "synthetic",
            "source": "round numbers",
            "date": "2026-11-24",
            "forward": {
                "decode_ms": _line(cost["base_ms"], cost["per_sequence_ms"]),
                "kv_ms": _line(0.0, cost["per_kv_token_ms"]),
                "prefill_ms": _line(0.0, cost["per_prefill_token_ms"]),
                "per_prefill_context_ms": cost["per_prefill_context_ms"],
                **curves,
            },
            "limits": limits,
            "api": api,
        }
    )


def _line(start_ms: float, per_unit_ms: float) -> list[tuple[int, float]]:
    """Return the curve that rises by so much per unit of work."""
    return [(0, start_ms), (1000, start_ms + 1000 * per_unit_ms)]


@pytest.fixture(scope="session")
def by_hand() -> Callable[..., EngineProfile]:
    return _profile
