"""What a simulation says: as JSON, as a table, and as a row for each request."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from tenbin_local.environment import files
from tenbin_planner import traces
from tenbin_planner.model import fleet
from tenbin_spec import words
from tenbin_spec.objectives import Objective
from tenbin_spec.profiles import EngineProfile

from tenbin_cli import slo_option

PERCENTILES = (50, 90, 99)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulationReport:
    """One simulation."""

    profile: EngineProfile
    trace: traces.Trace
    replicas: int
    routing: str
    result: fleet.FleetResult
    objectives: Mapping[str, Objective]
    """By class; empty when none was asked for."""
    wall_s: float
    """Time of the simulation alone."""
    total_s: float
    """Time of the command so far: reading, compiling and simulating."""

    @property
    def attainment(self) -> dict[str, float]:
        """Share of good requests by class."""
        return self.result.attainment(self.objectives) if self.objectives else {}

    @property
    def missed(self) -> bool:
        """Whether a class misses its target."""
        return any(share < float(self.objectives[name].target) for name, share in self.attainment.items())

    @property
    def too_long(self) -> int:
        """Requests that exceed the model's length, which the engine refuses."""
        tokens = self.result.arrivals.input_tokens + self.result.arrivals.output_tokens
        return int(np.count_nonzero(tokens > self.profile.limits.max_model_len))

    @property
    def duration_s(self) -> float:
        """From the first arrival to the last token, or to the last arrival where that is later."""
        arrival_s = self.result.arrivals.arrival_s
        ended = arrival_s + np.nan_to_num(self.result.e2e_ms) / 1000
        return float(ended.max() - arrival_s[0])

    @property
    def gpu_hours(self) -> float:
        """Accelerators that were held, times `duration_s`."""
        return self.replicas * self.profile.tensor_parallel * self.duration_s / 3600

    def percentiles(self) -> dict[str, dict[str, float | None]]:
        """Return p50, p90 and p99 of each time in ms; None where no request has one."""
        times = {"ttft_ms": self.result.ttft_ms, "tpot_ms": self.result.tpot_ms, "e2e_ms": self.result.e2e_ms}
        return {name: _percentiles(values) for name, values in times.items()}

    def plain(self) -> dict[str, Any]:
        """Return everything for JSON; times in ms save where a name ends in `_s`."""
        result = self.result
        plain = {
            "requests": len(result.arrivals),
            "finished": result.count(fleet.Outcome.FINISHED),
            "shed": result.count(fleet.Outcome.SHED),
            "failed": result.count(fleet.Outcome.FAILED),
            **self.percentiles(),
            "gpu_hours": round(self.gpu_hours, 6),
            "preemptions": result.preemptions,
            "extrapolated": result.extrapolated,
            "duration_s": round(self.duration_s, 6),
            "wall_s": round(self.wall_s, 6),
            "total_s": round(self.total_s, 3),
            "events": result.events,
        }
        if self.objectives:
            plain["attainment"] = {
                name: {"share": share, "target": float(self.objectives[name].target)}
                for name, share in self.attainment.items()
            }
        return plain

    def show(self, console: Console) -> None:
        """Print the tables."""
        result = self.result
        fleet_text = f"{self.replicas:,} {'replica' if self.replicas == 1 else 'replicas'}, {self.routing}"
        console.print(f"[bold]{self.profile.name}[/], {fleet_text}")
        console.print(f"{self.trace.name}: {self.trace.describe()}", markup=False)
        console.print()
        console.print(self._times())
        console.print()
        if self.objectives:
            console.print(self._objectives())
            console.print()
        console.print(
            f"finished {result.count(fleet.Outcome.FINISHED):,}, shed {result.count(fleet.Outcome.SHED):,}, "
            f"failed {result.count(fleet.Outcome.FAILED):,}; preemptions {result.preemptions:,}"
        )
        console.print(f"{self.gpu_hours:,.3f} GPU-hours over {self.duration_s:,.1f} s")
        console.print(
            f"simulated in {self.wall_s:.3f} s ({result.events:,} events), {self.total_s:.2f} s in all", style="dim"
        )

    def _times(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("ms")
        for percentile in PERCENTILES:
            table.add_column(f"p{percentile}", justify="right", min_width=9)
        for name, values in self.percentiles().items():
            table.add_row(name.removesuffix("_ms").upper(), *(number_text(value) for value in values.values()))
        return table

    def _objectives(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in ("class", "good when"):
            table.add_column(column)
        for column in ("target", "attainment"):
            table.add_column(column, justify="right")
        for name, share in self.attainment.items():
            objective = self.objectives[name]
            target = float(objective.target)
            style = "green" if share >= target else "bold red"
            table.add_row(
                name or "all",
                slo_option.thresholds_text(objective),
                words.percent_text(target),
                f"[{style}]{share_text(share)}[/]",
            )
        return table

    def write_requests(self, path: pathlib.Path) -> None:
        """Write a row for each request as CSV, in the order of arrival; the same result gives the same bytes.

        Raises:
            OSError: when the file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            (
                "arrival_s",
                "input_tokens",
                "output_tokens",
                "class",
                "outcome",
                "replica",
                "ttft_ms",
                "tpot_ms",
                "e2e_ms",
            )
        )
        writer.writerows(self._rows())
        content = text.getvalue().encode()
        files.write_atomically(path, gzip.compress(content, 6, mtime=0) if path.suffix == ".gz" else content)

    def _rows(self) -> zip[tuple[Any, ...]]:
        result, arrivals = self.result, self.result.arrivals
        outcomes = {int(outcome): outcome.name.lower().replace("_", "-") for outcome in fleet.Outcome}
        times = (
            [_cell(value) for value in column.tolist()] for column in (result.ttft_ms, result.tpot_ms, result.e2e_ms)
        )
        return zip(
            (round(value, 6) for value in arrivals.arrival_s.tolist()),
            arrivals.input_tokens.tolist(),
            arrivals.output_tokens.tolist(),
            (arrivals.classes[index] for index in arrivals.class_index.tolist()),
            (outcomes[value] for value in result.outcome.tolist()),
            result.replica.tolist(),
            *times,
            strict=True,
        )


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _percentiles(values: Any) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    found = np.percentile(known, PERCENTILES) if known.size else [None] * len(PERCENTILES)
    return {
        f"p{percentile}": None if value is None else round(float(value), 3)
        for percentile, value in zip(PERCENTILES, found, strict=True)
    }


def share_text(share: float) -> str:
    """Write a share in per cent, rounded down, so that no miss is rounded away.

    >>> share_text(0.99999), share_text(1.0), share_text(0.8)
    ('99.99 %', '100.00 %', '80.00 %')
    """
    return f"{math.floor(share * 10_000 + 1e-9) / 100:.2f} %"


def error_text(error: float, digits: int = 1) -> str:
    """Write a relative error in per cent; zero has no minus, and what is unknown a dash.

    >>> error_text(0.0213), error_text(-0.0004, 0), error_text(math.nan)
    ('+2.1 %', '+0 %', '-')
    """
    return "-" if math.isnan(error) else f"{round(100 * error, digits) + 0.0:+.{digits}f} %"


def number_text(value: float | None) -> str:
    """Write milliseconds to about four digits.

    >>> number_text(12345.6), number_text(123.45), number_text(9.876), number_text(None)
    ('12,346', '123.5', '9.88', '-')
    """
    if value is None:
        return "-"
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    return f"{value:,.{digits}f}"
