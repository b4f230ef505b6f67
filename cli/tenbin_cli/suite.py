"""`tenbin suite`: the frozen cells on which every claim about the planner stands, run and judged."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich import progress
from rich.console import Console
from rich.table import Column

from tenbin_cli import backtest_options, refusals, simulate, suite_options

if TYPE_CHECKING:
    from tenbin_planner.backtest.jobs import Heard

    from tenbin_cli import suite_runs
    from tenbin_cli.suite_report import Report

_Cells = Annotated[
    str | None, typer.Option("--cells", metavar="NAME,...", help="Cells to run; without the option all of them.")
]
_LeadTimes = Annotated[
    str, typer.Option("--lead-times", metavar="S,...", help="Seconds until a new replica serves, medians.")
]
_Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", min=1, max=suite_options.MOST_SEEDS, metavar="N", help="Draws of the requests and of the world."
    ),
]
_Policies = Annotated[
    str,
    typer.Option(
        "--policies",
        metavar="NAME,...",
        help=f"Of {', '.join(backtest_options.POLICIES)}; {', '.join(suite_options.FIRST_SEED)} with the first "
        "seed alone.",
    ),
]
_Ablation = Annotated[
    bool,
    typer.Option("--ablation/--no-ablation", help="Also leave each part of the planner's recipe out, in a few cells."),
]
_Traces = Annotated[
    pathlib.Path | None,
    typer.Option("--traces", metavar="DIR", help="Folder of public traces, which become further cells."),
]
_Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        max=backtest_options.MOST_JOBS,
        metavar="N",
        help="Processes over which the runs are spread; as many as there are cores without the option.",
    ),
]
_Resume = Annotated[
    pathlib.Path | None,
    typer.Option("--resume", metavar="FILE", help="JSON of a suite before: what has not changed is not run again."),
]
_Json = Annotated[
    pathlib.Path | None,
    typer.Option("--json", help="Write all figures as JSON, also of a suite that is interrupted."),
]
_Html = Annotated[pathlib.Path | None, typer.Option("--html", help="Write a page that opens offline.")]
_Markdown = Annotated[pathlib.Path | None, typer.Option("--markdown", help="Write tables and claims as Markdown.")]
_List = Annotated[bool, typer.Option("--list", help="Write the names of the cells and what they show, and end.")]

SAVED_EVERY_S = 20.0
"""What is known so far is written this often at most."""
MOST_BARS = 16


def suite(
    *,
    cells: _Cells = None,
    lead_times: _LeadTimes = suite_options.LEAD_TIMES,
    seeds: _Seeds = suite_options.SEEDS,
    policies: _Policies = backtest_options.ALL_POLICIES,
    ablation: _Ablation = True,
    traces: _Traces = None,
    jobs: _Jobs = None,
    resume: _Resume = None,
    json: _Json = None,
    html: _Html = None,
    markdown: _Markdown = None,
    listed: _List = False,
) -> None:
    """Run the frozen suite of cells under the planner and under what it is compared with, and judge every claim.

    A claim that no run can judge, as when few cells are chosen, is told as not judged.

    Exit status: 0 when no claim is broken, 1 when one is, 2 when the input is wrong.
    """
    asked = suite_options.Asked(
        cells=cells,
        lead_times=lead_times,
        seeds=seeds,
        policies=policies,
        ablation=ablation,
        traces=traces,
        resume=resume,
        json=json,
        html=html,
        markdown=markdown,
    )
    if listed:
        _list(asked)
        return
    report = _run(asked, jobs or os.cpu_count() or 1)
    report.show(Console(highlight=False))
    with refusals.as_usage_errors():
        report.write()
    raise typer.Exit(0 if report.is_held else refusals.EXIT_FINDINGS)


def _list(asked: suite_options.Asked) -> None:
    from tenbin_cli import suite_runs  # noqa: PLC0415 - numpy and the compiler take a second

    with refusals.as_usage_errors():
        chosen = suite_runs.chosen_cells(asked)
    for cell in chosen:
        typer.echo(f"{cell.name:<16} {cell.duration_s / 3600:4.1f} h  {cell.shows}")


def _run(asked: suite_options.Asked, jobs: int) -> Report:
    # Numpy and the compiler take a second that the other commands of `tenbin` need not wait for.
    from tenbin_planner.backtest.jobs import WorkerDied, Workers  # noqa: PLC0415

    from tenbin_cli import suite_report, suite_runs  # noqa: PLC0415

    began = time.perf_counter()
    with refusals.as_usage_errors(ValueError, WorkerDied):
        asked.check()
        work = suite_runs.Work.of(asked)
        simulate.compile_simulator()

        def report() -> suite_report.Report:
            return suite_report.Report(asked=asked, found=work.found(), wall_s=time.perf_counter() - began)

        saver = _Saver(lambda: report().save())

        def ended(seconds: float) -> None:
            advanced(seconds)
            saver.maybe()

        try:
            with Workers(jobs) as workers, _progress(work, min(jobs, max(len(work.left), 1))) as (told, advanced):
                work.run(workers, told=told, ended=ended)
        finally:
            # Also of a suite that is interrupted, so that it can go on.
            saver.now()
    return report()


class _Saver:
    """Writes what is known, now and then."""

    def __init__(self, save: Callable[[], None]) -> None:
        self._save = save
        self._last_s = time.monotonic()

    def maybe(self) -> None:
        if time.monotonic() - self._last_s >= SAVED_EVERY_S:
            self.now()

    def now(self) -> None:
        self._save()
        self._last_s = time.monotonic()


@contextlib.contextmanager
def _progress(work: suite_runs.Work, at_once: int) -> Iterator[tuple[Heard, Callable[[float], None]]]:
    """Show a bar of all runs, by the time that each takes, and one for each that goes on."""
    columns = (
        progress.BarColumn(bar_width=24),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(elapsed_when_finished=False),
        progress.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with progress.Progress(
        *columns, console=refusals.error_console(), transient=True, speed_estimate_period=600.0
    ) as bars:
        everything = bars.add_task(f"{len(work.left)} runs", total=sum(task.seconds for task in work.left) or 1.0)
        current = [bars.add_task("", total=1.0) for _ in range(min(at_once, MOST_BARS))]

        def told(place: int, text: str, share: float) -> None:
            if place < len(current):
                bars.update(current[place], description=text, completed=share)

        yield told, lambda seconds: bars.advance(everything, seconds)
