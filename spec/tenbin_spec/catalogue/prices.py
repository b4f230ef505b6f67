"""Prices by region and way of buying, each with its source and its day.

A price that nobody knows is absent here and None for who asks, never 0.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Self

from pydantic import ValidationError, model_validator

from tenbin_spec.pools import CapacityType, Pool
from tenbin_spec.problems import ConfigurationError, Problem, problems_of
from tenbin_spec.quantities import Day, Frozen, Share, Usd, money_text

STALE_AFTER = datetime.timedelta(days=90)
"""Age beyond which a price is doubted: AWS reviews capacity-block rates every quarter, and spot moves faster."""

_LISTED_AS = {CapacityType.RESERVATION: CapacityType.ON_DEMAND}
"""A capacity reservation costs the on-demand rate, whether instances run in it or not (EC2 user guide)."""


class PriceList(Frozen):
    """Prices of one region and one way of buying.

    Spot prices are an indication of one day: what is paid changes without notice.
    """

    source: str
    date: Day
    region: str
    capacity_type: CapacityType
    hourly_usd: dict[str, Usd]
    """Price of one node for an hour, by instance type."""

    @property
    def key(self) -> tuple[str, CapacityType]:
        """What the list is of: region and way of buying."""
        return self.region, self.capacity_type


class FixedPrice(Frozen):
    """Price of something that is paid whether models are served or not."""

    usd: Usd
    source: str
    date: Day


class AutoModeShare(Frozen):
    """What EKS Auto Mode charges for a node, as a share of its on-demand price."""

    share: Share
    source: str
    date: Day


class FixedPrices(Frozen):
    """What a region charges besides nodes; None where nobody knows it."""

    region: str
    eks_cluster_hour: FixedPrice | None = None
    """A control plane in standard support, for an hour."""
    eks_cluster_extended_hour: FixedPrice | None = None
    """A control plane in extended support, for an hour, all in all."""
    nat_gateway_hour: FixedPrice | None = None
    nat_gateway_gb: FixedPrice | None = None
    """A GB through a NAT gateway, without the traffic itself."""
    nlb_hour: FixedPrice | None = None
    """A network load balancer for an hour, without its capacity units."""
    interface_endpoint_hour: FixedPrice | None = None
    """An interface endpoint in one zone for an hour."""
    ebs_gp3_gb_month: FixedPrice | None = None
    auto_mode: AutoModeShare | None = None
    node_hour: dict[str, FixedPrice] | None = None
    """A node without accelerators on demand for an hour, by instance type."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodePrice:
    """Price of one node for an hour, and where it is from."""

    hourly_usd: Decimal
    date: datetime.date
    source: str


class PriceBook(Frozen):
    """Price lists, at most one of each region and way of buying."""

    lists: tuple[PriceList, ...] = ()
    fixed: tuple[FixedPrices, ...] = ()

    @model_validator(mode="after")
    def _has_one_of_each(self) -> Self:
        for what, keys in (
            ("lists", [f"{item.region} {item.capacity_type}" for item in self.lists]),
            ("fixed", [item.region for item in self.fixed]),
        ):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise ValueError(f"{what} has {', '.join(twice)} more than once")
        return self

    def find(self, *, region: str, capacity_type: CapacityType, instance_type: str) -> NodePrice | None:
        """Return the price of one node for an hour, or None when the book does not have it."""
        wanted = region, _LISTED_AS.get(capacity_type, capacity_type)
        for item in self.lists:
            if item.key == wanted and instance_type in item.hourly_usd:
                return NodePrice(hourly_usd=item.hourly_usd[instance_type], date=item.date, source=item.source)
        return None

    def of(self, pool: Pool) -> NodePrice | None:
        """Return the price of a pool's node for an hour, or None when the book does not have it."""
        return self.find(region=pool.region, capacity_type=pool.capacity_type, instance_type=pool.instance_type)

    def fixed_in(self, region: str) -> FixedPrices:
        """Return what a region charges besides nodes; all of it None when the book does not have the region."""
        return next((item for item in self.fixed if item.region == region), FixedPrices(region=region))

    def with_lists(self, lists: Iterable[PriceList]) -> PriceBook:
        """Return the book with these lists in place of those of the same region and way of buying."""
        new = {item.key: item for item in self.lists} | {item.key: item for item in lists}
        return self.model_copy(update={"lists": tuple(new[key] for key in sorted(new))})

    def to_json(self) -> str:
        """Write the book as a file: sorted, so that a change of one price is a change of one line."""
        plain = self.model_dump(mode="json", exclude_none=True)
        for item in plain["lists"]:
            item["hourly_usd"] = dict(sorted(item["hourly_usd"].items()))
        return json.dumps({key: value for key, value in plain.items() if value}, indent=2) + "\n"


def is_stale(day: datetime.date, today: datetime.date) -> bool:
    """Return whether a price of that day is too old to be trusted."""
    return today - day > STALE_AFTER


def parse(text: str, source: str) -> PriceBook:
    """Parse a price file.

    Args:
        text: what the file holds.
        source: what the error calls it.

    Raises:
        ConfigurationError: with every problem.
    """
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigurationError([Problem(path=place, message=f"is not JSON: {error.msg}")], source) from error
    try:
        return PriceBook.model_validate(plain)
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, PriceBook), source) from error


def fill(pools: Mapping[str, Any], book: PriceBook) -> dict[str, Any]:
    """Write the prices of a book, with their day, into the plain pools that have none.

    Pools that cannot be parsed, or that the book has no price for, stay as they are: the one is told by who parses the
    configuration, and the other gets the price of the catalogue.
    """
    return {name: _filled(pool, book) for name, pool in pools.items()}


def _filled(plain: Any, book: PriceBook) -> Any:
    if not isinstance(plain, Mapping) or plain.get("hourly_usd") is not None:
        return plain
    try:
        price = book.of(Pool.model_validate(dict(plain)))
    except ValidationError:
        return plain
    if price is None:
        return plain
    return {**plain, "hourly_usd": money_text(price.hourly_usd), "priced_on": price.date.isoformat()}
