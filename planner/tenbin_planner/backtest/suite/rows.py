"""A row for each run of a suite, from the records of its tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tenbin_planner.backtest import scores
from tenbin_planner.backtest.suite import records
from tenbin_planner.backtest.suite.tasks import CLAIRVOYANT, FIXED, PLANNER, Task

if TYPE_CHECKING:
    from tenbin_planner.backtest.hull import Hull
    from tenbin_planner.backtest.scores import Score

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """Tasks of a suite with their records; those that were not carried out are missing."""

    tasks: tuple[Task, ...]
    by_key: Mapping[str, records.Record]

    def rows(self) -> list[Row]:
        """Return all rows, by cell, lead time, seed and policy; runs that failed have none."""
        found = [row for task in self.tasks for row in self._of(task)]
        order = {cell: place for place, cell in enumerate(dict.fromkeys(task.cell.name for task in self._by_cell()))}
        return sorted(
            found, key=lambda row: (order[row["cell"]], row["lead_time_s"], row["seed"], row["policy"], row["history"])
        )

    def failures(self) -> dict[str, str]:
        """Return what failed, by key, in words."""
        return {key: record["error"] for key, record in self.by_key.items() if "error" in record}

    def baseline(self, task: Task) -> records.Record | None:
        """Return what constant fleets made of what a task meets."""
        for other in self.tasks:
            is_its = other.policy == FIXED and (other.cell.name, other.seed) == (task.cell.name, task.seed)
            if is_its and (other.lead_s == task.lead_s or not task.cell.loses_replicas):
                record = self.by_key.get(other.key, {})
                return record if "fleets" in record else None
        return None

    def hulls(self, task: Task) -> dict[str, Hull]:
        """Return the hulls of constant fleets by service; none where they were not tried."""
        baseline = self.baseline(task)
        return {name: records.hull_of(item) for name, item in baseline["fleets"].items()} if baseline else {}

    def score(self, task: Task) -> Score | None:
        """Return the score of a task that was carried out."""
        record = self.by_key.get(task.key, {})
        return records.score_of(record["score"], trace=task.cell.name) if "score" in record else None

    def _by_cell(self) -> list[Task]:
        return sorted(self.tasks, key=lambda task: task.cell.name)

    def _of(self, task: Task) -> Iterable[Row]:
        if task.policy == FIXED:
            yield from self._fixed(task)
            return
        score = self.score(task)
        if score is None:
            return
        own = Task(cell=task.cell, policy=CLAIRVOYANT, seed=task.seed, lead_s=task.lead_s)
        hulls, best = self.hulls(task), self.score(own)
        yield (
            _row(task, score, self.by_key[task.key])
            | scores.row(score, lead_time_s=task.lead_s, hulls=hulls, clairvoyant=best)
            | {"policy": task.policy if task.left_out is None else f"{task.policy} without {task.left_out}"}
            | {"clairvoyant_saving": _saving(best, hulls)}
        )

    def _fixed(self, task: Task) -> Iterable[Row]:
        """Give the constant fleet to beat of each service; no lead time changes it, unless replicas are lost."""
        record = self.by_key.get(task.key, {})
        leads = [task.lead_s] if task.cell.loses_replicas else sorted({other.lead_s for other in self.tasks})
        for service, fleets in record.get("fleets", {}).items():
            score = records.score_of(fleets["score"], trace=task.cell.name)
            found = scores.row(score, lead_time_s=task.lead_s, hulls={service: records.hull_of(fleets)})
            more = {"policy": FIXED, "service": service, "replicas": fleets["replicas"]}
            for lead_s in leads:
                yield _row(task, score, record) | found | more | {"lead_time_s": lead_s, "clairvoyant_saving": None}


def _row(task: Task, score: Score, record: Mapping[str, Any]) -> Row:
    cap = task.cell.cap
    return {
        "cell": task.cell.name,
        "history": task.with_history,
        "left_out": task.left_out,
        "service": None,
        "replicas": None,
        "cap": float(cap),
        "is_over_cap": score.peak_hourly_usd > cap,
        "target_by_class": dict(score.target_by_class),
        "attainment_by_service": dict(score.attainment_by_service),
        "setting": record.get("setting"),
        "hasty_starts_s": record.get("hasty_starts_s"),
        "spans": record.get("spans"),
        "reasons": record.get("reasons"),
        "wall_s": record["wall_s"],
    }


def _saving(best: Score | None, hulls: Mapping[str, Hull]) -> float | None:
    """Return what a clairvoyant saves of what constant fleets pay for its attainment."""
    if best is None or not hulls:
        return None
    total = Decimal(0)
    for name, share in best.attainment_by_service.items():
        usd = hulls[name].usd_at(share)
        if usd is None:
            return None
        total += usd
    return round(float(1 - best.usd / total), 6) if total else None


__all__ = ["CLAIRVOYANT", "FIXED", "PLANNER", "Found", "Row"]
