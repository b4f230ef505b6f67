"""Reads a page in the Prometheus text format, only the lines that are wanted: pages are long, and few lines matter."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

from tenbin_planner.controller.adapters import Aggregation
from tenbin_planner.controller.histograms import Histogram

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tenbin_planner.controller.adapters import Adapter, Latency, Quantity, Series

_END_OF_NAME = re.compile(r"[{\s]")
_NAME, _TEXT = r"[a-zA-Z_][a-zA-Z0-9_]*+", r'"(?:[^"\\]|\\.)*+"'
_LABELS = re.compile(rf"\s*+\{{((?:\s*+{_NAME}\s*+=\s*+{_TEXT}\s*+(?:,|(?=\}})))*+)\s*+\}}")
"""Takes nothing back once it has matched: a page of one long line of nonsense is read in one pass."""
_LABEL = re.compile(rf"({_NAME})\s*+=\s*+({_TEXT})")
_UNTOLD = ("untyped", "unknown")

Labels = dict[str, str]
Sample = tuple[Labels, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Page:
    types: Mapping[str, str]
    samples: Mapping[str, list[Sample]]

    def of(self, series: Series, suffix: str = "") -> list[Sample]:
        """Return the samples that count as these series; none where the page says that they are of another type."""
        declared = self.types.get(series.family, series.type)
        if declared not in (series.type, *_UNTOLD):
            return []
        return [
            (labels, value)
            for labels, value in self.samples.get(series.name + suffix, [])
            if all(labels.get(key, "") == wanted for key, wanted in series.labels.items())
        ]


def read(text: str, adapter: Adapter) -> Mapping[str, float | None]:
    """Return each quantity of the adapter by its name; None where the page does not have it.

    Numbers are taken as they are, NaN and infinities included: what can be used is the decision's to say.
    """
    quantities = adapter.quantities()
    page = _parse(text, {series.name for quantity in quantities.values() for series in quantity.candidates})
    return {name: _value(quantity, page, adapter.copied_over) for name, quantity in quantities.items()}


def read_latencies(text: str, adapter: Adapter) -> Mapping[str, Histogram | None]:
    """Return each histogram of times of the adapter by its name, in ms; None where the page does not have it."""
    latencies = adapter.latencies()
    page = _parse(text, {f"{series.name}_bucket" for item in latencies.values() for series in item.candidates})
    return {name: _histogram(item, page, adapter.copied_over) for name, item in latencies.items()}


def _parse(text: str, names: Collection[str]) -> _Page:
    types: dict[str, str] = {}
    samples: dict[str, list[Sample]] = {}
    for line in text.split("\n"):
        if line.startswith("#"):
            words = line.split()
            if len(words) == 4 and words[1] == "TYPE":
                types[words[2]] = words[3]
            continue
        name = _END_OF_NAME.split(line, maxsplit=1)[0]
        if name in names:
            sample = _sample(line[len(name) :])
            if sample is not None:
                samples.setdefault(name, []).append(sample)
    return _Page(types=types, samples=samples)


def _sample(rest: str) -> Sample | None:
    """Read what follows a name: labels, a value, perhaps a time stamp and an example."""
    labels: Labels = {}
    found = _LABELS.match(rest)
    if found:
        labels = {name: text[1:-1] for name, text in _LABEL.findall(found[1])}
        rest = rest[found.end() :]
    words = rest.partition("#")[0].split()
    value = _number(words[0]) if 1 <= len(words) <= 2 else None
    return None if value is None else (labels, value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _value(quantity: Quantity, page: _Page, copied_over: Collection[str]) -> float | None:
    for series in quantity.candidates:
        copies: dict[object, list[float]] = {}
        for index, (labels, value) in enumerate(page.of(series)):
            copies.setdefault(_identity(labels, copied_over) if copied_over else index, []).append(value)
        if copies:
            total = _sum(_largest(values) for values in copies.values()) * series.scale
            return total / len(copies) if quantity.aggregation is Aggregation.MEAN else total
    return None


def _histogram(latency: Latency, page: _Page, copied_over: Collection[str]) -> Histogram | None:
    for series in latency.candidates:
        ranks: dict[object, dict[float, list[float]]] = {}
        for labels, count in page.of(series, "_bucket"):
            bound = _number(labels.get("le", ""))
            if bound is None or math.isnan(bound):
                continue
            rank = ranks.setdefault(_identity(labels, ("le", *copied_over)), {})
            rank.setdefault(round(bound * series.scale, 6), []).append(count)
        bounds = sorted(set.intersection(*(set(rank) for rank in ranks.values()))) if ranks else []
        if bounds:
            counts = tuple(_sum(_largest(rank[bound]) for rank in ranks.values()) for bound in bounds)
            return Histogram(bounds=tuple(bounds), counts=counts)
    return None


def _identity(labels: Labels, copied_over: Collection[str]) -> object:
    """Return what series have in common that differ in these labels alone."""
    return frozenset(item for item in labels.items() if item[0] not in copied_over)


def _largest(values: list[float]) -> float:
    """Return the largest number, NaN only where there is none."""
    return max(values, key=lambda value: (not math.isnan(value), value))


def _sum(values: Iterable[float]) -> float:
    """Add in an order that does not depend on the page's; what is too large is infinite."""
    return sum(sorted(values))
