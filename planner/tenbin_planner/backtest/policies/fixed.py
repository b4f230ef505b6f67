"""Constant fleets: what they cost and reach, around the smallest one that reaches the target."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.world import World


@dataclasses.dataclass(frozen=True)
class Fixed:
    """The same number of replicas of each service at all times, on its cheapest workloads."""

    counts: Mapping[str, int]
    """By service."""
    interval_s: float = math.inf

    @property
    def name(self) -> str:
        """What tables call it."""
        return "fixed-" + "+".join(str(count) for _, count in sorted(self.counts.items()))

    def start(self, given: Scenario) -> Mapping[str, int]:
        """Return the fleet."""
        return {
            workload: count
            for service, wanted in sorted(self.counts.items())
            for workload, count in given.spread(service, wanted).items()
        }

    def tick(self, world: World) -> None:
        """Leave everything as it is."""
