"""The report of `tenbin cost` as Markdown, for a comment of a pull request that is edited in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tenbin_spec.cost import Estimate, Level
from tenbin_spec.cost.amounts import total
from tenbin_spec.cost.words import signed, usd

from tenbin_cli.cost_report import DiffReport, StackReport, notes, show_rows, unchanged

MARKER = "<!-- tenbin cost diff -->"
"""First line of the comment, by which the one that is there is found again; readers do not see it."""


def diff(report: DiffReport) -> str:
    """Write what a change costs."""
    lines = [MARKER, "## What this change costs", ""]
    for item in report.stacks:
        lines += [*_stack(item, report), ""]
    where = f"`{_safe(report.base)}` to `{_safe(report.head)}`"
    source = (
        "The expectation is the closed form's: of a constant fleet at the declared rate."
        if report.hours is None
        else f"The expectation is back-tested: the planner through {report.hours:g} h of the declared traffic."
    )
    lines.append(f"<sub>{where}. A month has 730 hours; parts add up to the cent. {source}</sub>")
    return "\n".join(lines) + "\n"


def show(name: str, estimate: Estimate) -> str:
    """Write what a stack costs."""
    whole = total(line.monthly_usd for line in estimate.lines)
    head = ("USD a month", "Replicas", "Minimum", "Expected", "Maximum")
    last = ("**Together**", "", *(f"**{usd(whole.at(level))}**" for level in Level))
    lines = [f"## What `{name}` costs", "", *_table(head, [*show_rows(estimate), last], left=1), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(estimate))]) + "\n"


def _stack(item: StackReport, report: DiffReport) -> Iterator[str]:
    yield f"### `{item.change.stack}`: {item.sentence}"
    yield ""
    for reason in item.judgement.reasons:
        yield f"- {reason}"
    for warning in item.warnings:
        yield f"- {warning}"
    if item.judgement.reasons or item.warnings:
        yield ""
    yield from _table(("USD a month", "Before", "After", "Change"), item.level_rows(report.expected), left=1)
    if item.change.causes:
        yield ""
        columns = ("What drives it", "Line", "Minimum", "Expected", "Maximum")
        together = item.change.difference
        last = ("**Together**", "", *(f"**{signed(together.at(level))}**" for level in Level))
        yield from _table(columns, [*item.cause_rows(), last], left=2)
    yield ""
    yield from _promises(item, report)
    yield "<details><summary>By service and pool</summary>"
    yield ""
    sums = ("**Together**", *(f"**{text}**" for text in item.sums()))
    yield from _table(("USD a month", "Minimum", "Expected", "Maximum"), [*item.line_rows(), sums], left=1)
    yield ""
    for note in [] if item.change.after is None else notes(item.change.after):
        yield f"- {note}"
    yield ""
    yield "</details>"


def _promises(item: StackReport, report: DiffReport) -> Iterator[str]:
    if report.hours is None:
        return
    rows = [
        (promise.service, promise.class_name, unchanged(promise.target), unchanged(promise.attainment))
        for promise in item.promises
    ]
    yield from _table(("Service", "Class", "Target", "Attainment, back-tested"), rows, left=2)
    yield ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """Write a table whose first columns are texts and whose others are numbers."""
    yield _row(columns)
    yield _row([":--" if place < left else "--:" for place in range(len(columns))])
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _safe(text: str) -> str:
    return text.replace("`", "'")
