"""What `tenbin cost` has found, as plain data and in the words that its table and its Markdown share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_spec.cost import Amounts, Estimate, Level
from tenbin_spec.cost.amounts import text
from tenbin_spec.cost.changes import Change
from tenbin_spec.cost.verdicts import Judgement, Verdict
from tenbin_spec.cost.words import signed, usd
from tenbin_spec.stack import Stack
from tenbin_spec.words import percent_text

from tenbin_cli.cost_expectation import Attainment

WORDS = {
    Verdict.WITHIN: "within the limits",
    Verdict.NEEDS_APPROVAL: "needs approval",
    Verdict.REFUSED: "refused",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Promise:
    """One objective before and after: what is asked and what is expected."""

    service: str
    class_name: str
    target: tuple[str, str]
    """Before and after, in words; a dash where there is none."""
    attainment: tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StackReport:
    """A change of one stack, judged."""

    change: Change
    judgement: Judgement
    promises: tuple[Promise, ...]
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The expected bill before and after, and the verdict."""
        before, after = self.change.monthly_before.expected, self.change.monthly_after.expected
        growth = self.change.difference.expected
        percent = f" ({growth / before:+.1%})".replace("%", " %") if before and growth is not None else ""
        return f"{usd(before)} to {usd(after)} USD a month expected, {signed(growth)}{percent}: {self.verdict}"

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        word = WORDS[self.judgement.verdict]
        return (
            f"{word}, and approved"
            if self.judgement.approved and self.judgement.verdict is Verdict.NEEDS_APPROVAL
            else word
        )

    def level_rows(self, expected: str) -> list[tuple[str, str, str, str]]:
        """Return level, before, after and change.

        Args:
            expected: where the expectation is from.
        """
        change, names = self.change, {Level.MINIMUM: "minimum", Level.EXPECTED: expected, Level.MAXIMUM: "maximum"}
        return [
            (
                names[level],
                usd(change.monthly_before.at(level)),
                usd(change.monthly_after.at(level)),
                signed(change.difference.at(level)),
            )
            for level in Level
        ]

    def cause_rows(self) -> list[tuple[str, ...]]:
        """Return cause, line, and what it adds at the three levels; causes that cost nothing have one row."""
        rows: list[tuple[str, ...]] = []
        for cause in self.change.causes:
            own = [share for share in self.change.shares if share.cause == cause]
            rows += [(cause.text, share.line, *_signed(share.monthly_usd)) for share in own]
            if not own:
                rows.append((cause.text, "no line", "0.00", "0.00", "0.00"))
        return rows

    def line_rows(self) -> list[tuple[str, ...]]:
        """Return line, and its amounts before and after at the three levels."""
        return [
            (line.name, *(_course(line.before, line.after, level) for level in Level)) for line in self.change.lines
        ]

    def sums(self) -> tuple[str, str, str]:
        """Return the amounts of the stack before and after at the three levels."""
        before, after = self.change.monthly_before, self.change.monthly_after
        minimum, expected, maximum = (_course(before, after, level) for level in Level)
        return minimum, expected, maximum

    def plain(self) -> dict[str, Any]:
        """Return everything as plain values; amounts are texts."""
        change = self.change
        return {
            "verdict": self.judgement.verdict.value,
            "reasons": list(self.judgement.reasons),
            "approved": self.judgement.approved,
            "monthly_usd": _plain_course(change.monthly_before, change.monthly_after, change.difference),
            "causes": [
                {
                    "kind": cause.kind.value,
                    "path": cause.path,
                    "text": cause.text,
                    "monthly_usd": change.of_cause(cause).texts(),
                    "lines": [
                        {"line": share.line, "monthly_usd": share.monthly_usd.texts()}
                        for share in change.shares
                        if share.cause == cause
                    ],
                }
                for cause in change.causes
            ],
            "lines": [
                {
                    "line": line.name,
                    **({} if line.service is None else {"service": line.service}),
                    **({} if line.pool is None else {"pool": line.pool}),
                    "monthly_usd": _plain_course(line.before, line.after, line.difference),
                }
                for line in change.lines
            ],
            "objectives": [dataclasses.asdict(promise) for promise in self.promises],
            "usd_per_million_output_tokens": {
                "before": text(None if change.before is None else change.before.usd_per_million()),
                "after": text(None if change.after is None else change.after.usd_per_million()),
            },
            "unknown": [] if change.after is None else list(change.after.unknown),
            "not_counted": [] if change.after is None else list(change.after.not_counted),
            "warnings": list(self.warnings),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffReport:
    """What a change costs, stack by stack."""

    base: str
    head: str
    stacks: tuple[StackReport, ...]
    hours: float | None = None
    """Of the back-tested day; None: the expectation is the closed form's."""

    @property
    def expected(self) -> str:
        """Where the expectation is from."""
        return "expected, by estimate" if self.hours is None else f"expected, back-tested over {self.hours:g} h"

    @property
    def stands(self) -> bool:
        """Whether all of it may be made."""
        return all(item.judgement.stands for item in self.stacks)

    @property
    def is_refused(self) -> bool:
        """Whether nobody may agree to it."""
        return any(item.judgement.verdict is Verdict.REFUSED for item in self.stacks)

    def plain(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "base": self.base,
            "head": self.head,
            "expectation": "closed form" if self.hours is None else f"back-test of {self.hours:g} h",
            "stacks": {item.change.stack: item.plain() for item in self.stacks},
        }


def promises(before: Stack | None, after: Stack | None, past: Attainment, present: Attainment) -> tuple[Promise, ...]:
    """Return the objectives of either stack, with what a back-test reached of each; a dash where none was made."""
    targets = [_targets(stack) for stack in (before, after)]
    return tuple(
        Promise(
            service=service,
            class_name=name,
            target=(targets[0].get((service, name), "—"), targets[1].get((service, name), "—")),
            attainment=(_share(past, service, name), _share(present, service, name)),
        )
        for service, name in sorted({*targets[0], *targets[1]})
    )


def unchanged(pair: tuple[str, str]) -> str:
    """Write a value before and after, once where it stays."""
    return pair[0] if pair[0] == pair[1] else f"{pair[0]} → {pair[1]}"


def show_rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """Return line, replicas and USD a month at the three levels."""
    rows: list[tuple[str, ...]] = []
    for line in estimate.lines:
        counts = [str(line.replicas.get(level, "?")) for level in Level] if line.replicas else []
        rows.append((line.name, " / ".join(counts), *(usd(line.monthly_usd.at(level)) for level in Level)))
    return rows


def notes(estimate: Estimate) -> list[str]:
    """Return what else there is to say of a bill."""
    million, every = estimate.usd_per_million(), estimate.usd_per_million(outputs_only=False)
    told = [f"{text(million)} USD per million output tokens, {text(every)} per million of prompts and answers"]
    if estimate.committed_hourly_usd:
        told.append(f"{usd(estimate.committed_hourly_usd)} USD an hour are committed, used or not")
    if estimate.spot_share:
        told.append(f"{percent_text(round(estimate.spot_share, 4))} of what replicas are expected to cost is spot")
    told += [f"unknown, so that it is in no sum: {what}" for what in estimate.unknown]
    return [*told, f"not counted: {', '.join(estimate.not_counted)}"]


def _targets(stack: Stack | None) -> Mapping[tuple[str, str], str]:
    if stack is None:
        return {}
    return {
        (service, name): percent_text(float(objective.target))
        for service, agreed in stack.services.items()
        for name, objective in agreed.slo.classes.items()
    }


def _share(found: Attainment, service: str, name: str) -> str:
    share = found.get(service, {}).get(name)
    return "—" if share is None else f"{share:.2%}".replace("%", " %")


def _signed(amounts: Amounts) -> Sequence[str]:
    return [signed(amounts.at(level)) for level in Level]


def _course(before: Amounts, after: Amounts, level: Level) -> str:
    return unchanged((usd(before.at(level)), usd(after.at(level))))


def _plain_course(before: Amounts, after: Amounts, change: Amounts) -> dict[str, Any]:
    return {"before": before.texts(), "after": after.texts(), "change": change.texts()}
