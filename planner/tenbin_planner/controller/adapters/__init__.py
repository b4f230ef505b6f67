"""What engines call what the planner reads: one table per engine, names newest first.

A quantity that a page does not have under any of its names is absent, which is not 0. To support a version that renames
a metric, put the new name first and leave the old ones: engines of several versions run side by side in an update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec.engines import EngineKind

from tenbin_planner.controller.adapters.dynamo import DYNAMO_FRONTEND
from tenbin_planner.controller.adapters.nim import NIM
from tenbin_planner.controller.adapters.sglang import SGLANG
from tenbin_planner.controller.adapters.table import (
    Adapter,
    Aggregation,
    Latency,
    MetricType,
    Quantity,
    Series,
    Unit,
)
from tenbin_planner.controller.adapters.tensorrt_llm import TENSORRT_LLM
from tenbin_planner.controller.adapters.vllm import VLLM

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ADAPTERS",
    "DYNAMO_FRONTEND",
    "NIM",
    "SGLANG",
    "TABLES",
    "TENSORRT_LLM",
    "VLLM",
    "Adapter",
    "Aggregation",
    "Latency",
    "MetricType",
    "Quantity",
    "Series",
    "Unit",
]

TABLES: Mapping[str, Adapter] = {
    "vllm": VLLM,
    "sglang": SGLANG,
    "tensorrt-llm": TENSORRT_LLM,
    "nim": NIM,
    "dynamo-frontend": DYNAMO_FRONTEND,
}
"""Every table, by the name of its engine: also of engines that `EngineKind` does not have yet and a service therefore
cannot ask for."""

ADAPTERS: Mapping[EngineKind, Adapter] = {EngineKind.VLLM: VLLM, EngineKind.SIMULATED: VLLM}
"""By the engine of a service; the simulated engine speaks as vLLM does."""
