"""Samples of one engine, whoever scraped them, and what they come to by the engine's table."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.controller.adapters import Aggregation
from tenbin_planner.controller.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tenbin_planner.controller.adapters import Adapter, Latency, Quantity, Series

_UNTOLD = ("untyped", "unknown")

Labels = dict[str, str]
Sample = tuple[Labels, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of one engine at one moment."""

    by_name: Mapping[str, list[Sample]]
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Type of each metric by its family; one that is missing is not known."""

    def of(self, series: Series, suffix: str = "") -> list[Sample]:
        """Return the samples that count as these series; none where they are said to be of another type."""
        declared = self.types.get(series.family, series.type)
        if declared not in (series.type, *_UNTOLD):
            return []
        return [
            (labels, value)
            for labels, value in self.by_name.get(series.name + suffix, [])
            if all(labels.get(key, "") == wanted for key, wanted in series.labels.items())
        ]


def names(adapter: Adapter, *, with_latencies: bool) -> set[str]:
    """Return the names of all samples that a table may need."""
    found = {series.name for quantity in adapter.quantities().values() for series in quantity.candidates}
    if with_latencies:
        found |= {f"{series.name}_bucket" for item in adapter.latencies().values() for series in item.candidates}
    return found


def quantities(samples: Samples, adapter: Adapter) -> Mapping[str, float | None]:
    """Return each quantity of the adapter by its name; None where there is no sample of it.

    Numbers are taken as they are, NaN and infinities included: what can be used is the decision's to say.
    """
    return {name: _value(item, samples, adapter.copied_over) for name, item in adapter.quantities().items()}


def latencies(samples: Samples, adapter: Adapter) -> Mapping[str, Histogram | None]:
    """Return each histogram of times of the adapter by its name, in ms; None where there is no sample of it."""
    return {name: _histogram(item, samples, adapter.copied_over) for name, item in adapter.latencies().items()}


def _value(quantity: Quantity, samples: Samples, copied_over: Collection[str]) -> float | None:
    for series in quantity.candidates:
        copies: dict[object, list[float]] = {}
        for index, (labels, value) in enumerate(samples.of(series)):
            copies.setdefault(_identity(labels, copied_over) if copied_over else index, []).append(value)
        if copies:
            total = _sum(_largest(values) for values in copies.values()) * series.scale
            return total / len(copies) if quantity.aggregation is Aggregation.MEAN else total
    return None


def _histogram(latency: Latency, samples: Samples, copied_over: Collection[str]) -> Histogram | None:
    for series in latency.candidates:
        ranks: dict[object, dict[float, list[float]]] = {}
        for labels, count in samples.of(series, "_bucket"):
            bound = number(labels.get("le", ""))
            if bound is None or math.isnan(bound):
                continue
            rank = ranks.setdefault(_identity(labels, ("le", *copied_over)), {})
            rank.setdefault(round(bound * series.scale, 6), []).append(count)
        bounds = sorted(set.intersection(*(set(rank) for rank in ranks.values()))) if ranks else []
        if bounds:
            counts = tuple(_sum(_largest(rank[bound]) for rank in ranks.values()) for bound in bounds)
            return Histogram(bounds=tuple(bounds), counts=counts)
    return None


def number(text: str) -> float | None:
    """Read a number as Prometheus writes it; None for anything else."""
    try:
        return float(text)
    except ValueError:
        return None


def _identity(labels: Labels, copied_over: Collection[str]) -> object:
    """Return what series have in common that differ in these labels alone."""
    return frozenset(item for item in labels.items() if item[0] not in copied_over)


def _largest(values: list[float]) -> float:
    """Return the largest number, NaN only where there is none."""
    return max(values, key=lambda value: (not math.isnan(value), value))


def _sum(values: Iterable[float]) -> float:
    """Add in an order that does not depend on that of the samples; what is too large is infinite."""
    return sum(sorted(values))
