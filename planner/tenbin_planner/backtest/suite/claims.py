"""What the planner is held to, judged on the rows of a suite."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tenbin_spec.reasons import Reason

from tenbin_planner.backtest.suite.tasks import CLAIRVOYANT, FIXED, PLANNER

if TYPE_CHECKING:
    from tenbin_planner.backtest.suite.cells import Cell
    from tenbin_planner.backtest.suite.rows import Row

CAPTURED = {60: 0.8, 180: 0.7, 420: 0.5}
"""Share of a clairvoyant's saving, by lead time in seconds."""
REAL_SAVING = 0.2
"""Days on which a clairvoyant saves less ask for nothing."""
RECOVERED = 0.95
"""Share of good requests once a trouble is over."""
RUNS_AWAY = 2.0
"""A fleet that costs so many times the dearest of the clairvoyant and of the constant fleet has run away."""
BEST_WITHIN = 0.02
"""What a cap leaves possible is kept up to this share of all requests."""
CENT = 0.005
"""US dollars that rounding makes."""
LEAST = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim and what came of it."""

    name: str
    law: str
    judged: int
    """Runs on which it was judged."""
    broken: tuple[str, ...]
    """Runs that break it, each with its figures."""
    closest: str = ""
    """The run that comes nearest to breaking it, or breaks it most, with its figures."""

    @property
    def is_held(self) -> bool:
        """Whether no run breaks it."""
        return not self.broken

    @property
    def verdict(self) -> str:
        """What came of it, in two words."""
        return "not judged" if not self.judged and not self.broken else "held" if self.is_held else "not held"


Judged = Iterable[tuple[str, float]]
"""Figures of each run on which a claim is judged, and by how much it is held; below 0 it is broken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """Rows of a suite."""

    cells: Sequence[Cell]
    rows: Sequence[Row]

    def planner(self, *, days: bool | None = None) -> list[Row]:
        """Return the planner's own rows, of all parts of its recipe; those of days or of other cells alone if asked."""
        wanted = {cell.name for cell in self.cells if days is None or cell.is_day is days}
        return [row for row in self.rows if row["policy"] == PLANNER and row["cell"] in wanted]

    def beside(self, row: Row, policy: str) -> Row | None:
        """Return the row of another policy for the same cell, lead time and seed."""
        for other in self.rows:
            if other["policy"] == policy and all(other[key] == row[key] for key in ("cell", "lead_time_s", "seed")):
                return other
        return None

    def cell(self, row: Row) -> Cell:
        """Return the cell of a row."""
        return next(cell for cell in self.cells if cell.name == row["cell"])


def judge(cells: Sequence[Cell], rows: Sequence[Row], failures: Sequence[str] = ()) -> list[Claim]:
    """Judge all claims.

    Args:
        cells: of the suite.
        rows: of its runs.
        failures: runs that ended with an error, in words.
    """
    seen = Evidence(cells=cells, rows=rows)
    judged: list[tuple[str, str, Callable[[Evidence], Judged]]] = [
        ("target", "on day traces each class reaches its target, whatever the seed", _target),
        *(
            (
                f"captured-{lead_s}",
                f"at {lead_s} s of lead time {100 * share:.0f} % of what a clairvoyant saves, where that is a fifth",
                _capturing(lead_s, share),
            )
            for lead_s, share in CAPTURED.items()
        ),
        ("trend", "everywhere more of the saving than `trend`, tuned in hindsight, captures", _trend),
        ("hull", "never dearer than constant fleets at the attainment reached", _hull),
        ("cap", "never above the hourly cap, not for a second", _cap),
        ("changes", "at most as many replica changes as the clairvoyant", _changes),
        ("hasty", "no start within a lead time after a stop, unless the forecast was wrong and said so", _hasty),
        ("infeasible", "what a cap makes impossible is told, and the best that it buys is kept", _infeasible),
        ("recovers", f"after a fault {100 * RECOVERED:.0f} % of the requests are good again", _recovers),
        ("runs-away", f"no fault makes the fleet cost {RUNS_AWAY:g} times what anybody else's does", _runs_away),
    ]
    found = [_claim(name, law, list(how(seen))) for name, law, how in judged]
    runs = len(rows) + len(failures)
    return [*found, Claim(name="runs", law="no run ends with an error", judged=runs, broken=tuple(failures))]


def label(row: Row) -> str:
    """Return what tells a run from the others of its policy."""
    known = ", with the day before" if row["history"] else ""
    return f"{row['cell']} at {row['lead_time_s']:g} s, seed {row['seed']}{known}"


def _claim(name: str, law: str, judged: list[tuple[str, float]]) -> Claim:
    broken = tuple(told for told, margin in judged if margin < 0)
    closest = min(judged, key=lambda item: item[1], default=("", 0.0))[0]
    return Claim(name=name, law=law, judged=len(judged), broken=broken, closest=closest)


def _target(seen: Evidence) -> Judged:
    for row in seen.planner(days=True):
        if seen.cell(row).is_feasible:
            targets = row["target_by_class"]
            margin = min(share - targets[name] for name, share in row["attainment_by_class"].items())
            yield f"{label(row)}: {100 * row['attainment']:.2f} %", margin


def _capturing(lead_s: int, share: float) -> Callable[[Evidence], Judged]:
    def captured(seen: Evidence) -> Judged:
        for row in seen.planner(days=True):
            is_real = (row["clairvoyant_saving"] or 0.0) >= REAL_SAVING and row["captured_saving"] is not None
            if row["lead_time_s"] == lead_s and is_real:
                yield f"{label(row)}: {100 * row['captured_saving']:.0f} %", row["captured_saving"] - share

    return captured


def _trend(seen: Evidence) -> Judged:
    for row in seen.planner():
        other = seen.beside(row, "trend")
        if other is None or row["captured_saving"] is None or other["captured_saving"] is None:
            continue
        told = f"{label(row)}: {100 * row['captured_saving']:.0f} %, trend {100 * other['captured_saving']:.0f} %"
        yield told, row["captured_saving"] - other["captured_saving"] - LEAST


def _hull(seen: Evidence) -> Judged:
    for row in seen.planner():
        fixed_usd = row["fixed_usd_at_same_attainment"]
        if fixed_usd is not None:
            told = f"{label(row)}: {row['usd']:.2f} USD at {100 * row['attainment']:.2f} %, constant {fixed_usd:.2f}"
            yield told, (fixed_usd + CENT - row["usd"]) / max(fixed_usd, CENT)


def _cap(seen: Evidence) -> Judged:
    for row in seen.planner():
        told = f"{label(row)}: {row['peak_hourly_usd']:.2f} USD an hour under a cap of {row['cap']:.2f}"
        yield told, -1.0 if row["is_over_cap"] else row["cap"] - row["peak_hourly_usd"]


def _changes(seen: Evidence) -> Judged:
    for row in seen.planner():
        other = seen.beside(row, CLAIRVOYANT)
        if other is not None:
            told = f"{label(row)}: {row['replica_changes']}, clairvoyant {other['replica_changes']}"
            yield told, float(other["replica_changes"] - row["replica_changes"])


def _hasty(seen: Evidence) -> Judged:
    for row in seen.planner():
        starts = row["hasty_starts_s"] or ()
        first = f", the first at {starts[0]:g} s" if starts else ""
        yield f"{label(row)}: {len(starts)}{first}", -float(len(starts))


def _infeasible(seen: Evidence) -> Judged:
    for row in seen.planner():
        if seen.cell(row).is_feasible:
            continue
        others = [other for other in (seen.beside(row, FIXED), seen.beside(row, CLAIRVOYANT)) if other]
        best = max((other["attainment"] for other in others), default=0.0)
        is_said = Reason.HOURLY_CAP in (row["reasons"] or {})
        told = f"{label(row)}: {100 * row['attainment']:.2f} %, others {100 * best:.2f} %"
        told += "" if is_said else ", and the cap is no reason that it tells"
        yield told, row["attainment"] - best + BEST_WITHIN if is_said else -1.0


def _recovers(seen: Evidence) -> Judged:
    for row in seen.planner():
        after = (row["spans"] or {}).get("after", {}).get("attainment")
        if after is not None:
            yield f"{label(row)}: {100 * after:.2f} % after it", after - RECOVERED


def _runs_away(seen: Evidence) -> Judged:
    for row in seen.planner():
        others = [other for other in (seen.beside(row, FIXED), seen.beside(row, CLAIRVOYANT)) if other]
        dearest = max((other["peak_hourly_usd"] for other in others), default=None)
        if row["spans"] and dearest is not None:
            told = f"{label(row)}: up to {row['peak_hourly_usd']:.2f} USD an hour, others {dearest:.2f}"
            yield told, RUNS_AWAY * dearest - row["peak_hourly_usd"]
