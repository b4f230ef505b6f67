"""The planner itself: the loop of production, driven in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenbin_planner import loop
from tenbin_planner.backtest import planner_ports
from tenbin_planner.decide.recipe import FULL, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from tenbin_planner import ports
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.world import World


class Tenbin:
    """The planner."""

    name = "tenbin"

    def __init__(
        self, interval_s: float, recipe: Recipe = FULL, hears: Callable[[ports.Tick], object] | None = None
    ) -> None:
        """Begin.

        Args:
            interval_s: seconds between two ticks, as the agreement has it.
            recipe: parts of the decision in use.
            hears: hears of each tick.
        """
        self.interval_s = interval_s
        self._recipe = recipe
        self._hears = hears
        self.ports: planner_ports.PlannerPorts | None = None
        """Its ports, from its first tick on."""
        self._loop: loop.Loop | None = None

    def start(self, given: Scenario) -> Mapping[str, int]:
        """Return the replicas that are ready at the beginning."""
        return given.start

    def tick(self, world: World) -> None:
        """Pass once through the loop.

        Raises:
            Exception: what a step of the loop failed with: in virtual time no step may.
        """
        if self._loop is None or self.ports is None:
            self.ports = own = planner_ports.PlannerPorts(world, self._hears)
            self._loop = loop.Loop(
                observer=own,
                modeller=own,
                actuator=own,
                store=own,
                leadership=own,
                recorder=own,
                clock=own,
                recipe=self._recipe,
            )
        _complete(self._loop.tick())
        if self.ports.failures:
            raise self.ports.failures[0][2]


def _complete(work: Coroutine[Any, Any, object]) -> None:
    """Run to its end what waits for nothing: in virtual time all answers are there at once.

    Raises:
        RuntimeError: when it waits after all.
    """
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("a step of the loop waits for something outside virtual time")
