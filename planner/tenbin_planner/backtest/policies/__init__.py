"""Policies that set the number of replicas: the planner and what it is compared with, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.world import World


class Policy(Protocol):
    """A policy in one run; it has a state of its own and is not used for another one.

    It sees what its original sees: nothing of the future, and a metric that is missing raises `world.MetricsMissing`,
    which ends its tick and leaves all counts as they are unless it does something else about it.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def interval_s(self) -> float:
        """Seconds between two ticks; the first comes at 0."""
        ...

    def start(self, given: Scenario) -> Mapping[str, int]:
        """Return the replicas that are ready at the beginning, by workload: those of the scenario unless it knows."""
        ...

    def tick(self, world: World) -> None:
        """Read the world and act on it."""
        ...
