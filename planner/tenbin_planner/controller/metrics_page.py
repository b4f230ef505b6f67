"""Reads a page in the Prometheus text format, only the lines that are wanted: pages are long, and few lines matter."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from tenbin_planner.controller.adapters import Aggregation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.controller.adapters import Adapter, Quantity

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

Samples = dict[str, list[tuple[dict[str, str], float]]]


def read(page: str, adapter: Adapter) -> Mapping[str, float | None]:
    """Return each quantity of the adapter by its name; None where the page does not have it.

    Numbers are taken as they are, NaN and infinities included: what can be used is the decision's to say.
    """
    quantities = adapter.quantities()
    names = {series.name for quantity in quantities.values() for series in quantity.candidates}
    samples = _samples(page, names)
    return {name: _value(quantity, samples) for name, quantity in quantities.items()}


def _samples(page: str, names: set[str]) -> Samples:
    found: Samples = {}
    for line in page.splitlines():
        if not line or line[0] == "#":
            continue
        end = next((index for index, sign in enumerate(line) if sign in "{ \t"), len(line))
        name = line[:end]
        if name not in names:
            continue
        labels, rest = {}, line[end:]
        if rest.startswith("{"):
            inside, brace, rest = rest[1:].rpartition("}")
            if not brace:
                continue
            labels = dict(_LABEL.findall(inside))
        value = _number(rest)
        if value is not None:
            found.setdefault(name, []).append((labels, value))
    return found


def _number(text: str) -> float | None:
    parts = text.split()
    try:
        return float(parts[0]) if 1 <= len(parts) <= 2 else None
    except ValueError:
        return None


def _value(quantity: Quantity, samples: Samples) -> float | None:
    for series in quantity.candidates:
        values = [
            value
            for labels, value in samples.get(series.name, [])
            if all(labels.get(key) == wanted for key, wanted in series.labels.items())
        ]
        if values:
            total = math.fsum(values) if all(math.isfinite(value) for value in values) else sum(values)
            return total / len(values) if quantity.aggregation is Aggregation.MEAN else total
    return None
