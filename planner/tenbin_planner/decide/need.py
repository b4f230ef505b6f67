"""How much the fleet must be able to serve: forecast demand, and the backlog that it must work off besides.

A backlog is what is in flight beyond the slots of the ready replicas: requests that wait. Until capacity asked for now
can serve, the backlog changes by what comes and what the fleet of that time does:

    backlog(lead) = max(0, backlog + sum over the lead time of (rate - bound of the replicas that serve by then))

What is left then is to be worked off within the drain time. So a wave that the present fleet absorbs by itself before
help could come buys nothing.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin_planner.decide.outlook import Outlook

STEP_S = 1.0
"""Time step of the backlog's projection."""
MOST_STEPS = 600
PLANNED_SHARE = 0.84
"""Quantile of demand that is planned for where candidates are not judged by simulation: a standard deviation above."""
DRAIN_LEADS = 1.0
"""Lead times in which a backlog is to be worked off, where that is longer than the TTFT threshold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Supply:
    """Replicas that serve from some moment on."""

    from_s: float
    """Seconds from now; 0 for ready ones."""
    bound_rps: float
    """What they work off at most, in requests per second."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Needed:
    """Rates in requests per second that the fleet must be able to serve."""

    at_lead: float
    """When replicas asked for now can serve; buy for this."""
    until_lead: float
    """The most over all moments until then; keep for this."""
    backlog: int
    """Requests that wait now."""
    backlog_at_lead: float
    """Requests that will still wait when replicas asked for now can serve."""
    backlog_rps: float
    """The part of the rates that works these off."""


def planned_rps(outlook: Outlook, ahead_s: float) -> float:
    """Return the rate in requests per second at now + `ahead_s` that is planned for."""
    return outlook.quantile(ahead_s, PLANNED_SHARE)


def needed(outlook: Outlook, *, lead_s: float, drain_s: float, backlog: int, supplies: Sequence[Supply]) -> Needed:
    """Return what a service needs.

    Args:
        outlook: of its demand.
        lead_s: until replicas asked for now serve, plus one tick, since the next decision comes so much later.
        drain_s: time in which a backlog is to be worked off.
        backlog: requests that wait now.
        supplies: replicas that serve or will serve.
    """
    left = _backlog_at(outlook, lead_s, backlog, supplies)
    extra = left / drain_s
    ahead = planned_rps(outlook, lead_s)
    return Needed(
        at_lead=ahead + extra,
        until_lead=max(planned_rps(outlook, 0.0), ahead) + extra,
        backlog=backlog,
        backlog_at_lead=left,
        backlog_rps=extra,
    )


def _backlog_at(outlook: Outlook, lead_s: float, backlog: float, supplies: Sequence[Supply]) -> float:
    rates = outlook.median
    steps = max(1, min(MOST_STEPS, math.ceil(lead_s / STEP_S)))
    length = lead_s / steps
    left = float(backlog)
    for step in range(steps):
        middle = (step + 0.5) * length
        bound = sum(supply.bound_rps for supply in supplies if supply.from_s <= middle)
        left = max(0.0, left + (float(rates[min(int(middle / outlook.step_s), rates.size - 1)]) - bound) * length)
    return left
