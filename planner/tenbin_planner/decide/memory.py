"""What is carried from one decision to the next; plain values, bounded in size, and written down between ticks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

VERSION = 1
BIN_S = 5
"""Length of a remembered bin of arrivals, in seconds."""
MOST_BINS = 360
"""Bins remembered per service: half an hour."""
MOST_NEEDS = 400
"""Ticks whose need is remembered per service."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Need:
    """What a service needed at a moment before."""

    at: float
    rate: float
    """Requests per second that the fleet had to be able to serve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceMemory:
    """What is remembered of a service."""

    bins: Mapping[int, int] = dataclasses.field(default_factory=dict)
    """Arrivals in each complete bin, by the bin's start divided by `BIN_S`; a missing bin is unknown."""
    needs: tuple[Need, ...] = ()
    """Oldest first."""
    observed_s: float = 0.0
    """Seconds for which demand has been observed, over all lives of the planner, up to a day."""
    input_step: int = 0
    """Observed input lengths as steps from the declared ones; see `capacity.LENGTH_STEP`."""
    output_step: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkloadMemory:
    """What is remembered of a workload."""

    written: int | None = None
    """Count that this planner asked for last."""
    closed_until: float = 0.0
    """Nothing is bought here until then, since replicas found no node."""
    closed_for_s: float = 0.0
    """How long it was closed the last time; doubles each time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """Everything that a decision takes from the past."""

    at: float = 0.0
    """Time of the last decision; 0 before the first."""
    services: Mapping[str, ServiceMemory] = dataclasses.field(default_factory=dict)
    workloads: Mapping[str, WorkloadMemory] = dataclasses.field(default_factory=dict)

    def service(self, name: str) -> ServiceMemory:
        """Return what is remembered of a service."""
        return self.services.get(name, ServiceMemory())

    def workload(self, name: str) -> WorkloadMemory:
        """Return what is remembered of a workload."""
        return self.workloads.get(name, WorkloadMemory())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "version": VERSION,
            "at": self.at,
            "services": {
                name: {
                    "bins": {str(start): count for start, count in sorted(item.bins.items())},
                    "needs": [[need.at, need.rate] for need in item.needs],
                    "observed_s": item.observed_s,
                    "input_step": item.input_step,
                    "output_step": item.output_step,
                }
                for name, item in sorted(self.services.items())
            },
            "workloads": {name: dataclasses.asdict(item) for name, item in sorted(self.workloads.items())},
        }


def merge(saved: Memory, own: Memory | None) -> Memory:
    """Return what was saved, with the arrivals that this planner saw itself while it did not lead."""
    if own is None:
        return saved
    services = {
        name: dataclasses.replace(
            saved.service(name),
            bins=dict(sorted({**saved.service(name).bins, **own.service(name).bins}.items())[-MOST_BINS:]),
            needs=max(saved.service(name).needs, own.service(name).needs, key=_last),
        )
        for name in sorted({*saved.services, *own.services})
    }
    return dataclasses.replace(saved, services=services)


def _last(needs: tuple[Need, ...]) -> float:
    return needs[-1].at if needs else 0.0


def from_plain(plain: Mapping[str, Any]) -> Memory:
    """Read what `Memory.to_plain` wrote.

    Raises:
        ValueError: when it is of another version or not of this shape.
    """
    try:
        if plain["version"] != VERSION:
            raise ValueError(f"memory of version {plain['version']!r}; this program reads {VERSION}")
        return Memory(
            at=_finite(plain["at"]),
            services={str(name): _service(item) for name, item in plain["services"].items()},
            workloads={str(name): _workload(item) for name, item in plain["workloads"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"memory is not of the shape that this program writes: {error!r}") from error


def _service(plain: Mapping[str, Any]) -> ServiceMemory:
    return ServiceMemory(
        bins={int(start): int(_finite(count)) for start, count in plain["bins"].items()},
        needs=tuple(Need(at=_finite(at), rate=_finite(rate)) for at, rate in plain["needs"]),
        observed_s=_finite(plain["observed_s"]),
        input_step=int(plain["input_step"]),
        output_step=int(plain["output_step"]),
    )


def _workload(plain: Mapping[str, Any]) -> WorkloadMemory:
    written = plain["written"]
    return WorkloadMemory(
        written=None if written is None else int(written),
        closed_until=_finite(plain["closed_until"]),
        closed_for_s=_finite(plain["closed_for_s"]),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"memory holds {value!r} where a finite number belongs")
    return number
