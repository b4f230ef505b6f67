"""What a change of the configuration costs: each line before and after, and what each cause adds to it, to the cent."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from tenbin_spec.cost import causes, estimate
from tenbin_spec.cost.amounts import NOTHING, ZERO, Amounts, Level, in_cents, total
from tenbin_spec.cost.causes import Cause, CauseKind
from tenbin_spec.cost.estimate import Estimate, Line
from tenbin_spec.quantities import HOURS_A_MONTH
from tenbin_spec.stack import PREFIX, Stack

Key = tuple[str, str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """What one cause adds to one line."""

    cause: Cause
    line: str
    """Name of the line."""
    monthly_usd: Amounts
    """In cents."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LineChange:
    """A line before and after; a line that there is not is nothing."""

    name: str
    service: str | None
    pool: str | None
    before: Amounts
    """USD per month, in cents."""
    after: Amounts
    shares: tuple[Share, ...]
    """In the order of causes; they add up to the difference, to the cent, where that is known."""

    @property
    def difference(self) -> Amounts:
        """USD per month, in cents; unknown where either amount is."""
        return self.after.minus(self.before)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of a stack's bill."""

    stack: str
    before: Estimate | None
    """None for a stack that is new."""
    after: Estimate | None
    """None for a stack that is removed."""
    lines: tuple[LineChange, ...]
    """All lines of either, changed or not."""
    causes: tuple[Cause, ...]
    """All that changes, also what costs nothing."""

    @property
    def monthly_before(self) -> Amounts:
        """USD per month before, in cents: what the lines add up to."""
        return total(line.before for line in self.lines)

    @property
    def monthly_after(self) -> Amounts:
        """USD per month after, in cents: what the lines add up to."""
        return total(line.after for line in self.lines)

    @property
    def difference(self) -> Amounts:
        """USD per month, in cents."""
        return self.monthly_after.minus(self.monthly_before)

    @property
    def shares(self) -> tuple[Share, ...]:
        """What each cause adds to each line, by cause."""
        order = {cause: place for place, cause in enumerate(self.causes)}
        return tuple(
            sorted((share for line in self.lines for share in line.shares), key=lambda item: order[item.cause])
        )

    def of_cause(self, cause: Cause) -> Amounts:
        """Return what a cause adds to the bill, in USD per month."""
        return total([NOTHING, *(share.monthly_usd for share in self.shares if share.cause == cause)])


Estimator = Callable[[Stack], Estimate]
"""Estimates a stack: `estimate.of`, or that with a back-test's expectation."""


def between(name: str, before: Stack | None, after: Stack | None, estimator: Estimator = estimate.of) -> Change:
    """Return what a change does to a stack's bill.

    The change is taken cause by cause, each on top of those before it (`causes.chain`), so that what they add to a line
    telescopes to the whole difference of it. Parts of cents go to the largest remainders.

    Args:
        name: of the stack.
        before: the stack as it is; None where there is none.
        after: the stack as it will be; None where there will be none.
        estimator: estimates each stack on the way.
    """
    steps: list[tuple[Cause, Stack | None]] = []
    if before is not None and after is not None:
        steps += causes.chain(before, after)
    elif before is not after:
        kind, word = (CauseKind.STACK_ADDED, "added") if before is None else (CauseKind.STACK_REMOVED, "removed")
        steps.append((Cause(kind=kind, path=PREFIX.rstrip(":"), text=f"stack {name} {word}"), after))
    course = [None if stack is None else estimator(stack) for stack in (before, *(stack for _, stack in steps))]
    told = tuple(cause for cause, _ in steps)
    way = [_by_key(item) for item in course]
    every = sorted({key: line for found in way for key, line in found.items()}.items())
    lines = tuple(_line_change(line, [found.get(key) for found in way], told) for key, line in every)
    return Change(
        stack=name,
        before=course[0],
        after=course[-1],
        lines=tuple(
            item for item in lines if not (item.before.is_nothing and item.after.is_nothing and not item.shares)
        ),
        causes=told,
    )


def _by_key(found: Estimate | None) -> Mapping[Key, Line]:
    return {} if found is None else {line.key: line for line in found.lines}


def _line_change(line: Line, course: Sequence[Line | None], told: Sequence[Cause]) -> LineChange:
    monthly = [NOTHING if item is None else item.monthly_usd for item in course]
    exact = [NOTHING if item is None else item.hourly_usd for item in course]
    by_level = {
        level: _parts([item.at(level) for item in exact], monthly[0].at(level), monthly[-1].at(level))
        for level in Level
    }
    shares = [
        Share(cause=cause, line=line.name, monthly_usd=Amounts.by_level(lambda level, at=place: by_level[level][at]))  # type: ignore[misc]
        for place, cause in enumerate(told)
    ]
    return LineChange(
        name=line.name,
        service=line.service,
        pool=line.pool,
        before=monthly[0],
        after=monthly[-1],
        shares=tuple(share for share in shares if not share.monthly_usd.is_nothing),
    )


def _parts(hourly: Sequence[Decimal | None], before: Decimal | None, after: Decimal | None) -> list[Decimal | None]:
    """Return what each step adds to an amount per month, in cents; unknown from and to what is unknown."""
    pairs = list(_pairs(hourly))
    if before is None or after is None or any(step is None for step in pairs):
        return [None if step is None else (step * HOURS_A_MONTH).quantize(Decimal("0.01")) for step in pairs]
    moved = [place for place, step in enumerate(pairs) if step]
    rounded = in_cents([(pairs[place] or ZERO) * HOURS_A_MONTH for place in moved], after - before) if moved else []
    parts: list[Decimal | None] = [ZERO] * len(pairs)
    for place, cents in zip(moved, rounded, strict=True):
        parts[place] = cents
    return parts


def _pairs(hourly: Sequence[Decimal | None]) -> Iterator[Decimal | None]:
    for past, present in itertools.pairwise(hourly):
        if past is None and present is None:
            yield ZERO
        else:
            yield None if past is None or present is None else present - past
