"""What the cluster of a scenario is really like, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenbin_planner.backtest import faults
from tenbin_planner.backtest.nodes import Billing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.model.lives import LeadTime, SpotMarket


def told(given: Scenario) -> list[tuple[str, str]]:
    """Return names and words of all that is not as by default."""
    found = [("money", _billing(given.billing)), ("routing", str(given.routing))]
    found += [("spot", f"{pool}: {words}") for pool, market in given.spot.items() for words in _spot(market)]
    found += [("fault", _fault(fault)) for fault in given.faults]
    for name, words, by_name in (
        ("new node", "there {} after it is asked for, in which nothing costs", given.node_lead_s),
        ("least time paid", "{} for each start", given.minimum_billed_s),
        ("empty node", "stays {}", given.consolidation_s),
        ("grace period", "{}, then a replica that is being removed is killed", given.grace_s),
    ):
        found += [(name, f"{key}: {words.format(f'{seconds:g} s')}") for key, seconds in _given(by_name)]
    if given.max_queued is not None:
        found.append(("queue", f"{given.max_queued:,} requests in one replica at most, more are shed"))
    return found


def lead_text(lead: LeadTime) -> str:
    """Write a lead time.

    >>> from tenbin_planner.model.lives import LeadTime
    >>> lead_text(LeadTime(median_s=60, p95_s=75))
    'median 60 s, 95th percentile 75 s'
    """
    return f"median {lead.median_s:g} s, 95th percentile {lead.p95_s:g} s"


def _given(by_name: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    return ((name, seconds) for name, seconds in by_name.items() if seconds)


def _billing(billing: Billing) -> str:
    if billing is Billing.NODE:
        return "by the second and node, from its start until it is gone; replicas fill nodes, services share them"
    return "by the second, from when a replica has a node until it is gone; drains included"


def _spot(market: SpotMarket) -> Iterator[str]:
    notice = f"{market.notice_s:g} s of notice"
    if market.interruptions_per_hour:
        yield f"each node is interrupted {market.interruptions_per_hour:g} times an hour, {notice}"
    if market.reclaims_per_hour:
        low, high = market.reclaim_share
        dry = (
            ""
            if not market.drought_s[1]
            else f", then no node for {market.drought_s[0]:g} to {market.drought_s[1]:g} s"
        )
        yield (
            f"{100 * low:g} to {100 * high:g} % of the nodes are taken at once {market.reclaims_per_hour:g} times an "
            f"hour, {notice}{dry}; at the same instants for each policy"
        )


def _fault(fault: faults.Fault) -> str:
    at = f"at {fault.at_s:g} s"
    match fault:
        case faults.Blind():
            return f"{at} nothing is heard of gateways and engines for {fault.for_s:g} s"
        case faults.Loss():
            return (
                f"{at} {100 * fault.share:g} % of the ready replicas are lost, noticed after {fault.noticed_s:g} s, "
                f"given up after {fault.evicted_s:g} s"
            )
        case faults.SlowStarts():
            where = "" if fault.pool is None else f" in {fault.pool}"
            until = "" if fault.for_s == math.inf else f" for {fault.for_s:g} s"
            return f"{at} starts take {fault.factor:g} times as long{where}{until}"
        case faults.NoNodes():
            return f"{at} {fault.pool} gives no nodes for {fault.for_s:g} s"
