"""Requests through a fleet from beginning to end; `simulation` has the fleet that is driven piece by piece."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.lives import ReplicaLife, fixed
from tenbin_planner.model.results import FleetResult, Outcome
from tenbin_planner.model.routing import Routing
from tenbin_planner.model.simulation import FleetSimulation, Service

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Arrivals", "FleetResult", "Outcome", "ReplicaLife", "Routing", "fixed", "simulate"]


def simulate(
    arrivals: Arrivals,
    lives: Sequence[ReplicaLife],
    *,
    routing: Routing | str = Routing.LEAST_REQUEST,
    seed: int = 0,
    max_queued: int | None = None,
    max_queued_tokens: int | None = None,
    until_s: float = math.inf,
) -> FleetResult:
    """Send requests through a fleet.

    Args:
        arrivals: requests.
        lives: replicas, any number of them, each with its own profile and times.
        routing: how a request finds its replica.
        seed: of the random routing.
        max_queued: requests that may wait in one replica; more are shed. None: no limit.
        max_queued_tokens: prompt tokens that may wait in one replica; more are shed. None: no limit.
        until_s: end of the simulation; requests that arrive then or later are in flight.

    Returns:
        One outcome and the times of each request.

    Raises:
        ValueError: for an unknown routing, a negative limit, or a profile whose limits contradict each other.
    """
    service = Service(routing=Routing(routing), seed=seed, max_queued=max_queued, max_queued_tokens=max_queued_tokens)
    simulation = FleetSimulation(arrivals, lives, service)
    simulation.advance(until_s)
    return simulation.result()
