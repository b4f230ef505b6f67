"""Findings: where a configuration that can be built breaks the agreement.

One pure function, printed by `tenbin check`, carried to the planner in the wire document, never raised by a component.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec import catalogue, cost, feasibility
from tenbin_spec.catalogue import prices
from tenbin_spec.document import effective_profile
from tenbin_spec.placements import Placement, placements
from tenbin_spec.problems import path_text
from tenbin_spec.quantities import money_text
from tenbin_spec.stack import PREFIX, Stack


class FindingId(enum.StrEnum):
    """Identifiers of findings."""

    CAP_BELOW_MINIMUM = "cap-below-minimum"
    PRICE_STALE = "price-stale"
    PRICE_UNKNOWN = "price-unknown"
    PROFILE_UNKNOWN = "profile-unknown"
    OBJECTIVE_INFEASIBLE = "objective-infeasible"
    MINIMUM_BEYOND_POOLS = "minimum-beyond-pools"
    ON_DEMAND_BEYOND_POOLS = "on-demand-beyond-pools"
    POOL_BEYOND_CAP = "pool-beyond-cap"


class Level(enum.StrEnum):
    """How bad a finding is."""

    BREACH = "breach"
    """Breaks the agreement."""
    WARNING = "warning"
    """Makes it doubtful whether the agreement is kept."""


_WARNINGS = frozenset({FindingId.PRICE_STALE})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One breach of the agreement, or one doubt, with its repair."""

    id: FindingId
    path: str
    message: str
    repair: str

    @property
    def level(self) -> Level:
        """How bad it is."""
        return Level.WARNING if self.id in _WARNINGS else Level.BREACH

    def __str__(self) -> str:
        return f"{self.path}: {self.message}. {self.repair} ({self.id})"


def findings(stack: Stack, today: datetime.date | None = None) -> tuple[Finding, ...]:
    """Return every finding of a stack, ordered by place.

    Args:
        stack: the agreement.
        today: day on which the age of prices is judged; it is not where the result must not change with the calendar,
            as in what is deployed.
    """
    found = [*_caps(stack), *_unknowns(stack), *_objectives(stack), *_room(stack)]
    if today is not None:
        found += old_prices(stack, today)
    return tuple(sorted(found, key=lambda item: (item.path, item.id, item.message)))


def _caps(stack: Stack) -> Iterator[Finding]:
    total = cost.stack_range(stack).minimum
    if total is not None and total > stack.cost.hourly_usd:
        yield Finding(
            id=FindingId.CAP_BELOW_MINIMUM,
            path=path_text(("cost", "hourly_usd"), PREFIX),
            message=_below(stack.cost.hourly_usd, total),
            repair="Raise the cap or lower the services' minimum",
        )
    for name, service in stack.services.items():
        price = cost.service_range(stack, name).minimum
        if service.cost is not None and price is not None and price > service.cost.hourly_usd:
            yield Finding(
                id=FindingId.CAP_BELOW_MINIMUM,
                path=path_text(("services", name, "cost", "hourly_usd"), PREFIX),
                message=_below(service.cost.hourly_usd, price),
                repair="Raise the cap or lower the service's minimum",
            )

    if stack.cluster.kind == "eks":
        yield from _pools_beyond_the_cap(stack)


def _pools_beyond_the_cap(stack: Stack) -> Iterator[Finding]:
    """Find pools whose nodes the stack makes and that alone would break its cap: nodes cost without replicas too."""
    for name, pool in stack.pools.items():
        price = catalogue.node_price(pool)
        if price is not None and price * pool.nodes.max > stack.cost.hourly_usd:
            most, cap = money_text(price * pool.nodes.max), money_text(stack.cost.hourly_usd)
            yield Finding(
                id=FindingId.POOL_BEYOND_CAP,
                path=path_text(("pools", name, "nodes", "max"), PREFIX),
                message=f"{pool.nodes.max} nodes cost {most} USD per hour, the cap is {cap}",
                repair="Lower nodes.max or raise the cap",
            )


def _below(cap: Decimal, minimum: Decimal) -> str:
    return f"{money_text(cap)} is below the {money_text(minimum)} USD per hour of the minimum replicas"


def _unknowns(stack: Stack) -> Iterator[Finding]:
    for placement in placements(stack):
        place = _pool_path(stack, placement)
        if placement.hourly_usd is None:
            pool = stack.pools[placement.pool]
            yield Finding(
                id=FindingId.PRICE_UNKNOWN,
                path=path_text(("pools", placement.pool, "hourly_usd"), PREFIX),
                message=f"the price of {pool.instance_type} {pool.capacity_type} in {pool.region} is unknown",
                repair=(
                    f"Ask AWS for it with tenbin prices refresh --region {pool.region}, or write the price of one node"
                    ' for an hour, for example hourly_usd: "0.36"'
                ),
            )
        if placement.profile is None:
            model = stack.services[placement.service].model.id
            yield Finding(
                id=FindingId.PROFILE_UNKNOWN,
                path=place,
                message=f"no engine profile is known for {model} on pool {placement.pool}",
                repair="Name a profile in engine.profile or measure one; until then nothing is bought there",
            )


def old_prices(stack: Stack, today: datetime.date, age: datetime.timedelta = prices.STALE_AFTER) -> Iterator[Finding]:
    """Return a finding for each pool whose price is of a day that is longer ago."""
    for name, pool in stack.pools.items():
        price, day = catalogue.node_price(pool), catalogue.priced_on(pool)
        if price is None or day is None or today - day <= age:
            continue
        yield Finding(
            id=FindingId.PRICE_STALE,
            path=path_text(("pools", name), PREFIX),
            message=(
                f"the price of {pool.instance_type} {pool.capacity_type} in {pool.region},"
                f" {money_text(price)} USD per hour, is of {day}, {(today - day).days} days ago"
            ),
            repair=f"Ask for today's: tenbin prices refresh --region {pool.region}",
        )


def _objectives(stack: Stack) -> Iterator[Finding]:
    for placement in placements(stack):
        if placement.profile is None:
            continue
        service = stack.services[placement.service]
        profile = effective_profile(placement.profile, service.engine)
        for name, objective in service.slo.classes.items():
            for text in feasibility.broken_thresholds(objective, service.workload, profile):
                yield Finding(
                    id=FindingId.OBJECTIVE_INFEASIBLE,
                    path=path_text(("services", placement.service, "slo", "classes", name), PREFIX),
                    message=f"on pool {placement.pool} {text}",
                    repair="Loosen the threshold or choose a faster accelerator",
                )


def _room(stack: Stack) -> Iterator[Finding]:
    for name, service in stack.services.items():
        room = sum(item.max_replicas for item in placements(stack) if item.service == name)
        if service.replicas.min > room:
            yield Finding(
                id=FindingId.MINIMUM_BEYOND_POOLS,
                path=path_text(("services", name, "replicas", "min"), PREFIX),
                message=f"{service.replicas.min} is above the {room} replicas that its pools hold",
                repair="Raise nodes.max of a pool or lower the minimum",
            )
        firm = sum(item.max_replicas for item in placements(stack) if item.service == name and not item.is_spot)
        if service.replicas.on_demand_min > firm:
            yield Finding(
                id=FindingId.ON_DEMAND_BEYOND_POOLS,
                path=path_text(("services", name, "replicas", "on_demand_min"), PREFIX),
                message=f"{service.replicas.on_demand_min} is above the {firm} replicas that its pools hold off spot",
                repair="Add a pool of another capacity type, raise its nodes.max or lower the minimum",
            )


def _pool_path(stack: Stack, placement: Placement) -> str:
    index = stack.services[placement.service].pools.index(placement.pool)
    return path_text(("services", placement.service, "pools", index), PREFIX)
