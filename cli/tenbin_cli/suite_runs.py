"""The runs of a suite: what is known of one before, and what is left to do."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from tenbin_planner.backtest import jobs
from tenbin_planner.backtest.suite import own, records, rows, tasks

from tenbin_cli import refusals, suite_options

if TYPE_CHECKING:
    import pathlib

    from tenbin_planner.backtest.suite.cells import Cell
    from tenbin_planner.backtest.suite.records import Record
    from tenbin_planner.backtest.suite.tasks import Task


def chosen_cells(asked: suite_options.Asked) -> list[Cell]:
    """Return the cells that are asked for; public traces are among them where their folder is given.

    Raises:
        UsageError: for one that there is not.
    """
    known = own.CELLS if asked.traces is not None else {cell.name: cell for cell in own.OWN}
    return [known[name] for name in asked.named(tuple(known))]


@dataclasses.dataclass(kw_only=True, eq=False)
class Work:
    """A suite in progress."""

    tasks: tuple[Task, ...]
    digests: dict[str, str]
    """Of each task, by key."""
    by_key: dict[str, Record]
    """Records that are known."""
    folder: pathlib.Path | None
    reused: int
    """Records that are from a suite before."""

    @classmethod
    def of(cls, asked: suite_options.Asked) -> Work:
        """Return what is to be done, less what an earlier suite has done with the same sources and cells.

        Raises:
            UsageError: for options that cannot be, or a file that is no suite.
        """
        found = tasks.of(
            chosen_cells(asked),
            asked.leads_s(),
            seeds=asked.seeds,
            policies=asked.chosen(),
            ablated=own.ABLATED if asked.ablation else (),
        )
        sources = {is_planner: records.sources(of_planner=is_planner) for is_planner in (True, False)}
        digests = {task.key: task.digest(sources[task.policy == tasks.PLANNER]) for task in found}
        known = {} if asked.resume is None else _read(asked.resume)
        kept = {
            key: record
            for key, record in known.items()
            if digests.get(key) == record.get("digest") and "error" not in record
        }
        return cls(tasks=tuple(found), digests=digests, by_key=kept, folder=asked.traces, reused=len(kept))

    @property
    def left(self) -> list[Task]:
        """Return the tasks that are not done, those that take longest first."""
        return [task for task in self.tasks if task.key not in self.by_key]

    def run(self, workers: jobs.Workers, *, told: jobs.Heard, ended: Callable[[float], object]) -> None:
        """Do what is left.

        Args:
            workers: over which it is spread.
            told: hears what each of them does.
            ended: hears of each task that is over how long it was expected to take, in seconds.
        """
        left = self.left
        work = [
            jobs.Job(label=task.key, work=functools.partial(tasks.carry_out, task, folder=self.folder)) for task in left
        ]

        def keep(number: int, record: Record) -> None:
            task = left[number]
            self.by_key[task.key] = record | {"digest": self.digests[task.key]}
            ended(task.seconds)

        workers.run(work, told=told, ended=keep)

    def found(self) -> rows.Found:
        """Return what is known by now."""
        return rows.Found(tasks=self.tasks, by_key=dict(self.by_key))


def _read(path: pathlib.Path) -> dict[str, Record]:
    """Read the records of a suite; a file that is not there yet holds none."""
    if not path.exists():
        return {}
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return {record["key"]: record for record in plain["records"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refusals.UsageError(f"--resume {path}: this is no JSON of a suite: {error}") from error
