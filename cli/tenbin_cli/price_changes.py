"""What a new price list changes: before and after, by way of buying and instance type."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal

from rich.table import Table
from tenbin_spec.catalogue.prices import PriceList
from tenbin_spec.pools import CapacityType
from tenbin_spec.quantities import money_text

_ORDER = tuple(CapacityType)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One price for an hour in USD that changes; None where it is not known."""

    capacity_type: CapacityType
    instance_type: str
    before: Decimal | None
    after: Decimal | None

    @property
    def share(self) -> Decimal | None:
        """Rise as a share of the price before; None when one of them is not known or nothing was paid."""
        return (self.after - self.before) / self.before if self.before and self.after is not None else None


def changes(before: Iterable[PriceList], after: Iterable[PriceList], region: str) -> tuple[Change, ...]:
    """Return the prices of a region that differ, by way of buying and instance type.

    Args:
        before: lists that count before; where two have a price the first one counts.
        after: lists that count after.
        region: what is compared.
    """
    old, new = _prices(before, region), _prices(after, region)
    keys = sorted(old.keys() | new.keys(), key=lambda key: (_ORDER.index(key[0]), key[1]))
    return tuple(
        Change(capacity_type=key[0], instance_type=key[1], before=old.get(key), after=new.get(key))
        for key in keys
        if old.get(key) != new.get(key)
    )


def _prices(lists: Iterable[PriceList], region: str) -> dict[tuple[CapacityType, str], Decimal]:
    found: dict[tuple[CapacityType, str], Decimal] = {}
    for item in lists:
        if item.region == region:
            for name, price in item.hourly_usd.items():
                found.setdefault((item.capacity_type, name), price)
    return found


def table(found: tuple[Change, ...], region: str) -> Table:
    """Draw changes."""
    drawn = Table(title=f"{region}, USD for an hour of one node", title_justify="left", title_style="bold")
    drawn.add_column("Bought as")
    drawn.add_column("Instance type")
    for column in ("Before", "After", "Change"):
        drawn.add_column(column, justify="right")
    for change in found:
        drawn.add_row(
            change.capacity_type,
            change.instance_type,
            _amount(change.before),
            _amount(change.after),
            _share(change.share),
        )
    return drawn


def _amount(price: Decimal | None) -> str:
    return "unknown" if price is None else money_text(price)


def _share(share: Decimal | None) -> str:
    return "" if share is None else f"{share * 100:+.1f} %"
