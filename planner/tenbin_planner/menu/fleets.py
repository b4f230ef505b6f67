"""The cheapest constant fleet that keeps an objective, found with the fleet simulator."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_spec.cost_cap import CostCap
from tenbin_spec.pools import CapacityType

from tenbin_planner.decide.capacity import STABLE
from tenbin_planner.model import capacity, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenbin_spec.document import DocumentWorkload
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.menu.demand import Demand

NO_CAP = CostCap(hourly_usd=Decimal(999_999_999))
"""A menu also tells what lies above the cap."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fleet:
    """A constant number of replicas."""

    by_pool: Mapping[str, int]
    """Replicas by pool, those without any left out."""
    hourly_usd: Decimal

    @property
    def replicas(self) -> int:
        """Replicas of all pools."""
        return sum(self.by_pool.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What a search has come to."""

    fleet: Fleet | None
    """None when not even the largest fleet keeps the objectives."""
    share: float
    """Of good requests of the class that is looked at: with that fleet or, without one, the most that any reaches."""
    largest: int
    """Replicas of the largest fleet that was tried."""


class Family:
    """Fleets of one set of pools that grow replica by replica, filled as the planner would: cheapest per request first.

    Each size is simulated once, whatever is asked of it.
    """

    def __init__(self, given: Scenario, service: str, demand: Demand, *, slower: float = 1.0) -> None:
        """Take the fleets of a service.

        Args:
            given: the scenario of this service alone, with the pools of the family only and without caps.
            service: whose fleets.
            demand: requests that they get.
            slower: factor on the time of each forward pass.
        """
        self.least = max(1, given.document.services[service].replicas.min)
        self.most = given.most(service)
        self._given = given
        self._service = service
        self._demand = demand
        self._profiles = {item.name: _slowed(item, slower) for item in given.workloads(service)}
        self._result = functools.cache(self._simulated)
        lengths = given.document.services[service].workload
        traffic = capacity.Traffic(input_tokens=lengths.input_tokens, output_tokens=lengths.output_tokens)
        self._bounds = {name: capacity.rate_bound(profile, traffic) for name, profile in self._profiles.items()}

    def priced(self, count: int) -> Fleet:
        """Return the fleet of so many replicas with its price."""
        found = [(self._given.workload(name), n) for name, n in self._spread(count).items() if n]
        return Fleet(
            by_pool={item.pool: n for item, n in found},
            hourly_usd=sum((n * _price(item) for item, n in found), Decimal(0)),
        )

    def shares(self, count: int, objectives: Mapping[str, Objective]) -> dict[str, float]:
        """Return the share of good requests by class with so many replicas."""
        return self._demand.shares(self._result(count), objectives)

    def keeps(self, count: int, objectives: Mapping[str, Objective]) -> bool:
        """Tell whether so many replicas keep up with the demand and bring every class to its target."""
        bound = sum(n * self._bounds[name] for name, n in self._spread(count).items())
        if self._demand.sustained_rps > STABLE * bound:
            return False
        return all(share >= float(objectives[name].target) for name, share in self.shares(count, objectives).items())

    def smallest(self, keeps: Callable[[int], bool]) -> int | None:
        """Return the fewest replicas that keep something, by bisection; None when the most do not.

        Always the same interval is halved, so that who asks for more never gets fewer, whatever the results are.
        """
        low, high = min(self.least, self.most), self.most
        if not keeps(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if keeps(middle) else (middle + 1, high)
        return low

    def _spread(self, count: int) -> dict[str, int]:
        return self._given.spread(self._service, count)

    def _simulated(self, count: int) -> fleet.FleetResult:
        lives = [life for name, n in self._spread(count).items() for life in fleet.fixed(self._profiles[name], n) if n]
        return fleet.simulate(self._demand.arrivals, lives)


def families(given: Scenario, service: str, demand: Demand, *, slower: float = 1.0) -> tuple[Family, ...]:
    """Return the fleets to choose from: of all pools together, and of the pools of each engine profile.

    Replicas of one profile are equal, so pools of one profile are filled by price alone. Profiles differ in what they
    keep at all: where the cheap one is too slow, no fleet with it does.

    Args:
        given: the scenario of this service alone.
        service: whose fleets; one of its pools must have a price and a profile.
        demand: requests that they get.
        slower: factor on the time of each forward pass.
    """
    chosen = [
        _with_pools(given, service, own) for own in _sets(given.workloads(service)) if _may_stand(given, service, own)
    ]
    return tuple(Family(item, service, demand, slower=slower) for item in chosen)


def cheapest(fleets: Sequence[Family], class_name: str, objectives: Mapping[str, Objective]) -> Found:
    """Return the cheapest fleet of all families that keeps the objectives, the smallest of equal price.

    Args:
        fleets: families.
        class_name: class whose share is told.
        objectives: by class; all of them must be kept.
    """
    found = []
    for family in fleets:
        count = family.smallest(functools.partial(_kept, family, objectives))
        if count is not None:
            found.append((family.priced(count), family, count))
    largest = max(family.most for family in fleets)
    if not found:
        best = max(family.shares(family.most, objectives).get(class_name, 0.0) for family in fleets)
        return Found(fleet=None, share=best, largest=largest)
    best_fleet, family, count = min(found, key=lambda item: (item[0].hourly_usd, item[0].replicas))
    return Found(fleet=best_fleet, share=family.shares(count, objectives)[class_name], largest=largest)


def _kept(family: Family, objectives: Mapping[str, Objective], count: int) -> bool:
    return family.keeps(count, objectives)


def _sets(workloads: Sequence[DocumentWorkload]) -> Iterator[tuple[DocumentWorkload, ...]]:
    yield tuple(workloads)
    profiles = list(dict.fromkeys(item.profile for item in workloads))
    if len(profiles) > 1:
        for profile in profiles:
            yield tuple(item for item in workloads if item.profile == profile)


def _may_stand(given: Scenario, service: str, own: Sequence[DocumentWorkload]) -> bool:
    """Whether pools hold the part of the minimum that never runs on spot; all pools together always count."""
    firm = [item for item in own if given.document.pools[item.pool].capacity_type is not CapacityType.SPOT]
    needed = given.document.services[service].replicas.on_demand_min
    return len(own) == len(given.workloads(service)) or sum(item.max_replicas for item in firm) >= needed


def _with_pools(given: Scenario, service: str, own: Sequence[DocumentWorkload]) -> Scenario:
    agreed = given.document.services[service].model_copy(update={"cost": None})
    document = given.document.model_copy(
        update={"workloads": tuple(own), "cost": NO_CAP, "services": {service: agreed}}
    )
    return dataclasses.replace(given, document=document, initial=None)


def _slowed(item: DocumentWorkload, factor: float) -> EngineProfile:
    profile = item.profile
    assert profile is not None  # noqa: S101 - a scenario's workloads have one
    return profile.model_copy(update={"forward": profile.forward.scaled(factor)})


def _price(item: DocumentWorkload) -> Decimal:
    assert item.hourly_usd is not None  # noqa: S101 - a scenario's workloads have one
    return item.hourly_usd
