"""The report of `tenbin cost` as tables of a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tenbin_spec.cost import Estimate, Level
from tenbin_spec.cost.verdicts import Verdict
from tenbin_spec.cost.words import signed, usd

from tenbin_cli.cost_report import DiffReport, StackReport, notes, show_rows, unchanged

_STYLES = {Verdict.WITHIN: "green", Verdict.NEEDS_APPROVAL: "yellow", Verdict.REFUSED: "red"}


def show(console: Console, name: str, estimate: Estimate) -> None:
    """Print what a stack costs."""
    table = _table(f"{name}, USD a month", "Line", "Replicas", "Minimum", "Expected", "Maximum", left=1)
    for row in show_rows(estimate):
        table.add_row(*row)
    table.add_section()
    table.add_row("together", "", *(usd(estimate.monthly_usd.at(level)) for level in Level), style="bold")
    console.print(table)
    for note in notes(estimate):
        console.print(Text(f"  {note}"))


def diff(console: Console, report: DiffReport) -> None:
    """Print what a change costs."""
    for item in report.stacks:
        style = _STYLES[item.judgement.verdict]
        console.print(Text(f"{item.change.stack}: {item.sentence}", style=f"bold {style}"))
        for reason in item.judgement.reasons:
            console.print(Text(f"  {reason}", style=style))
        for warning in item.warnings:
            console.print(Text(f"  warning: {warning}", style="yellow"))
        _causes(console, item)
        _lines(console, item, report)
        if report.hours is not None:
            _promises(console, item)
        for note in [] if item.change.after is None else notes(item.change.after):
            console.print(Text(f"  {note}", style="dim"))


def _causes(console: Console, item: StackReport) -> None:
    if not item.change.causes:
        console.print(Text("  nothing changes"))
        return
    table = _table("What drives it, USD a month", "Cause", "Line", "Minimum", "Expected", "Maximum", left=2)
    for row in item.cause_rows():
        table.add_row(*row)
    table.add_section()
    together = item.change.difference
    table.add_row("together", "", *(signed(together.at(level)) for level in Level), style="bold")
    console.print(table)


def _lines(console: Console, item: StackReport, report: DiffReport) -> None:
    table = _table("By service and pool, USD a month", "Line", "Minimum", report.expected, "Maximum", left=1)
    for row in item.line_rows():
        table.add_row(*row)
    table.add_section()
    table.add_row("together", *item.sums(), style="bold")
    console.print(table)


def _promises(console: Console, item: StackReport) -> None:
    table = _table("Objectives", "Service", "Class", "Target", "Attainment, back-tested", left=2)
    for promise in item.promises:
        table.add_row(promise.service, promise.class_name, unchanged(promise.target), unchanged(promise.attainment))
    console.print(table)


def _table(title: str, *columns: str, left: int) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right")
    return table
