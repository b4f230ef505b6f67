"""Which pools carry the need: replicas are kept, given up and bought one by one until the need is met.

    1. keep     what runs; give up the dearest first, while what is left carries the need that replicas are kept for
    2. buy      on the cheapest pools first, until the fleet carries the need that replicas are bought for
    3. move     one replica at a time to a cheaper pool that has room, once nothing else changes; the dear one is
                given up when the cheap one serves

Cheap is price per request that a replica serves. Services take turns, the one with the smallest share of its need
first, so that none starves where cap or pools are short. The order of inputs plays no part.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_spec.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tenbin_planner.decide.limits import Ledger
    from tenbin_planner.decide.options import Demanded, Option

PAYBACK_LEADS = 5
"""Lead times within which a move to a cheaper pool must earn what the overlap costs."""


@dataclasses.dataclass(kw_only=True)
class Allocation:
    """Replicas of one service by workload, and which limits stood in the way."""

    wanted: dict[str, int]
    bitten: list[Reason] = dataclasses.field(default_factory=list)
    """In the order in which they bit."""
    moved: tuple[str, str] | None = None
    """From and to, when a replica is moved to a cheaper pool."""

    @property
    def total(self) -> int:
        """Replicas over all pools."""
        return sum(self.wanted.values())


def carried(options: Iterable[Option], counts: Mapping[str, int], *, at_edge: bool = False) -> float:
    """Return the requests per second that these replicas carry: each its rate in a fleet of this size."""
    known = [(counts[option.name], option.capacity) for option in options if option.capacity is not None]
    size = sum(count for count, _ in known)
    return sum(count * capacity.per_replica(size, at_edge=at_edge) for count, capacity in known)


def allocate(demands: Sequence[Demanded], ledger: Ledger) -> dict[str, Allocation]:
    """Give each service its replicas.

    Args:
        demands: one for each service.
        ledger: what pools hold and caps allow; takes note of what is given.

    Returns:
        An allocation for each service.
    """
    ordered = sorted(demands, key=lambda demand: demand.service)
    given = {demand.service: _keep(demand) for demand in ordered}
    for demand in ordered:
        if demand.cut is not None:
            _bite(given[demand.service], demand.cut)
    for demand in ordered:
        for name, count in given[demand.service].wanted.items():
            ledger.set(name, count)
    ledger.enforce(ordered, given)
    open_demands = list(ordered)
    while open_demands:
        open_demands.sort(key=lambda demand: (_served(demand, given[demand.service]), demand.service))
        demand = open_demands[0]
        if not _buy_one(demand, given[demand.service], ledger):
            open_demands.pop(0)
    for demand in ordered:
        _move_one(demand, given[demand.service], ledger)
    return given


def _keep(demand: Demanded) -> Allocation:
    """Keep what runs, less what is certainly not needed, the dearest given up first.

    A dear replica that goes once others serve is *due*: cheaper ones that are to replace it are no surplus.
    """
    wanted = {option.name: min(option.current, option.max_replicas) for option in demand.options}
    due = dict.fromkeys(wanted, 0)
    for option in sorted(demand.options, key=lambda item: item.dearness, reverse=True):
        while wanted[option.name] > max(due[option.name], option.floor) and _is_surplus(demand, wanted, due, option):
            if _is_firm_floor(demand, wanted, option):
                break
            if sum(wanted.values()) > demand.most or _is_spared(demand, wanted, option):
                wanted[option.name] -= 1
            else:
                due[option.name] += 1
    return Allocation(wanted=wanted)


def _is_surplus(demand: Demanded, wanted: Mapping[str, int], due: Mapping[str, int], option: Option) -> bool:
    """Tell whether all that runs or will, the due ones excepted, carries what is kept for without one of an option."""
    left = {name: count - due[name] for name, count in wanted.items()}
    if sum(left.values()) <= demand.least:
        return False
    if sum(left.values()) > demand.most:
        return True
    left[option.name] -= 1
    return carried(demand.options, left) >= demand.keep_rps


def _is_firm_floor(demand: Demanded, wanted: Mapping[str, int], option: Option) -> bool:
    """Tell whether an option's replica is among the least that must not be on spot."""
    return not option.is_spot and _firm(demand, wanted) <= demand.least_firm


def _firm(demand: Demanded, wanted: Mapping[str, int]) -> int:
    return sum(wanted[option.name] for option in demand.options if not option.is_spot)


def _is_spared(demand: Demanded, wanted: Mapping[str, int], option: Option) -> bool:
    """Tell whether an option's replica can go now: it does not serve yet, or those that do carry what is kept for."""
    fewer = {**wanted, option.name: wanted[option.name] - 1}
    return wanted[option.name] > option.ready or carried(demand.options, _ready(demand, fewer)) >= demand.keep_rps


def _ready(demand: Demanded, wanted: Mapping[str, int]) -> dict[str, int]:
    return {option.name: min(option.ready, wanted[option.name]) for option in demand.options}


def _served(demand: Demanded, allocation: Allocation) -> float:
    """Return the share of its need that a service has; what is below its minimum comes before all else."""
    if allocation.total < demand.least:
        return allocation.total / demand.least - 1
    if demand.buy_rps <= 0:
        return math.inf
    return carried(demand.options, allocation.wanted, at_edge=True) / demand.buy_rps


def _buy_one(demand: Demanded, allocation: Allocation, ledger: Ledger) -> bool:
    """Buy one replica on the cheapest pool that takes it; tell whether the service may want another one."""
    enough = carried(demand.options, allocation.wanted, at_edge=True) >= demand.buy_rps
    lacks_firm = _firm(demand, allocation.wanted) < demand.least_firm
    unmet = [option for option in demand.options if allocation.wanted[option.name] < option.floor]
    if allocation.total >= demand.least and enough and not lacks_firm and not unmet:
        return False
    if allocation.total >= demand.most:
        _bite(allocation, Reason.MAXIMUM)
        return False
    for option in unmet:
        if _refusal(option, allocation, ledger) is None:
            _add(option, allocation, ledger)
            return True
    if allocation.total >= demand.least and enough and not lacks_firm:
        return False
    refusals = []
    for option in sorted(
        demand.options,
        key=lambda item: (lacks_firm and item.is_spot, not _can_reclaim(item, allocation), item.dearness),
    ):
        refusal = _refusal(option, allocation, ledger)
        if refusal is None:
            _add(option, allocation, ledger)
            return True
        refusals.append(refusal)
    for option in sorted(demand.options, key=lambda item: item.dearness):
        if allocation.wanted[option.name] < option.current + option.stuck and ledger.refusal(option.name) is None:
            _add(option, allocation, ledger)
            return True
    _bite(allocation, next(reason for reason in _WEIGHT if reason in refusals))
    return False


_WEIGHT = (
    Reason.HOURLY_CAP,
    Reason.MONTHLY_CAP,
    Reason.POOLS_FULL,
    Reason.STUCK_PENDING,
    Reason.PRICE_UNKNOWN,
    Reason.PROFILE_UNKNOWN,
    Reason.NOT_SCALABLE,
    Reason.NO_SIGNAL,
    Reason.BY_HAND,
)
"""Refusals of pools, the one that says most about a service first."""


def _can_reclaim(option: Option, allocation: Allocation) -> bool:
    return allocation.wanted[option.name] < option.current + option.reclaimable


def _add(option: Option, allocation: Allocation, ledger: Ledger) -> None:
    allocation.wanted[option.name] += 1
    ledger.set(option.name, allocation.wanted[option.name])


def _refusal(option: Option, allocation: Allocation, ledger: Ledger) -> Reason | None:
    if option.closed is not None:
        return option.closed
    if allocation.wanted[option.name] >= option.max_replicas:
        return Reason.POOLS_FULL
    return ledger.refusal(option.name)


def _bite(allocation: Allocation, reason: Reason) -> None:
    if reason not in allocation.bitten:
        allocation.bitten.append(reason)


def _move_one(demand: Demanded, allocation: Allocation, ledger: Ledger) -> None:
    """Begin to move one replica to a cheaper pool, when all is quiet and the move pays."""
    quiet = all(
        allocation.wanted[option.name] == option.current == option.ready for option in demand.options
    ) and math.isfinite(demand.keep_rps)
    if not quiet or allocation.bitten or allocation.total >= demand.most:
        return
    ordered = sorted(demand.options, key=lambda item: item.dearness)
    for dear in reversed(ordered):
        if allocation.wanted[dear.name] <= dear.floor or not dear.is_counted:
            continue
        for cheap in ordered:
            if cheap.dearness >= dear.dearness or not _pays(cheap, dear):
                break
            if cheap.is_spot and _is_firm_floor(demand, allocation.wanted, dear):
                continue
            if _refusal(cheap, allocation, ledger) is None:
                _add(cheap, allocation, ledger)
                allocation.moved = (dear.name, cheap.name)
                return


def _pays(cheap: Option, dear: Option) -> bool:
    if cheap.hourly_usd is None or dear.hourly_usd is None:
        return False
    return (dear.hourly_usd - cheap.hourly_usd) * PAYBACK_LEADS >= cheap.hourly_usd
