"""What a validation says: as JSON and as tables whose errors are coloured by what is tolerated."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tenbin_planner.profiling import validation
from tenbin_spec.profiles import EngineProfile

from tenbin_cli import simulation_report, slo_option

FACTORS = (0.96, 1.04)
"""Spread between machines of one kind."""
POINTS = 0.03
"""How far a predicted attainment may be off."""
ONE_IN = 9
"""At most one figure in so many may be outside."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationReport:
    """Comparisons of one profile with recorded runs."""

    profile: EngineProfile
    factor: float
    comparisons: tuple[validation.Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether the model is as near to the runs as it is asked to be."""
        outside, figures = validation.outside(self.comparisons)
        return outside * ONE_IN <= figures and all(
            _within(factor) for found in self.comparisons for factor in (found.tpot_factor, found.e2e_factor)
        )

    def plain(self) -> dict[str, Any]:
        """Return everything for JSON; times in ms, NaN as null."""
        outside, figures = validation.outside(self.comparisons)
        return {
            "profile": self.profile.name,
            "time_factor": self.factor,
            "holds": self.holds,
            "figures": figures,
            "outside": outside,
            "runs": [_plain(found) for found in self.comparisons],
        }

    def show(self, console: Console) -> None:
        """Print a table for each run and the verdict."""
        for found in self.comparisons:
            title = f"[bold]{found.name}[/], {found.requests:,} requests"
            if found.compared < found.requests:
                title += f", {found.compared:,} of them finished"
            console.print(title)
            console.print(_figures(found))
            console.print()
            console.print(_attainments(found))
            console.print(Text.assemble("factor on all step times that makes p50 exact: ", *_factors(found)))
            if found.extrapolated:
                console.print("passes went beyond what was measured: their times are extrapolated", style="yellow")
            console.print()
        outside, figures = validation.outside(self.comparisons)
        style = "bold green" if self.holds else "bold red"
        console.print(
            f"{outside} of {figures} figures are off by more than 10, 15, 20 % at p50, p90, p99.", style=style
        )


def _figures(found: validation.Comparison) -> Table:
    percentiles = sorted({figure.percentile for figure in found.figures})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("ms", min_width=4)
    for percentile in percentiles:
        table.add_column(f"p{percentile}", justify="right", style="dim", header_style="bold")
        table.add_column("model", justify="right")
        table.add_column("off %", justify="right")
    for metric in dict.fromkeys(figure.metric for figure in found.figures):
        cells: list[str | Text] = [metric.upper()]
        for figure in (figure for figure in found.figures if figure.metric == metric):
            cells += [
                *(simulation_report.number_text(_number(ms)) for ms in (figure.measured_ms, figure.predicted_ms)),
                Text(
                    simulation_report.error_text(figure.error).removesuffix(" %"),
                    style="bold red" if figure.outside else "green",
                ),
            ]
        table.add_row(*cells)
    return table


def _attainments(found: validation.Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("good when")
    for column in ("measured", "model", "points"):
        table.add_column(column, justify="right")
    for attained in found.attainments:
        difference = attained.predicted - attained.measured
        table.add_row(
            slo_option.thresholds_text(attained.objective),
            f"{100 * attained.measured:.1f} %",
            f"{100 * attained.predicted:.1f} %",
            Text(f"{100 * difference:+.1f}", style="green" if abs(difference) <= POINTS else "bold red"),
        )
    return table


def _factors(found: validation.Comparison) -> list[str | tuple[str, str]]:
    parts: list[str | tuple[str, str]] = []
    for name, factor in (("TPOT", found.tpot_factor), ("E2E", found.e2e_factor)):
        text = "outside 0.5 to 2" if math.isnan(factor) else f"{factor:.3f}"
        parts += [", " if parts else "", f"{name} ", (text, "green" if _within(factor) else "bold red")]
    return parts


def _within(factor: float) -> bool:
    return FACTORS[0] <= factor <= FACTORS[1]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _plain(found: validation.Comparison) -> dict[str, Any]:
    return {
        "run": found.name,
        "requests": found.requests,
        "compared": found.compared,
        "figures": [
            {
                "metric": figure.metric,
                "percentile": figure.percentile,
                "measured_ms": _number(figure.measured_ms),
                "predicted_ms": _number(figure.predicted_ms),
                "error": _number(figure.error),
                "outside": figure.outside,
            }
            for figure in found.figures
        ],
        "attainment": [
            {
                "objective": slo_option.thresholds_text(attained.objective),
                "measured": attained.measured,
                "predicted": attained.predicted,
            }
            for attained in found.attainments
        ],
        "tpot_factor": _number(found.tpot_factor),
        "e2e_factor": _number(found.e2e_factor),
        "extrapolated": found.extrapolated,
        "preemptions": found.preemptions,
    }
