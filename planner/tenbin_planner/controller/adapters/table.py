"""What a table of an engine's metrics is made of. A table is data alone; `samples` reads by it."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unit(enum.StrEnum):
    """Unit of a quantity, whatever the engine writes."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    SHARE = "share"
    """0 to 1, never percent."""


class MetricType(enum.StrEnum):
    """Type of a metric, as a page declares it in its `# TYPE` lines."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Aggregation(enum.StrEnum):
    """How the series of one page become one number: an engine has one series per data-parallel rank."""

    SUM = "sum"
    MEAN = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """A metric by one of its names, and the labels that its series must have to count.

    A metric that the page declares with another type is something else and does not count.
    """

    name: str
    """As the page writes it, with `_total`, `_sum` or `_count`; a whole histogram has the name of its family."""
    type: MetricType
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """A label that a series lacks is the same as an empty one, as everywhere in Prometheus."""
    scale: float = 1.0
    """Factor from the engine's unit to ours: 0.01 from percent to a share, 1000 from seconds to milliseconds. It
    applies to the value, and to the bucket bounds of a whole histogram."""

    @property
    def family(self) -> str:
        """Name that a `# TYPE` line gives this metric."""
        if self.type is not MetricType.HISTOGRAM:
            return self.name
        return self.name.removesuffix("_sum").removesuffix("_count")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number that the planner wants to know of an engine."""

    unit: Unit
    candidates: tuple[Series, ...] = ()
    """Newest first; the first that the page has counts. Empty where the engine never says it."""
    aggregation: Aggregation = Aggregation.SUM

    def or_else(self, older: tuple[Series, ...]) -> Quantity:
        """Return the same quantity with further candidates, older than all that it has."""
        return dataclasses.replace(self, candidates=self.candidates + older)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """A histogram of times, its bounds in milliseconds; the series of one page are added."""

    candidates: tuple[Series, ...] = ()
    """As those of a quantity."""

    def or_else(self, older: tuple[Series, ...]) -> Latency:
        """Return the same histogram with further candidates, older than all that it has."""
        return Latency(candidates=self.candidates + older)


_TOKENS = Quantity(unit=Unit.TOKENS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adapter:
    """How to read an engine."""

    paths: tuple[str, ...]
    """Where its page may be, newest version first."""
    port: int | None = None
    """Port of the page; None for the port on which the pod serves requests."""
    copied_over: tuple[str, ...] = ()
    """Labels of ranks that all report the same: of series that differ in nothing else, the largest counts, once."""

    running: Quantity
    """Requests in execution."""
    waiting: Quantity
    """Requests that wait for capacity."""
    kv_usage: Quantity
    """Share of the KV cache in use."""
    input_tokens: Quantity
    """Counter: prompt tokens of finished requests."""
    output_tokens: Quantity
    """Counter: answer tokens of finished requests."""
    finished: Quantity
    """Counter: finished requests."""
    generated: Quantity
    """Counter: answer tokens, those of unfinished requests included where the engine tells."""
    prefix_queried: Quantity = _TOKENS
    """Counter: prompt tokens that were looked up in the prefix cache."""
    prefix_hit: Quantity = _TOKENS
    """Counter: those of them that were found."""

    ttft_ms: Latency = Latency()
    tpot_ms: Latency = Latency()
    """One observation per request: its mean time per token after the first. Times between single tokens are `itl_ms`,
    and say nothing of an objective for requests."""
    itl_ms: Latency = Latency()
    e2e_ms: Latency = Latency()

    def quantities(self) -> Mapping[str, Quantity]:
        """Return all quantities by name."""
        return {name: value for name, value in self._fields().items() if isinstance(value, Quantity)}

    def latencies(self) -> Mapping[str, Latency]:
        """Return all histograms of times by name."""
        return {name: value for name, value in self._fields().items() if isinstance(value, Latency)}

    def _fields(self) -> Mapping[str, object]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def gauges(*names: str, **labels: str) -> tuple[Series, ...]:
    """Return gauges of these names, newest first, all with these labels."""
    return tuple(Series(name=name, type=MetricType.GAUGE, labels=labels) for name in names)


def counters(*names: str, **labels: str) -> tuple[Series, ...]:
    """Return counters of these names, newest first, all with these labels."""
    return tuple(Series(name=name, type=MetricType.COUNTER, labels=labels) for name in names)


def parts(*names: str) -> tuple[Series, ...]:
    """Return sums or counts of histograms, which are counters, newest first."""
    return tuple(Series(name=name, type=MetricType.HISTOGRAM) for name in names)


def seconds(*families: str) -> tuple[Series, ...]:
    """Return whole histograms whose engine writes bounds in seconds, newest first."""
    return tuple(Series(name=name, type=MetricType.HISTOGRAM, scale=1000.0) for name in families)
