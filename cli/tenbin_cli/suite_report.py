"""What a suite says: as JSON, as tables on the terminal, as Markdown and as a page."""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text
from tenbin_planner.backtest.suite import claims
from tenbin_planner.backtest.suite.tasks import PLANNER

from tenbin_cli import backtest_report, refusals, suite_lines

if TYPE_CHECKING:
    import pathlib

    from rich.console import Console
    from tenbin_planner.backtest.suite.cells import Cell
    from tenbin_planner.backtest.suite.rows import Found, Row

    from tenbin_cli.suite_options import Asked

_LOOKS = {"held": "green", "not held": "red", "not judged": "dim"}
SHOWN = 5
"""Runs that break a claim of which the terminal tells; the JSON has all."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """A suite, as far as it has come."""

    asked: Asked
    found: Found
    wall_s: float

    @functools.cached_property
    def rows(self) -> list[Row]:
        """All rows."""
        return self.found.rows()

    @functools.cached_property
    def cells(self) -> list[Cell]:
        """Cells with a row, in the order of the suite."""
        from tenbin_planner.backtest.suite import own  # noqa: PLC0415 - only for the order

        known = {task.cell.name: task.cell for task in self.found.tasks}
        having = {row["cell"] for row in self.rows}
        order = {name: place for place, name in enumerate(own.CELLS)}
        return sorted((known[name] for name in having), key=lambda cell: order.get(cell.name, len(order)))

    @functools.cached_property
    def claims(self) -> list[claims.Claim]:
        """All claims, judged."""
        failures = [f"{key}: {error}" for key, error in self.found.failures().items()]
        return claims.judge([task.cell for task in self.found.tasks], self.rows, failures)

    @property
    def is_held(self) -> bool:
        """Whether no claim is broken."""
        return all(claim.is_held for claim in self.claims)

    @property
    def verdict(self) -> str:
        """How many claims are held, not held and not judged, in words."""
        counts = Counter(claim.verdict for claim in self.claims)
        return ", ".join(f"{counts[name]} {name}" for name in _LOOKS) + f" of {len(self.claims)} claims"

    @property
    def computing_s(self) -> float:
        """Seconds of one core that all runs took, those of a suite before included."""
        return sum(float(record["wall_s"]) for record in self.found.by_key.values())

    def of(self, cell: Cell) -> list[Row]:
        """Return the rows of a cell."""
        return [row for row in self.rows if row["cell"] == cell.name]

    def baselines(self, cell: Cell) -> dict[str, Any]:
        """Return what is known of a cell's traffic and constant fleets with the first seed, for all services."""
        task = next((task for task in self.found.tasks if task.cell.name == cell.name and not task.seed), None)
        return dict((task and self.found.baseline(task)) or {})

    @property
    def command(self) -> str:
        """The command that makes these figures again."""
        return shlex.join(self.asked.words())

    def plain(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "results": self.rows,
            "claims": [dataclasses.asdict(claim) | {"verdict": claim.verdict} for claim in self.claims],
            "command": self.command,
            "versions": backtest_report.versions(),
            "wall_s": round(self.wall_s, 3),
            "computing_s": round(self.computing_s, 3),
            "records": list(self.found.by_key.values()),
        }

    def save(self) -> None:
        """Write the JSON, if it is asked for.

        Raises:
            UsageError: when it cannot be written.
        """
        if self.asked.json is not None:
            save("--json", self.asked.json, json.dumps(self.plain(), indent=1) + "\n")

    def write(self) -> None:
        """Write everything that is asked for.

        Raises:
            UsageError: when a file cannot be written.
        """
        self.save()
        if self.asked.markdown is not None:
            from tenbin_cli import suite_markdown  # noqa: PLC0415 - imports this module

            save("--markdown", self.asked.markdown, suite_markdown.text(self))
        if self.asked.html is not None:
            from tenbin_cli import suite_page  # noqa: PLC0415 - imports this module

            save("--html", self.asked.html, suite_page.page(self))

    def show(self, console: Console) -> None:
        """Print a table for each cell, and every claim."""
        for cell in self.cells:
            console.print(Text(f"{cell.name}: {cell.shows}", "bold"), soft_wrap=True)
            console.print(_table(suite_lines.lines(self.of(cell))))
            for lead_s, policy, figures in suite_lines.trouble(self.of(cell)):
                if policy == PLANNER:
                    told = ", ".join(
                        f"{name} {text}" for name, text in zip(suite_lines.SPAN_COLUMNS, figures, strict=True)
                    )
                    console.print(f"  {lead_s:g} s: {told}", style="dim", markup=False, soft_wrap=True)
            parts = suite_lines.ablation(self.of(cell))
            if parts:
                console.print(_ablation(parts))
        for claim in self.claims:
            console.print(Text(f"{claim.verdict:<10} ", _LOOKS[claim.verdict]), claim_text(claim), soft_wrap=True)
            for broken in claim.broken[:SHOWN]:
                console.print(f"             {broken}", style="dim", markup=False, soft_wrap=True)
            if len(claim.broken) > SHOWN:
                console.print(f"             and {len(claim.broken) - SHOWN} more", style="dim")
        console.print(self.verdict, style="bold")
        console.print(
            f"{len(self.found.by_key)} runs, {self.computing_s:,.0f} s of computing, {self.wall_s:,.0f} s on the clock",
            style="dim",
        )


def claim_text(claim: claims.Claim) -> str:
    """Say what is claimed, and on how many runs it was judged."""
    share = f"{claim.judged - len(claim.broken)} of {claim.judged} runs" if claim.judged else "no run to judge it on"
    return f"{claim.law} ({share})"


def save(option: str, path: pathlib.Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        UsageError: when it cannot be written.
    """
    from tenbin_local.environment import files  # noqa: PLC0415 - with the rest of the work

    try:
        files.write_atomically(path, text)
    except OSError as error:
        raise refusals.UsageError(f"{option} {path} cannot be written: {error.strerror}") from error


def _table(lines: list[backtest_report.Line]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding = True
    table.add_column("lead\n(s)", justify="right", no_wrap=True)
    table.add_column("policy", no_wrap=True)
    for column in backtest_report.HEADINGS:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("\nmet", no_wrap=True)
    before = None
    for line in lines:
        met = Text("yes", "green") if line.is_target_met else Text("no", "red")
        shown = "" if line.lead_s == before else f"{line.lead_s:g}"
        style = "bold" if line.policy == PLANNER else ""
        table.add_row(shown, line.label, *line.cells, met, style=style)
        before = line.lead_s
    return table


def _ablation(parts: list[tuple[str, tuple[str, ...]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("without", no_wrap=True)
    for column in suite_lines.ABLATION_COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for name, figures in parts:
        table.add_row(name, *figures)
    return table
