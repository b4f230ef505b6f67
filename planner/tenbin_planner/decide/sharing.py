"""Services that want more than the caps allow: money goes where a dollar saves the misses that are worth most.

Each service begins with its least; then the rung that is worth most per dollar is given, one after another, until the
next one does not fit. What a miss is worth follows from objective, error budget and priority, so a service behind its
budget comes before one ahead of it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

MOST_RUNGS = 24
"""Steps between the least and the wanted count of a service whose worth is found out."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What a service would have if it were alone."""

    service: str
    least: int
    wanted: int
    hourly_usd: Callable[[int], Decimal]
    """Price of so many replicas for an hour."""
    worth: Callable[[int], float]
    """What the misses that remain with so many replicas are worth, in dollars; falling."""
    cap_usd: Decimal | None = None
    """Of the service for an hour."""


def share(claims: Sequence[Claim], cap_usd: Decimal) -> dict[str, int]:
    """Return the replicas of each service, at most what it wants.

    Args:
        claims: one for each service.
        cap_usd: of all together for an hour.
    """
    ordered = sorted(claims, key=lambda claim: claim.service)
    if _fits({claim.service: claim.wanted for claim in ordered}, ordered, cap_usd):
        return {claim.service: claim.wanted for claim in ordered}
    given = {claim.service: min(claim.least, claim.wanted) for claim in ordered}
    steps = {claim.service: _steps(claim) for claim in ordered}
    while True:
        open_steps = [
            (steps[claim.service][0][1], claim.service)
            for claim in ordered
            if steps[claim.service] and _fits({**given, claim.service: steps[claim.service][0][0]}, ordered, cap_usd)
        ]
        if not open_steps:
            return given
        _, service = max(open_steps, key=lambda step: (step[0], step[1]))
        given[service] = steps[service].pop(0)[0]


def _fits(counts: Mapping[str, int], claims: Sequence[Claim], cap_usd: Decimal) -> bool:
    prices = {claim.service: claim.hourly_usd(counts[claim.service]) for claim in claims}
    own = all(claim.cap_usd is None or prices[claim.service] <= claim.cap_usd for claim in claims)
    return own and sum(prices.values()) <= cap_usd


def _steps(claim: Claim) -> list[tuple[int, float]]:
    """Return the rungs above the least, each with what it is worth per dollar beside the one before."""
    size = max(1, -(-(claim.wanted - claim.least) // MOST_RUNGS))
    rungs = [*range(claim.least, claim.wanted, size), claim.wanted]
    found = []
    for before, after in itertools.pairwise(rungs):
        usd = float(claim.hourly_usd(after) - claim.hourly_usd(before))
        saved = max(0.0, claim.worth(before) - claim.worth(after))
        found.append((after, saved / usd if usd > 0 else saved))
    return found
