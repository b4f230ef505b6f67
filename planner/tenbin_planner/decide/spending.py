"""Monthly caps, paced: what has been spent in this calendar month (UTC), and what may be spent per hour from now on.

The even pace is what is left of the cap over the hours left of the month. A fleet may go beyond it by what it spent
less than that pace over the last day, so that a day's peak borrows from its night. It may always spend the even pace,
so that nothing stops at once and the pace falls smoothly when more was spent. Who stays within the allowance stays
within the month's cap. The minimum of replicas runs in any case, and what it costs beyond the cap is said.

Time that nobody watched is not free: what of the month lies before the first look counts as spent at an even pace.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from tenbin_spec.quantities import money_text
from tenbin_spec.reasons import Reason

from tenbin_planner.decide import months
from tenbin_planner.decide.months import DAY_S, HOUR_S
from tenbin_planner.decide.plain import amount

WHERE = "memory of money"
STACK = ""
"""Stands for all services together among those that pay; no service has this name."""
LONGEST_STEP_S = float(DAY_S)
"""After a longer gap only this much of it counts: replicas run on while nobody looks, but a clock may also jump."""
BORROWED_OVER_S = 2.0 * HOUR_S
"""What the last day left over may be spent within this time."""
LEAST_HOURS = 12.0
"""Beyond the even pace, what is left of the cap must last this long."""
DAY_HOURS = 24
MOST_HOURLY_USD = 1e9
MOST_TIME_S = 1e11
_ZERO, _FRACTION = Decimal(0), Decimal("0.000001")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spent:
    """What a service, or the stack, has spent."""

    month_usd: float = 0.0
    """In this calendar month, as far as it was watched."""
    hours: Mapping[int, float] = dataclasses.field(default_factory=dict)
    """USD in each hour of the last day, by hours since the epoch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpendingMemory:
    """What is remembered of money."""

    at: float | None = None
    """Until when it is counted, in seconds since the epoch; None before anything was."""
    since: float = 0.0
    """From when this month was watched."""
    hourly_usd: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """What existed at `at` cost per hour, by service."""
    spent: Mapping[str, Spent] = dataclasses.field(default_factory=dict)
    """By service, and for `STACK`."""

    def of(self, payer: str) -> Spent:
        """Return what a service or `STACK` has spent."""
        return self.spent.get(payer, Spent())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "at": self.at,
            "since": self.since,
            "hourly_usd": dict(sorted(self.hourly_usd.items())),
            "spent": {
                payer: {
                    "month_usd": item.month_usd,
                    "hours": {str(hour): usd for hour, usd in sorted(item.hours.items())},
                }
                for payer, item in sorted(self.spent.items())
            },
        }


def from_plain(plain: Mapping[str, Any]) -> SpendingMemory:
    """Read what `SpendingMemory.to_plain` wrote.

    Raises:
        ValueError: when it is not of this shape, or holds a number that is negative or not finite.
    """
    try:
        return SpendingMemory(
            at=None if plain["at"] is None else amount(plain["at"], WHERE),
            since=amount(plain["since"], WHERE),
            hourly_usd={str(name): amount(usd, WHERE) for name, usd in plain["hourly_usd"].items()},
            spent={
                str(payer): Spent(
                    month_usd=amount(item["month_usd"], WHERE),
                    hours={int(hour): amount(usd, WHERE) for hour, usd in item["hours"].items()},
                )
                for payer, item in plain["spent"].items()
            },
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"memory of money is not of the shape that this program writes: {error!r}") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allowance:
    """What may be spent per hour now."""

    hourly_usd: Decimal
    """Never below what the minimum of replicas costs."""
    reason: Reason
    """`MONTHLY_CAP` while that is what the month's cap allows, `MINIMUM` while the minimum costs more."""
    even_hourly_usd: Decimal
    """What is left of the cap over the hours left of the month."""
    left_usd: Decimal
    """What is left of the cap; 0 when it is spent."""
    over_usd: Decimal
    """By how much the month ends above its cap when only the minimum runs from now on; 0 when it holds."""
    detail: str
    """All of this in words."""


def spend(memory: SpendingMemory, hourly_usd: Mapping[str, Decimal | float], *, at: float) -> SpendingMemory:
    """Return the memory with what was spent since the moment before.

    Args:
        memory: of the moment before.
        hourly_usd: price per hour, by service, of all that exists now, whether it is wanted or not; an amount that
            cannot be one counts as what the service cost before.
        at: the moment, in seconds since the epoch; one that is no time changes nothing.
    """
    if not 0 <= at <= MOST_TIME_S:
        return memory
    now = {name: _price(amount, memory.hourly_usd.get(name, 0.0)) for name, amount in sorted(hourly_usd.items())}
    if memory.at is None:
        return SpendingMemory(at=at, since=at, hourly_usd=now)
    if at < memory.at:
        # Another planner's clock may lag a little; a clock that was far ahead must not stop the count for good.
        is_lag = memory.at - at <= LONGEST_STEP_S
        return memory if is_lag else SpendingMemory(at=at, since=at, hourly_usd=now)
    start_s, _ = months.borders_s(at)
    from_s = max(memory.at, at - LONGEST_STEP_S)
    is_new_month = memory.at < start_s
    mean = {name: (now.get(name, 0.0) + memory.hourly_usd.get(name, 0.0)) / 2 for name in {*now, *memory.hourly_usd}}
    mean[STACK] = math.fsum(mean.values())
    spent = {}
    for payer in sorted({*mean, *memory.spent}):
        before = memory.of(payer)
        rate_s = mean.get(payer, 0.0) / HOUR_S
        month_usd = (0.0 if is_new_month else before.month_usd) + rate_s * (at - max(from_s, start_s))
        hours = _hours(before.hours, rate_s, from_s, at)
        if month_usd or hours:
            spent[payer] = Spent(month_usd=month_usd, hours=hours)
    since = memory.since if not is_new_month else float(max(start_s, from_s))
    return SpendingMemory(at=at, since=since, hourly_usd=now, spent=spent)


def allowance_hourly_usd(
    memory: SpendingMemory, payer: str, cap_usd: Decimal, *, at: float, least_hourly_usd: Decimal = _ZERO
) -> Allowance:
    """Return what a service, or the stack, may spend per hour so that its monthly cap holds.

    Args:
        memory: of money, `spend` up to this moment.
        payer: name of the service, or `STACK`.
        cap_usd: its cap for a calendar month.
        at: the moment, in seconds since the epoch; one that is no time counts as the memory's.
        least_hourly_usd: price per hour of its minimum of replicas, which runs in any case.
    """
    at = at if 0 <= at <= MOST_TIME_S else memory.at or 0.0
    hours_left = max(1.0, months.borders_s(at)[1] - at) / HOUR_S
    cap = float(cap_usd)
    spent_usd = _spent_usd(memory, payer, cap, at=at)
    left_usd = max(0.0, cap - spent_usd)
    even = left_usd / hours_left
    borrowed = max(0.0, _left_of_day(memory, payer, even, at=at)) / (BORROWED_OVER_S / HOUR_S)
    paced = max(even, min(even + borrowed, left_usd / LEAST_HOURS))
    over_usd = max(0.0, float(least_hourly_usd) * hours_left - left_usd)
    allowed = _money(paced)
    is_least = allowed < least_hourly_usd
    parts = [f"{_text(spent_usd)} of {money_text(cap_usd)} USD spent, {hours_left:.0f} h of the month left"]
    if is_least:
        parts.append(
            f"{_text(paced)} USD per hour would hold the cap, the minimum costs {money_text(least_hourly_usd)}"
        )
    else:
        parts.append(f"{_text(paced)} USD per hour allowed")
    if over_usd >= 0.01:
        parts.append(f"the month ends {_text(over_usd)} USD over the cap")
    return Allowance(
        hourly_usd=max(allowed, least_hourly_usd),
        reason=Reason.MINIMUM if is_least else Reason.MONTHLY_CAP,
        even_hourly_usd=_money(even),
        left_usd=_money(left_usd),
        over_usd=_money(over_usd),
        detail="; ".join(parts),
    )


def _spent_usd(memory: SpendingMemory, payer: str, cap: float, *, at: float) -> float:
    """Return what was spent in this month, with an even share of the cap for the time that nobody watched."""
    start_s, end_s = months.borders_s(at)
    if memory.at is None or memory.at < start_s:
        since, watched_usd = at, 0.0
    else:
        since, watched_usd = min(max(memory.since, start_s), at), memory.of(payer).month_usd
    return watched_usd + cap * (since - start_s) / (end_s - start_s)


def _left_of_day(memory: SpendingMemory, payer: str, even: float, *, at: float) -> float:
    """Return how much less than the even pace was spent over the last day, as far as it was watched in this month."""
    if memory.at is None:
        return 0.0
    start_s, _ = months.borders_s(at)
    first = math.ceil(max(memory.since, start_s, at - DAY_S) / HOUR_S)
    watched_s = min(at, memory.at) - first * HOUR_S
    usd = math.fsum(usd for hour, usd in memory.of(payer).hours.items() if hour >= first)
    return even * max(0.0, watched_s) / HOUR_S - usd


def _hours(before: Mapping[int, float], rate_s: float, from_s: float, at: float) -> dict[int, float]:
    """Return the spending by hour with that of a step at a constant rate in USD per second."""
    last = int(at // HOUR_S)
    hours = {hour: usd for hour, usd in before.items() if last - DAY_HOURS <= hour <= last}
    for hour in range(max(int(from_s // HOUR_S), last - DAY_HOURS), last + 1):
        seconds = min(at, (hour + 1) * HOUR_S) - max(from_s, hour * HOUR_S)
        if rate_s * seconds > 0:
            hours[hour] = hours.get(hour, 0.0) + rate_s * seconds
    return dict(sorted(hours.items()))


def _price(amount: Decimal | float, before: float) -> float:
    if isinstance(amount, Decimal) and amount.is_nan():
        return before
    return float(amount) if 0 <= amount <= MOST_HOURLY_USD else before


def _money(usd: float) -> Decimal:
    """Return an amount of money, rounded down."""
    return Decimal(repr(usd)).quantize(_FRACTION, rounding=ROUND_DOWN)


def _text(usd: float) -> str:
    return f"{usd:.2f}"
