"""Whether a change of a stack's bill is within the limits that were agreed."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec.cost.amounts import ZERO
from tenbin_spec.cost.changes import Change
from tenbin_spec.quantities import money_text
from tenbin_spec.review import GrowthLimit, Review


class Verdict(enum.StrEnum):
    """What becomes of a change, the mildest first."""

    WITHIN = "within"
    NEEDS_APPROVAL = "needs-approval"
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """In words; none where all is within."""
    approved: bool = False
    """Whether somebody has agreed."""

    @property
    def stands(self) -> bool:
        """Whether the change may be made."""
        return self.verdict is Verdict.WITHIN or (self.verdict is Verdict.NEEDS_APPROVAL and self.approved)


def judge(change: Change, limits: Review, *, changed_limits: bool = False, approved: bool = False) -> Judgement:
    """Judge a change.

    Args:
        change: of one stack.
        limits: those of the configuration before the change, so that no change lifts its own.
        changed_limits: whether the change also changes the limits, which somebody must agree to.
        approved: whether somebody has agreed.
    """
    refused, asked = list(_refusals(change, limits)), list(_questions(change, limits))
    if changed_limits:
        asked.append("the limits of review change: those from before count here")
    verdict = Verdict.REFUSED if refused else Verdict.NEEDS_APPROVAL if asked else Verdict.WITHIN
    return Judgement(verdict=verdict, reasons=(*refused, *asked), approved=approved)


def _refusals(change: Change, limits: Review) -> Iterator[str]:
    after, most = change.monthly_after.expected, limits.expected_monthly_usd
    if most is not None and after is not None and after > most:
        yield f"{money_text(after)} USD a month are expected; allowed are {money_text(most)}"
    if limits.refusal is not None:
        yield from _growth(change, limits.refusal, "allowed")


def _questions(change: Change, limits: Review) -> Iterator[str]:
    if limits.approval is not None:
        yield from _growth(change, limits.approval, "without a question")
    known = () if change.before is None else change.before.unknown
    for what in () if change.after is None else change.after.unknown:
        if what not in known:
            yield f"unknown, so that it is in no sum: {what}"


def _growth(change: Change, limit: GrowthLimit, words: str) -> Iterator[str]:
    """Say where the expected bill grows beyond a limit; what is unknown is told apart and counts as nothing here."""
    before = change.monthly_before.known().expected or ZERO
    growth = (change.monthly_after.known().expected or ZERO) - before
    if limit.monthly_usd is not None and growth > limit.monthly_usd:
        yield f"{money_text(growth)} USD a month more are expected; {words}: {money_text(limit.monthly_usd)}"
    if limit.percent is not None and growth > before * Decimal(str(limit.percent)) / 100:
        percent = f"{growth / before * 100:.1f} %" if before else "from nothing"
        yield f"{percent} more is expected; {words}: {limit.percent:g} %"
