"""Where the planner reads what engines say of themselves."""

from __future__ import annotations

import enum
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Frozen, Text

_EXAMPLE = "http://prometheus.monitoring:9090"
_LABEL = Text("[a-zA-Z_][a-zA-Z0-9_]{0,127}", "a label of Prometheus", "cluster")


class MetricsSource(enum.StrEnum):
    """Who scrapes the engines that the planner reads."""

    SCRAPE = "scrape"
    """The planner itself, at every tick."""
    PROMETHEUS = "prometheus"
    """A Prometheus, or what answers its HTTP API; the planner asks it once a tick, for all engines together."""


class EngineMetrics(Frozen):
    """The source of engine metrics."""

    source: MetricsSource = MetricsSource.SCRAPE
    url: (
        Annotated[
            str,
            Text(
                r"https?://[A-Za-z0-9.-]{1,253}(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~/-]{0,512})?",
                "the address of a Prometheus, without user, query or fragment",
                _EXAMPLE,
            ),
        ]
        | None
    ) = None
    """Address of the Prometheus, up to `/api/v1/query`."""
    scrape_interval_s: Annotated[int, Field(strict=True, ge=1, le=300)] = 15
    """Seconds between two scrapes of an engine by that Prometheus; a sample three times as old is no longer used."""
    labels: dict[Annotated[str, _LABEL], str] = Field(default_factory=dict)
    """Labels that tell this cluster's series from those of others in the same Prometheus."""

    @model_validator(mode="after")
    def _has_what_its_source_needs(self) -> Self:
        if self.source is MetricsSource.PROMETHEUS:
            if self.url is None:
                raise ValueError(f"source 'prometheus' needs a url, and there is none, for example url: {_EXAMPLE}")
            return self
        given = [
            f"{name} {value!r}"
            for name, value in self
            if name != "source" and value != type(self).model_fields[name].get_default(call_default_factory=True)
        ]
        if given:
            raise ValueError(f"{', '.join(given)}: not allowed with source 'scrape'. Allowed: source 'prometheus'")
        return self
