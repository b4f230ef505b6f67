"""Reads a page in the Prometheus text format, only the lines that are wanted: pages are long, and few lines matter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenbin_planner.controller import samples
from tenbin_planner.controller.samples import Labels, Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tenbin_planner.controller.adapters import Adapter
    from tenbin_planner.controller.histograms import Histogram

_END_OF_NAME = re.compile(r"[{\s]")
_NAME, _TEXT = r"[a-zA-Z_][a-zA-Z0-9_]*+", r'"(?:[^"\\]|\\.)*+"'
_LABELS = re.compile(rf"\s*+\{{((?:\s*+{_NAME}\s*+=\s*+{_TEXT}\s*+(?:,|(?=\}})))*+)\s*+\}}")
"""Takes nothing back once it has matched: a page of one long line of nonsense is read in one pass."""
_LABEL = re.compile(rf"({_NAME})\s*+=\s*+({_TEXT})")


def read(text: str, adapter: Adapter) -> Mapping[str, float | None]:
    """Return each quantity of the adapter by its name; None where the page does not have it."""
    return samples.quantities(parse(text, samples.names(adapter, with_latencies=False)), adapter)


def read_latencies(text: str, adapter: Adapter) -> Mapping[str, Histogram | None]:
    """Return each histogram of times of the adapter by its name, in ms; None where the page does not have it."""
    return samples.latencies(parse(text, samples.names(adapter, with_latencies=True)), adapter)


def parse(text: str, names: Collection[str]) -> Samples:
    """Return the samples of these names, and the types that the page declares."""
    types: dict[str, str] = {}
    found: dict[str, list[Sample]] = {}
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
                found.setdefault(name, []).append(sample)
    return Samples(by_name=found, types=types)


def _sample(rest: str) -> Sample | None:
    """Read what follows a name: labels, a value, perhaps a time stamp and an example."""
    labels: Labels = {}
    found = _LABELS.match(rest)
    if found:
        labels = {name: text[1:-1] for name, text in _LABEL.findall(found[1])}
        rest = rest[found.end() :]
    words = rest.partition("#")[0].split()
    value = samples.number(words[0]) if 1 <= len(words) <= 2 else None
    return None if value is None else (labels, value)
