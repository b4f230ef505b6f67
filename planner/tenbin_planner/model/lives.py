"""When replicas serve: fixed, after a start-up that takes its time, until a drain, a death or a spot interruption."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from tenbin_spec.profiles import EngineProfile

Z95 = 1.6448536269514722
"""95th percentile of the standard normal distribution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplicaLife:
    """When one replica serves, in seconds of the simulation."""

    profile: EngineProfile
    ready_s: float = 0.0
    """It takes requests from then on."""
    stop_s: float = math.inf
    """The router sends it none from then on; it finishes what it has."""
    kill_s: float = math.inf
    """It is gone; requests in it fail."""

    def __post_init__(self) -> None:
        """Refuse instants that are none.

        Raises:
            ValueError: naming each.
        """
        instants = {"ready_s": self.ready_s, "stop_s": self.stop_s, "kill_s": self.kill_s}
        problems = [f"{name} is nan; allowed is a number" for name, instant in instants.items() if math.isnan(instant)]
        if problems:
            raise ValueError("; ".join(problems))


def fixed(profile: EngineProfile, replicas: int) -> list[ReplicaLife]:
    """Return replicas that serve from the start to the end."""
    return [ReplicaLife(profile=profile)] * replicas


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeadTime:
    """Time from asking for a replica until it serves: log-normal by its median and 95th percentile.

    Raises:
        ValueError: unless 0 <= median <= 95th percentile < infinity.
    """

    median_s: float
    p95_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.median_s <= self.p95_s < math.inf:
            raise ValueError(
                f"median_s {self.median_s}, p95_s {self.p95_s}; allowed are finite numbers, 0 <= median_s <= p95_s"
            )

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one lead time in seconds."""
        if self.median_s in {0, self.p95_s}:
            return self.median_s
        sigma = math.log(self.p95_s / self.median_s) / Z95
        return self.median_s * math.exp(sigma * float(rng.standard_normal()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reclaim:
    """The market takes a share of a pool's nodes back at once, and gives it none for a while."""

    at_s: float
    """The warning comes then."""
    share: float
    """Of the nodes that the pool has, 0 to 1."""
    drought_s: float
    """Seconds from the warning on in which the pool gets no new node."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpotMarket:
    """Interruptions of spot capacity, each announced for a while before the node is gone.

    Two Poisson processes: each node is interrupted on its own, and the pool as a whole loses a share of its nodes at
    once, as when demand for its instance type rises, after which new ones are hard to get.

    Raises:
        ValueError: naming each number that cannot be.
    """

    interruptions_per_hour: float = 0.0
    """Of one node on its own."""
    notice_s: float = 120.0
    """Warning before the node is gone (EC2: two minutes); its replicas drain meanwhile."""
    reclaims_per_hour: float = 0.0
    """Of the pool as a whole."""
    reclaim_share: tuple[float, float] = (0.3, 0.8)
    """Least and most of the pool's nodes that one of these takes; drawn evenly between."""
    drought_s: tuple[float, float] = (0.0, 0.0)
    """Least and most seconds without new nodes after one of these; drawn evenly between."""

    def __post_init__(self) -> None:
        numbers = {
            "interruptions_per_hour": self.interruptions_per_hour,
            "notice_s": self.notice_s,
            "reclaims_per_hour": self.reclaims_per_hour,
        }
        problems = [
            f"{name} is {number}; allowed is a finite number of 0 or more"
            for name, number in numbers.items()
            if not 0 <= number < math.inf
        ]
        low, high = self.reclaim_share
        if not 0 <= low <= high <= 1:
            problems.append(f"reclaim_share is {low} to {high}; allowed are rising shares, 0 to 1")
        low, high = self.drought_s
        if not 0 <= low <= high < math.inf:
            problems.append(f"drought_s is {low} to {high}; allowed are rising finite numbers of 0 or more")
        if problems:
            raise ValueError("; ".join(problems))

    def interrupt(self, life: ReplicaLife, rng: np.random.Generator) -> ReplicaLife:
        """Return a life that ends at the interruption drawn for its node alone, if that comes before its own end."""
        if self.interruptions_per_hour == 0:
            return life
        notice = life.ready_s + 3600 / self.interruptions_per_hour * float(rng.standard_exponential())
        return dataclasses.replace(
            life, stop_s=min(life.stop_s, notice), kill_s=min(life.kill_s, notice + self.notice_s)
        )

    def reclaims(self, end_s: float, rng: np.random.Generator) -> tuple[Reclaim, ...]:
        """Draw what is taken of the pool as a whole before `end_s`, in the order of time.

        It depends on the random numbers alone: whoever uses the pool, the same happens to it.
        """
        found: list[Reclaim] = []
        at_s = 0.0
        while self.reclaims_per_hour > 0:
            at_s += 3600 / self.reclaims_per_hour * float(rng.standard_exponential())
            if at_s >= end_s:
                break
            share, drought_s = float(rng.uniform(*self.reclaim_share)), float(rng.uniform(*self.drought_s))
            found.append(Reclaim(at_s=at_s, share=share, drought_s=drought_s))
        return tuple(found)
