"""What a back-test says: as JSON, and as a table of one line for each policy and lead time."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tenbin_cli import backtest_baseline, backtest_cells, backtest_options, backtest_runs, simulation_report

PARTS = ("tenbin-cli", "tenbin-planner", "numpy", "numba")
"""Distributions whose versions say where numbers come from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A policy at a lead time, over all seeds."""

    policy: str
    label: str
    lead_s: float
    seeds: int
    attainment: float
    """Of the worst seed, as are the next two."""
    worst_5min_attainment: float
    minutes_below_target: int
    usd: float
    """Mean over seeds, as are all that follow."""
    of_hull: float | None
    captured_saving: float | None
    replica_changes: float
    is_target_met: bool
    """In every seed."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], *, policy: str, label: str, lead_s: float) -> Line:
        """Return the line of a policy's rows, one for each seed, as `scores.row` gives them."""
        captured = [row["captured_saving"] for row in rows]
        fixed = [row["fixed_usd_at_same_attainment"] for row in rows]
        usd = statistics.fmean(row["usd"] for row in rows)
        hull_usd = None if None in fixed else statistics.fmean(fixed)
        return cls(
            policy=policy,
            label=label,
            lead_s=lead_s,
            seeds=len(rows),
            attainment=min(row["attainment"] for row in rows),
            worst_5min_attainment=min(row["worst_5min_attainment"] for row in rows),
            minutes_below_target=max(row["minutes_below_target"] for row in rows),
            usd=usd,
            of_hull=usd / hull_usd if hull_usd else None,
            captured_saving=None if None in captured else statistics.fmean(captured),
            replica_changes=statistics.fmean(row["replica_changes"] for row in rows),
            is_target_met=all(row["target_met"] for row in rows),
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """Its figures in words."""
        return (
            simulation_report.share_text(self.attainment),
            simulation_report.share_text(self.worst_5min_attainment),
            f"{self.minutes_below_target:,}",
            usd_text(self.usd),
            "-" if self.of_hull is None else f"{100 * self.of_hull:.1f} %",
            "-" if self.captured_saving is None else f"{100 * self.captured_saving:.0f} %",
            f"{self.replica_changes:,.0f}",
        )


COLUMNS = ("attainment", "worst 5 min", "min below", "USD", "of hull", "captured", "changes")
"""Headings of `Line.cells`."""
HEADINGS = ("attain-\nment", "worst\n5 min", "min\nbelow", "\nUSD", "of\nhull", "cap-\ntured", "chan-\nges")
"""The same in the width of a terminal."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """A back-test that is over."""

    asked: backtest_options.Asked
    results: backtest_runs.Results
    wall_s: float

    def plain(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "results": self.results.rows(),
            "hull": [
                {"trace": name, "lead_time_s": lead_s, "seed": seed, "service": service}
                | {"attainment": corner.attainment, "usd": round(float(corner.usd), 6), "replicas": corner.replicas}
                for (name, lead_s, seed), baseline in self.results.baselines.items()
                for service, hull in baseline.hulls.items()
                for corner in hull.corners
            ],
            "traces": [self._trace(item) for item in self.results.traffic],
            "arguments": self.asked.plain(),
            "versions": versions(),
            "wall_s": round(self.wall_s, 3),
        }

    def lines(self, traffic: str) -> list[Line]:
        """Return lines by lead time; what reaches its target first, the cheapest first, then by attainment."""
        found = [line for lead_s in self.leads(traffic) for line in self._of_lead(traffic, lead_s)]
        return sorted(
            found,
            key=lambda line: (
                line.lead_s,
                not line.is_target_met,
                line.usd if line.is_target_met else -line.attainment,
                line.policy,
            ),
        )

    def leads(self, traffic: str) -> list[float]:
        """Return the lead times of some traffic in seconds, rising."""
        return sorted({item.lead_s for item in self.results.made if item.traffic == traffic})

    def summary(self, traffic: str, lead_s: float) -> list[str]:
        """Say what constant fleets come to, and the fluid bound, in a sentence each."""
        item = next(item for item in self.results.traffic if item.name == traffic)
        baseline, told = self.results.baseline(traffic, lead_s), []
        for service, fleets in baseline.fleets.items():
            whose = "seed 0: " if item.given.loses_replicas and self.asked.seeds > 1 else ""
            whose += "" if len(baseline.fleets) == 1 else f"{service}: "
            target = item.given.target(service)
            usd = fleets.hull.usd_at(target)
            if fleets.smallest is None:
                best = max(fleets.scores.items(), key=lambda pair: pair[1].attainment)
                told.append(
                    f"{whose}no constant fleet of up to {max(fleets.scores)} replicas reaches {100 * target:g} %: "
                    f"the best is {simulation_report.share_text(best[1].attainment)}, with {best[0]}"
                )
            else:
                priced = "" if usd is None else f"; the hull costs {usd_text(float(usd))} USD at {100 * target:g} %"
                score = fleets.scores[fleets.smallest]
                noun = "replica reaches" if fleets.smallest == 1 else "replicas reach"
                told.append(
                    f"{whose}{fleets.smallest} constant {noun} {simulation_report.share_text(score.attainment)} "
                    f"for {usd_text(float(score.usd))} USD{priced}"
                )
        told.append(f"fluid lower bound {usd_text(baseline.fluid_usd)} USD: no queue, no start, no whole replicas")
        return told

    def show(self, console: Console) -> None:
        """Print a table for each trace."""
        for item in self.results.traffic:
            console.print(Text(item.name, "bold"), soft_wrap=True)
            lines = self.lines(item.name)
            told: list[str] = []
            for lead_s in self.leads(item.name):
                before, told = told, self.summary(item.name, lead_s)
                _tell(console, before if before != told else [])
                console.print(_table(lead_s, [line for line in lines if line.lead_s == lead_s]))
            _tell(console, told)
            console.print()
        if self.asked.seeds > 1:
            text = f"attainment and minutes are those of the worst of {self.asked.seeds} seeds, the rest are means"
            console.print(text, style="dim")
        for text in over_cap(self.results):
            console.print(text, style="yellow", markup=False, soft_wrap=True)
        console.print(verdict(self.results), style="bold", markup=False, soft_wrap=True)

    def _of_lead(self, traffic: str, lead_s: float) -> list[Line]:
        made = [item for item in self.results.made if (item.traffic, item.lead_s) == (traffic, lead_s)]
        names = list(dict.fromkeys(item.policy for item in made if item.policy != "fixed"))
        groups = [[item for item in made if item.policy == name] for name in names]
        baselines = [self.results.baseline(traffic, lead_s, seed) for seed in range(self.asked.seeds)]
        for service in baselines[0].fleets:
            fleets = [baseline.fleets[service] for baseline in baselines]
            # The one that reaches the target whatever the seed.
            count = max(backtest_baseline.to_beat(found) for found in fleets)
            own = [found.scores.get(count) for found in fleets]
            groups.append([item for item in made if any(item.score is score for score in own)])
        return [self._line(group) for group in groups if group]

    def _line(self, group: Sequence[backtest_runs.Made]) -> Line:
        rows = [self.results.row(item) for item in group]
        first = group[0]
        label = first.policy
        if first.replicas is not None:
            label = f"fixed, {first.replicas}"
        return Line.of(rows, policy=first.policy, label=label, lead_s=first.lead_s)

    def _trace(self, item: backtest_cells.Traffic) -> dict[str, Any]:
        found = [baseline for (name, _, _), baseline in self.results.baselines.items() if name == item.name]
        return {
            "trace": item.name,
            "description": dict(item.description),
            "notes": list(item.notes),
            "sha256": {service: trace.digest() for service, trace in item.given.traces.items()},
            "target": {service: item.given.target(service) for service in item.services},
            "fluid_usd": round(found[0].fluid_usd, 6),
            "smallest_fixed_replicas": {
                service: _largest([baseline.smallest[service] for baseline in found]) for service in found[0].fleets
            },
            "lead_times_s": [
                {"median": lead.median_s, "p95": lead.p95_s} if lead else "as declared" for lead in item.leads
            ],
        }


def verdict(results: backtest_runs.Results) -> str:
    """Say whether the planner reached its target everywhere."""
    runs = [item for item in results.made if item.policy == "tenbin"]
    if not runs:
        return f"{len(results.made)} runs."
    if not results.misses:
        noun = "its only run" if len(runs) == 1 else f"all {len(runs)} runs"
        return f"tenbin reaches the target in {noun}."
    worst = min(results.misses, key=lambda item: item.score.attainment)
    whose = "" if len(results.traffic) == 1 else f" of {worst.traffic}"
    return (
        f"tenbin misses the target in {len(results.misses)} of {len(runs)} runs: "
        f"{simulation_report.share_text(worst.score.attainment)}{whose} at {worst.lead_s:g} s of lead time, "
        f"seed {worst.seed}."
    )


def over_cap(results: backtest_runs.Results) -> list[str]:
    """Say where the planner's replicas cost more than the hourly cap at an instant."""
    found = []
    for item in results.traffic:
        cap = item.given.document.cost.hourly_usd
        runs = [one for one in results.made if (one.traffic, one.policy) == (item.name, "tenbin")]
        dearest = max(runs, key=lambda one: one.score.peak_hourly_usd, default=None)
        if dearest is not None and dearest.score.peak_hourly_usd > cap:
            found.append(
                f"tenbin cost up to {usd_text(float(dearest.score.peak_hourly_usd))} USD an hour, above the cap of "
                f"{usd_text(float(cap))}, in {item.name} at {dearest.lead_s:g} s of lead time, seed {dearest.seed}"
            )
    return found


def usd_text(amount: float) -> str:
    """Write dollars to about four digits.

    >>> usd_text(12345.6), usd_text(12.345), usd_text(0.01234)
    ('12,346', '12.35', '0.0123')
    """
    digits = 0 if amount >= 1000 else 2 if amount >= 1 else 4
    return f"{amount:,.{digits}f}"


def versions() -> dict[str, str]:
    """Return the versions of what makes the numbers."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PARTS}


def _largest(counts: Sequence[int | None]) -> int | None:
    """Return the largest count, or None where one is unknown."""
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None


def _tell(console: Console, texts: Sequence[str]) -> None:
    for text in texts:
        console.print(f"  {text}", style="dim", markup=False, soft_wrap=True)


def _table(lead_s: float, lines: Sequence[Line]) -> Table:
    title = Text(f"{lead_s:g} s until a new replica serves")
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding = True
    table.add_column("policy", no_wrap=True)
    for column in HEADINGS:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for line in lines:
        met = Text("met", "green") if line.is_target_met else Text("missed", "red")
        table.add_row(line.label, *line.cells, met, style="bold" if line.policy == "tenbin" else "")
    return table
