"""Amounts of money at the three levels, and their rounding to cents."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal

from tenbin_spec.quantities import HOURS_A_MONTH, money_text

ZERO = Decimal(0)
CENT = Decimal("0.01")
_FINEST = Decimal("0.000001")
"""Of amounts in texts, as in configuration."""
UNKNOWN = "unknown"
"""Stands where an amount would, in outputs and JSON."""


class Level(enum.StrEnum):
    """How much of a stack runs."""

    MINIMUM = "minimum"
    """Each service's minimum, on its cheapest pools."""
    EXPECTED = "expected"
    """What serves the expected rate within the objectives."""
    MAXIMUM = "maximum"
    """The most that ranges, pools and caps allow, on the dearest pools."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Amounts:
    """USD at each level; None where a price or a profile that counts is unknown."""

    minimum: Decimal | None
    expected: Decimal | None
    maximum: Decimal | None

    @classmethod
    def by_level(cls, amount: Callable[[Level], Decimal | None]) -> Amounts:
        """Return the amounts that a function gives by level."""
        return cls(minimum=amount(Level.MINIMUM), expected=amount(Level.EXPECTED), maximum=amount(Level.MAXIMUM))

    @classmethod
    def same(cls, amount: Decimal | None) -> Amounts:
        """Return an amount that is paid whatever runs."""
        return cls(minimum=amount, expected=amount, maximum=amount)

    def at(self, level: Level) -> Decimal | None:
        """Return the amount at a level."""
        return {Level.MINIMUM: self.minimum, Level.EXPECTED: self.expected, Level.MAXIMUM: self.maximum}[level]

    @property
    def is_nothing(self) -> bool:
        """Whether all amounts are known and 0."""
        return self == NOTHING

    @property
    def is_known(self) -> bool:
        """Whether all amounts are known."""
        return None not in (self.minimum, self.expected, self.maximum)

    def monthly(self) -> Amounts:
        """Return amounts per hour as amounts per month of `HOURS_A_MONTH`, each rounded to the cent, half to even."""
        return self._each(lambda amount: (amount * HOURS_A_MONTH).quantize(CENT))

    def minus(self, other: Amounts) -> Amounts:
        """Return the difference, unknown where either is."""

        def difference(level: Level) -> Decimal | None:
            mine, its = self.at(level), other.at(level)
            return None if mine is None or its is None else mine - its

        return Amounts.by_level(difference)

    def known(self) -> Amounts:
        """Return the amounts with 0 for unknown ones: for sums that say beside them what is left out."""
        return Amounts.by_level(lambda level: self.at(level) or ZERO)

    def texts(self) -> dict[str, str]:
        """Return the amounts as texts by level; `unknown` where they are."""
        return {level.value: text(self.at(level)) for level in Level}

    def _each(self, change: Callable[[Decimal], Decimal]) -> Amounts:
        def changed(level: Level) -> Decimal | None:
            amount = self.at(level)
            return None if amount is None else change(amount)

        return Amounts.by_level(changed)


NOTHING = Amounts(minimum=ZERO, expected=ZERO, maximum=ZERO)


def total(amounts: Iterable[Amounts]) -> Amounts:
    """Return the sum; unknown at each level at which one of them is."""
    every = tuple(amounts)

    def at(level: Level) -> Decimal | None:
        known = [found for item in every if (found := item.at(level)) is not None]
        return sum(known, ZERO) if len(known) == len(every) else None

    return Amounts.by_level(at)


def text(amount: Decimal | None) -> str:
    """Return an amount as text, `unknown` for none.

    >>> text(Decimal("1.5")), text(None)
    ('1.50', 'unknown')
    """
    return UNKNOWN if amount is None else money_text(amount.quantize(_FINEST))


def in_cents(exact: Sequence[Decimal], whole: Decimal) -> list[Decimal]:
    """Round amounts to cents so that they add up to a whole, by largest remainder; the first of equals gets the cent.

    >>> third = Decimal(1) / 3
    >>> [str(part) for part in in_cents([third, third, third], Decimal("1.00"))]
    ['0.34', '0.33', '0.33']

    Args:
        exact: amounts in USD.
        whole: what they add up to, in whole cents and within a cent for each of the amounts.
    """
    floors = [amount.quantize(CENT, rounding=ROUND_FLOOR) for amount in exact]
    missing = int((whole - sum(floors, ZERO)) / CENT)
    order = sorted(range(len(exact)), key=lambda place: (floors[place] - exact[place], place))
    # More cents than amounts, or fewer than none, are dealt round after round.
    for turn in range(abs(missing)):
        place = order[turn % len(order)] if missing > 0 else order[-1 - turn % len(order)]
        floors[place] += CENT if missing > 0 else -CENT
    return floors
