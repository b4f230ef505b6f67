"""What goes wrong in a scenario, as data; the world applies it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blind:
    """Nothing of gateways and engines is heard for a while; the cluster itself still answers."""

    at_s: float
    for_s: float

    def hides(self, instant_s: float) -> bool:
        """Tell whether nothing is heard at an instant."""
        return self.at_s <= instant_s < self.at_s + self.for_s


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loss:
    """Nodes of a share of the ready replicas of each service stop answering at once; requests in them fail.

    As in Kubernetes a lost node is noticed after a while, and its replica is given up and replaced after another.
    """

    at_s: float
    share: float
    """Of the ready replicas of each service, rounded to the nearest whole number, halves up."""
    noticed_s: float = 40.0
    """From the loss until the cluster says so (`node-monitor-grace-period`)."""
    evicted_s: float = 340.0
    """From the loss until the replica is given up (default toleration of 300 s); it costs until then."""

    def count(self, ready: int) -> int:
        """Return how many of so many ready replicas are lost."""
        return min(ready, math.floor(self.share * ready + 0.5))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlowStarts:
    """Replicas asked for from an instant on take a multiple of their lead time."""

    at_s: float
    factor: float
    for_s: float = math.inf
    pool: str | None = None
    """None: every pool."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoNodes:
    """A pool gives no nodes for a while: replicas asked for meanwhile wait."""

    at_s: float
    for_s: float
    pool: str

    @property
    def end_s(self) -> float:
        """When it gives nodes again."""
        return self.at_s + self.for_s


Fault = Blind | Loss | SlowStarts | NoNodes


def problems(faults: Sequence[Fault], pools: Iterable[str]) -> list[str]:
    """Say what is wrong with faults: times that are none, shares beyond 1, pools that are unknown."""
    known, found = sorted(pools), []
    for index, fault in enumerate(faults):
        place = f"faults[{index}]"
        for field in dataclasses.fields(fault):
            value = getattr(fault, field.name)
            if isinstance(value, int | float) and not value >= 0:
                found.append(f"{place}: {field.name} is {value}; allowed is 0 or more")
        if isinstance(fault, Loss) and not fault.share <= 1:
            found.append(f"{place}: share is {fault.share}; allowed is 0 to 1")
        pool = getattr(fault, "pool", None)
        if pool is not None and pool not in known:
            found.append(f"{place}: pool is {pool!r}; allowed is one of {', '.join(known)}")
    return found


def is_blind(faults: Iterable[Fault], instant_s: float) -> bool:
    """Tell whether nothing is heard at an instant."""
    return any(isinstance(fault, Blind) and fault.hides(instant_s) for fault in faults)


def lead_factor(faults: Iterable[Fault], pool: str, instant_s: float) -> float:
    """Return the factor on the lead time of what a pool is asked for at an instant."""
    return math.prod(
        fault.factor
        for fault in faults
        if isinstance(fault, SlowStarts)
        and fault.pool in (None, pool)
        and fault.at_s <= instant_s < fault.at_s + fault.for_s
    )


def has_nodes(faults: Iterable[Fault], pool: str, instant_s: float) -> bool:
    """Tell whether a pool gives nodes at an instant."""
    return not any(
        isinstance(fault, NoNodes) and fault.pool == pool and fault.at_s <= instant_s < fault.end_s for fault in faults
    )
