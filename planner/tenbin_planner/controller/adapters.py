"""What engines call what the planner reads: one table per engine, names newest first.

A quantity that a page does not have under any of its names is absent, which is not 0. Names of vLLM: gauges
`kv_cache_usage_perc` (a share of 1 despite its name) since 0.9.2, `gpu_cache_usage_perc` until 0.11;
`num_requests_waiting_by_reason` since 0.20, where only the reason `capacity` says that the replica is short of room;
counters and sums of histograms as the Prometheus client writes them.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from tenbin_spec.engines import EngineKind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unit(enum.StrEnum):
    """Unit of a quantity."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    SHARE = "share"


class Aggregation(enum.StrEnum):
    """How series of one page become one number: an engine has one series per data-parallel rank."""

    SUM = "sum"
    MEAN = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """A metric, and the labels that its series must have to count."""

    name: str
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """Something that the planner wants to know of an engine."""

    candidates: tuple[Series, ...]
    """Newest first; the first that the page has counts."""
    unit: Unit
    aggregation: Aggregation = Aggregation.SUM


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapter:
    """How to read an engine."""

    path: str
    running: Quantity
    waiting: Quantity
    kv_usage: Quantity
    input_tokens: Quantity
    """Counter: prompt tokens of finished requests."""
    output_tokens: Quantity
    """Counter: answer tokens of finished requests."""
    finished: Quantity
    """Counter: finished requests."""
    generated: Quantity
    """Counter: answer tokens, those of unfinished requests included."""

    def quantities(self) -> Mapping[str, Quantity]:
        """Return all quantities by name."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in fields.items() if isinstance(value, Quantity)}


def _named(*names: str, unit: Unit, aggregation: Aggregation = Aggregation.SUM) -> Quantity:
    return Quantity(candidates=tuple(Series(name=name) for name in names), unit=unit, aggregation=aggregation)


VLLM = Adapter(
    path="/metrics",
    running=_named("vllm:num_requests_running", unit=Unit.REQUESTS),
    waiting=Quantity(
        candidates=(
            Series(name="vllm:num_requests_waiting_by_reason", labels={"reason": "capacity"}),
            Series(name="vllm:num_requests_waiting"),
        ),
        unit=Unit.REQUESTS,
    ),
    kv_usage=_named(
        "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", unit=Unit.SHARE, aggregation=Aggregation.MEAN
    ),
    input_tokens=_named("vllm:request_prompt_tokens_sum", unit=Unit.TOKENS),
    output_tokens=_named("vllm:request_generation_tokens_sum", unit=Unit.TOKENS),
    finished=_named("vllm:request_generation_tokens_count", "vllm:request_success_total", unit=Unit.REQUESTS),
    generated=_named("vllm:generation_tokens_total", "vllm:generation_tokens", unit=Unit.TOKENS),
)

ADAPTERS: Mapping[EngineKind, Adapter] = {EngineKind.VLLM: VLLM, EngineKind.SIMULATED: VLLM}
"""By engine; the simulated engine speaks as vLLM does."""
