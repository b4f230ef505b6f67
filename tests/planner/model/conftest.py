"""Profiles whose passes can be computed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tenbin_spec.profiles import EngineProfile

if TYPE_CHECKING:
    from collections.abc import Callable


def _profile(**changes: Any) -> EngineProfile:
    """A pass takes 10 ms + 1 ms per decode + 0.1 ms per prompt token; context and API process are free."""
    forward = {
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
    api = {"per_request_ms": 0.0, "per_output_token_ms": 0.0}
    for part in (forward, limits, api):
        part.update({name: changes.pop(name) for name in list(changes) if name in part})
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
            "forward": forward,
            "limits": limits,
            "api": api,
        }
    )


@pytest.fixture(scope="session")
def by_hand() -> Callable[..., EngineProfile]:
    return _profile
