"""Services that want more than the caps allow: money goes where a dollar saves the misses that are worth most.

Each service begins with what it wants; then the rung that is worth least per dollar is given up, one after another,
until the caps are kept. From the top down, since a service that is overloaded is saved by many replicas and by few not
at all: beginning at the least, no first step would look worth its price. What a miss is worth follows from objective,
error budget and priority, so a service behind its budget comes before one ahead of it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

MOST_RUNGS = 24
"""Steps between the wanted and the least count of a service whose worth is found out."""


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
    given = {claim.service: claim.wanted for claim in ordered}
    while payers := _over(given, ordered, cap_usd):
        claim = min(payers, key=lambda payer: (_loss(payer, given[payer.service]), -given[payer.service]))
        before = given[claim.service]
        given[claim.service] = _below(claim, before)
        while given[claim.service] + 1 < before and not _over(
            {**given, claim.service: given[claim.service] + 1}, ordered, cap_usd
        ):
            given[claim.service] += 1
    return given


def _over(counts: Mapping[str, int], claims: Sequence[Claim], cap_usd: Decimal) -> list[Claim]:
    """Return the services that may give something up to keep a cap; none when all caps are kept, as far as can be."""
    prices = {claim.service: claim.hourly_usd(counts[claim.service]) for claim in claims}
    open_claims = [claim for claim in claims if counts[claim.service] > claim.least]
    own = [claim for claim in open_claims if claim.cap_usd is not None and prices[claim.service] > claim.cap_usd]
    return own or (open_claims if sum(prices.values()) > cap_usd else [])


def _below(claim: Claim, count: int) -> int:
    """Return the next rung down."""
    return max(claim.least, count - max(1, -(-(claim.wanted - claim.least) // MOST_RUNGS)))


def _loss(claim: Claim, count: int) -> float:
    """Return what the next rung down loses for each dollar that it saves."""
    fewer = _below(claim, count)
    usd = float(claim.hourly_usd(count) - claim.hourly_usd(fewer))
    return max(0.0, claim.worth(fewer) - claim.worth(count)) / usd if usd > 0 else math.inf
