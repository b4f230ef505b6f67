"""The menu of a service: for each step of thresholds and each target the cheapest fleet and its bill."""

from __future__ import annotations

import dataclasses
import enum
import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_spec import problems
from tenbin_spec.pools import CapacityType
from tenbin_spec.quantities import HOURS_A_MONTH

from tenbin_planner.menu import fleets, ladder
from tenbin_planner.menu.demand import Demand
from tenbin_planner.menu.knee import knee

if TYPE_CHECKING:
    from tenbin_spec.document import DocumentService
    from tenbin_spec.objectives import Objective
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.menu.ladder import Step, StepName

SLOWER = 1.1
"""Factor on the time of each forward pass in the question what an engine slower than its profile would cost."""
_CENT_FRACTION = Decimal("0.0001")


class Lack(enum.StrEnum):
    """What a pool must have to be on offer."""

    PRICE = "price"
    PROFILE = "engine profile"


class MenuError(problems.TenbinError):
    """A menu that cannot be made; the message names what is wrong and what is allowed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """One SLO and what it costs."""

    step: Step
    target: Decimal
    fleet: fleets.Fleet | None
    """The cheapest constant fleet that keeps it; None when no fleet of these pools does."""
    share: float
    """Of good requests with that fleet or, without one, the most that any fleet reaches."""
    largest: int
    """Replicas of the largest fleet that was tried."""
    output_tokens_per_hour: float

    @property
    def hourly_usd(self) -> Decimal | None:
        """Price of the fleet for an hour."""
        return None if self.fleet is None else self.fleet.hourly_usd

    @property
    def monthly_usd(self) -> Decimal | None:
        """Price of the fleet for a month of `HOURS_A_MONTH`."""
        return None if self.hourly_usd is None else self.hourly_usd * HOURS_A_MONTH

    @property
    def million_usd(self) -> Decimal | None:
        """Price of a million output tokens: of the fleet for an hour over the tokens of an hour."""
        if self.hourly_usd is None:
            return None
        exact = self.hourly_usd * 1_000_000 / Decimal(self.output_tokens_per_hour)
        return exact.quantize(_CENT_FRACTION)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Menu:
    """A ladder of SLOs for one class of a service; its other classes keep what they have agreed."""

    stack: str
    revision: str
    """Of the agreement that it was made from."""
    service: str
    class_name: str
    terms: DocumentService
    """The agreement of the service."""
    demand: Demand
    steps: tuple[Step, ...]
    """The fastest first."""
    targets: tuple[Decimal, ...]
    """Rising."""
    offers: Mapping[tuple[StepName, Decimal], Offer]
    knee: StepName | None
    """Where the bill over the steps bends, at the agreed target: see `knee.knee`, over the logarithm of latency."""
    if_slower: Offer
    """The agreed SLO if each forward pass took `SLOWER` times as long."""
    hourly_cap: Decimal
    """The most that the service may cost per hour: its own cap, or that of the stack where it is lower."""
    profiles: Mapping[str, EngineProfile]
    """By pool on offer."""
    prices: Mapping[str, Decimal]
    """USD per replica and hour, by pool on offer."""
    spot: tuple[str, ...]
    """Pools on offer whose nodes may be taken back."""
    left_out: Mapping[str, tuple[Lack, ...]]
    """Pools of the service that are not on offer, and what each lacks."""

    @property
    def objective(self) -> Objective:
        """What the class has agreed."""
        return self.terms.slo.classes[self.class_name]

    @property
    def agreed(self) -> Offer:
        """The SLO as agreed."""
        return self.at(ladder.StepName.AGREED, self.objective.target)

    def at(self, step: StepName, target: Decimal) -> Offer:
        """Return one offer."""
        return self.offers[step, target]

    def column(self, target: Decimal) -> tuple[Offer, ...]:
        """Return the offers of a target, the fastest first."""
        return tuple(self.at(step.name, target) for step in self.steps)

    def is_capped(self, offer: Offer) -> bool:
        """Tell whether an offer costs more per hour than the service may."""
        return offer.hourly_usd is not None and offer.hourly_usd > self.hourly_cap

    def neighbours(self) -> dict[str, Offer | None]:
        """Return the offers one step from the agreed one: `faster`, `slower`, `stricter`, `looser`; None at the end."""
        target, place = self.objective.target, self.targets.index(self.objective.target)

        def beside(index: int) -> Offer | None:
            inside = 0 <= index < len(self.targets)
            return self.at(ladder.StepName.AGREED, self.targets[index]) if inside else None

        return {
            "faster": self.at(ladder.StepName.FASTER, target),
            "slower": self.at(ladder.StepName.SLOWER, target),
            "stricter": beside(place + 1),
            "looser": beside(place - 1),
        }


def of(
    given: Scenario,
    service: str,
    *,
    class_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Menu:
    """Make the menu of a service.

    Args:
        given: the agreement; where it has a trace of the service, the busiest hour of that is replayed, else requests
            are drawn at the declared peak.
        service: whose menu.
        class_name: class whose objective is varied; None: the default class.
        progress: takes the offers made so far and their number.

    Raises:
        MenuError: for a service or class that there is not, a class without a request in the trace, or a service none
            of whose pools has a price and a profile.
    """
    if service not in given.document.services:
        raise MenuError(problems.not_one_of(service, given.document.services, "a service of the stack"))
    agreed = given.document.services[service]
    own = given.only(service)
    workloads = own.workloads(service)
    if not workloads:
        raise MenuError(f"service {service}: {_lacking(given, service)}")
    varied = class_name or agreed.slo.fallback_class
    if varied not in agreed.slo.classes:
        raise MenuError(f"service {service}: {problems.not_one_of(varied, agreed.slo.classes, 'a class')}")
    demand = _demand(own, service)
    if demand.trace is not None and varied not in demand.arrivals.classes:
        raise MenuError(
            f"class {varied!r} has no request in the busiest hour of {demand.trace}; "
            f"allowed are {', '.join(demand.arrivals.classes)}"
        )
    objective = agreed.slo.classes[varied]
    steps, targets = ladder.steps(objective), ladder.targets(objective)
    basis = _Basis(families=fleets.families(own, service, demand), class_name=varied, agreed=agreed, demand=demand)
    slowed = dataclasses.replace(basis, families=fleets.families(own, service, demand, slower=SLOWER))
    told = progress or (lambda _done, _all: None)
    offers: dict[tuple[StepName, Decimal], Offer] = {}
    for step, target in itertools.product(steps, targets):
        offers[step.name, target] = basis.offer(step, target)
        told(len(offers), len(steps) * len(targets))
    return Menu(
        stack=given.document.stack,
        revision=given.document.revision,
        service=service,
        class_name=varied,
        terms=agreed,
        demand=demand,
        steps=steps,
        targets=targets,
        offers=offers,
        knee=_knee([offers[step.name, objective.target] for step in steps]),
        if_slower=slowed.offer(ladder.step(objective, ladder.StepName.AGREED), objective.target),
        hourly_cap=min(cap.hourly_usd for cap in (given.document.cost, agreed.cost) if cap is not None),
        profiles={item.pool: item.profile for item in workloads if item.profile is not None},
        prices={item.pool: item.hourly_usd for item in workloads if item.hourly_usd is not None},
        spot=tuple(
            item.pool for item in workloads if given.document.pools[item.pool].capacity_type is CapacityType.SPOT
        ),
        left_out=left_out(given, service),
    )


def left_out(given: Scenario, service: str) -> dict[str, tuple[Lack, ...]]:
    """Return the pools of a service that have no price or no engine profile, and what each lacks."""
    found = {}
    for item in given.document.workloads:
        known = {Lack.PRICE: item.hourly_usd, Lack.PROFILE: item.profile}
        if item.service == service and None in known.values():
            found[item.pool] = tuple(lack for lack, value in known.items() if value is None)
    return found


def _lacking(given: Scenario, service: str) -> str:
    told = "; ".join(f"pool {pool} has no {' and no '.join(lacks)}" for pool, lacks in left_out(given, service).items())
    return (
        f"{told or 'it has no pool'}. Allowed is a service with a pool that has both: write hourly_usd for the pool, "
        "or name a profile of the catalogue in engine.profile"
    )


def _demand(own: Scenario, service: str) -> Demand:
    if service in own.traces:
        return Demand.recorded(own, service)
    longest = min(item.profile.limits.max_model_len for item in own.workloads(service) if item.profile is not None)
    return Demand.declared(own.document.services[service], longest=longest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Basis:
    """What every offer is made from."""

    families: tuple[fleets.Family, ...]
    class_name: str
    agreed: DocumentService
    demand: Demand

    def offer(self, step: Step, target: Decimal) -> Offer:
        wanted = step.objective.model_copy(update={"target": target})
        objectives = {**self.agreed.slo.classes, self.class_name: wanted}
        found = fleets.cheapest(self.families, self.class_name, objectives)
        return Offer(
            step=step,
            target=target,
            fleet=found.fleet,
            share=found.share,
            largest=found.largest,
            output_tokens_per_hour=self.demand.output_tokens_per_hour,
        )


def _knee(column: list[Offer]) -> StepName | None:
    """Return where the bill bends; steps that no fleet keeps have no bill, and equal latencies are one point."""
    by_latency = {
        offer.step.log_latency: (float(offer.hourly_usd), offer.step.name)
        for offer in column
        if offer.hourly_usd is not None
    }
    place = knee([(at, cost) for at, (cost, _) in by_latency.items()])
    return None if place is None else list(by_latency.values())[place][1]
