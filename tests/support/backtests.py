"""Scenarios of the back-test whose numbers can be told by hand; each test changes one thing."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from tenbin_planner import traces
from tenbin_planner.backtest import stackless
from tenbin_planner.backtest.scenario import Scenario
from tenbin_spec.objectives import Objective
from tenbin_spec.profiles import EngineProfile

from support import planning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

SERVICE, WORKLOAD = stackless.SERVICE, stackless.WORKLOAD
HOURLY_USD = Decimal("3.60")
"""A tenth of a cent per second."""
LEAD_S = 30


def profile(**limits: int) -> EngineProfile:
    """A pass takes 10 ms, and 0.1 ms more per prompt token; eight sequences at once."""
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
                "decode_ms": [(0, 10.0), (1000, 10.0)],
                "kv_ms": [(0, 0.0), (1000, 0.0)],
                "prefill_ms": [(0, 0.0), (1000, 100.0)],
                "per_prefill_context_ms": 0.0,
            },
            "limits": {
                "max_num_seqs": 8,
                "max_num_batched_tokens": 1000,
                "kv_blocks": 10_000,
                "block_size": 10,
                "max_model_len": 5000,
                **limits,
            },
            "api": {"per_request_ms": 0.0, "per_output_token_ms": 0.0, "first_token_ms": 0.0},
        }
    )


def trace(arrival_s: ArrayLike, *, input_tokens: int = 100, output_tokens: int = 100, **more: Any) -> traces.Trace:
    """Requests of the same lengths: alone, a prompt of 100 takes 20 ms and each further token 10 ms."""
    count = np.asarray(arrival_s).size
    return traces.Trace.of(
        name="by-hand",
        arrival_s=arrival_s,
        input_tokens=[input_tokens] * count,
        output_tokens=[output_tokens] * count,
        **more,
    )


def every(gap_s: float, until_s: float) -> traces.Trace:
    """One request in each gap, the first in the middle of it."""
    return trace(np.arange(gap_s / 2, until_s, gap_s))


def terms(**changes: Any) -> stackless.Terms:
    plain: dict[str, Any] = {
        "profile": profile(),
        "hourly_usd": HOURLY_USD,
        "objectives": {"": Objective(target=Decimal("0.95"), ttft_ms=100)},
        "lead_s": LEAD_S,
        "min_replicas": 1,
        "max_replicas": 8,
        "interval_s": 5,
    }
    return stackless.Terms(**{**plain, **changes})


def scenario(requests: traces.Trace, *, agreed: Mapping[str, Any] | None = None, **more: Any) -> Scenario:
    """Return a scenario of one service; `agreed` changes its terms, the rest its fields."""
    return stackless.scenario(terms(**(agreed or {})), requests, name="by-hand", **more)


def two_pools(requests: traces.Trace, **more: Any) -> Scenario:
    """Return a scenario of the service of `planning` on a small cheap spot pool and a large dear one."""
    return Scenario(name="two-pools", document=planning.document(), traces={"chat": requests}, **more)
