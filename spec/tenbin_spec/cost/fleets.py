"""Replicas of each service and nodes of each pool at the three levels."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tenbin_spec import capacity, catalogue
from tenbin_spec.cost.amounts import ZERO, Level
from tenbin_spec.document import effective_profile
from tenbin_spec.placements import Placement, least, placements
from tenbin_spec.pools import CapacityType, Pool
from tenbin_spec.services import Service
from tenbin_spec.stack import Stack

COMMITTED = frozenset({CapacityType.RESERVATION, CapacityType.CAPACITY_BLOCK})
"""Ways of buying that are paid whether anything runs or not."""


_SHARED = (Level.MINIMUM, Level.EXPECTED)


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """Why an amount cannot be told, in words."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceFleet:
    """Replicas of a service by pool, at each level."""

    own: tuple[Placement, ...]
    """Its placements, the cheapest first, unknown prices last."""
    counts: Mapping[Level, Mapping[str, int]]
    """Replicas by level and pool; a level is missing where they are unknown."""
    unknown: tuple[str, ...] = ()
    """Why, in words."""


def of(stack: Stack) -> dict[str, ServiceFleet]:
    """Return the fleets of all services by name.

    At the minimum and expected a service has the accelerators that those before it by name leave in a pool; at the
    maximum each counts on all of them, since any may be the one that gets them.
    """
    every, found = placements(stack), dict[str, ServiceFleet]()
    room = {level: {name: _accelerators(pool) for name, pool in stack.pools.items()} for level in _SHARED}
    for name in sorted(stack.services):
        own = tuple(item for item in every if item.service == name)
        found[name] = _fleet(stack, name, own, {level: _within(own, room[level]) for level in _SHARED})
        for level in _SHARED:
            counts = found[name].counts.get(level, {})
            for item in own:
                room[level][item.pool] -= counts.get(item.pool, 0) * item.accelerators
    return found


def _fleet(
    stack: Stack, name: str, own: tuple[Placement, ...], left: Mapping[Level, Sequence[Placement]]
) -> ServiceFleet:
    service = stack.services[name]
    at_least = least(service.replicas, left[Level.MINIMUM])
    minimum = {item.pool: at_least[item.workload] for item in own}
    if not stack.planner.enabled:
        return ServiceFleet(own=own, counts=dict.fromkeys(Level, minimum))
    counts = {Level.MINIMUM: minimum, Level.MAXIMUM: _dearest_first(service, own)}
    try:
        counts[Level.EXPECTED] = _expected(name, service, left[Level.EXPECTED])
    except Unknown as reason:
        return ServiceFleet(own=own, counts=counts, unknown=(str(reason),))
    return ServiceFleet(own=own, counts=counts)


def _within(own: Sequence[Placement], room: Mapping[str, int]) -> list[Placement]:
    """Return placements with the replicas that a number of accelerators by pool holds."""
    return [
        dataclasses.replace(item, max_replicas=min(item.max_replicas, room[item.pool] // item.accelerators))
        for item in own
    ]


def _accelerators(pool: Pool) -> int:
    return pool.nodes.max * catalogue.instances()[pool.instance_type].accelerators


def nodes(pool: Pool, replicas: Iterable[tuple[int, int]], *, is_made: bool) -> int:
    """Return the nodes of a pool that are paid for.

    Args:
        pool: the pool.
        replicas: accelerators of one replica and number of replicas, for each service.
        is_made: whether the stack makes the nodes and so pays for all of each; else it pays for those that are
            committed, and otherwise for the share of its replicas.
    """
    if pool.capacity_type in COMMITTED:
        return pool.nodes.max
    needed = _packed(catalogue.instances()[pool.instance_type].accelerators, replicas)
    return min(max(needed, pool.nodes.min if is_made else 0), pool.nodes.max)


def _capacity_rps(placement: Placement, service: Service) -> float:
    assert placement.profile is not None  # noqa: S101 - asked for those with one
    profile = effective_profile(placement.profile, service.engine)
    return capacity.requests_per_second(profile, service.slo, service.workload)


def _expected(name: str, service: Service, own: Sequence[Placement]) -> dict[str, int]:
    """Return what serves the expected rate: the minimum, then the cheapest per request until the rate is served.

    Raises:
        Unknown: where no pool is known to serve anything.
    """
    able = {
        item.workload: rps
        for item in own
        if item.profile is not None and item.hourly_usd is not None and (rps := _capacity_rps(item, service)) > 0
    }
    if not able:
        raise Unknown(_inability(name, service, own))
    price = {item.workload: float(item.hourly_usd or ZERO) for item in own}
    order = sorted(
        (item for item in own if item.workload in able),
        key=lambda item: (price[item.workload] / able[item.workload], item.pool),
    )
    others = [item for item in own if item.workload not in able]
    counts = least(service.replicas, [*order, *others])
    left = service.workload.requests_per_second.expected
    left -= sum(counts[item.workload] * able[item.workload] for item in order)
    room = service.replicas.max - sum(counts.values())
    for item in order:
        # A billionth is forgiven, since rates are sums of binary fractions.
        needed = max(0, -int(-(left / able[item.workload] - 1e-9) // 1))
        taken = max(0, min(needed, item.max_replicas - counts[item.workload], room))
        counts[item.workload] += taken
        left, room = left - taken * able[item.workload], room - taken
    return {item.pool: counts[item.workload] for item in own}


def _inability(name: str, service: Service, own: Sequence[Placement]) -> str:
    model, pools = service.model.id, ", ".join(item.pool for item in own)
    if all(item.profile is None for item in own):
        return f"replicas of {name} at the expected rate: no engine profile is known for {model} on {pools}"
    if all(item.hourly_usd is None for item in own):
        return f"replicas of {name} at the expected rate: no price is known on {pools}"
    return f"replicas of {name} at the expected rate: by estimate no replica on {pools} keeps its objectives"


def _dearest_first(service: Service, own: Sequence[Placement]) -> dict[str, int]:
    counts, left = {item.pool: 0 for item in own}, service.replicas.max
    for item in sorted(own, key=lambda item: (item.hourly_usd is not None, -(item.hourly_usd or ZERO), item.pool)):
        counts[item.pool] = min(left, item.max_replicas)
        left -= counts[item.pool]
    return counts


def _packed(accelerators: int, replicas: Iterable[tuple[int, int]]) -> int:
    """Return the nodes onto which replicas go, the largest first, each where the least room is left that holds it.

    A replica that spans nodes takes them whole.
    """
    room: Counter[int] = Counter()
    made = 0
    for size, count in sorted(replicas, reverse=True):
        whole, part = divmod(size, accelerators)
        made += whole * count
        for _ in range(count if part else 0):
            fitting = [free for free, number in room.items() if number and free >= part]
            free = min(fitting, default=0)
            if free:
                room[free] -= 1
            else:
                made, free = made + 1, accelerators
            room[free - part] += 1
    return made
