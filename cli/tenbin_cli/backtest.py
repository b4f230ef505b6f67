"""`tenbin backtest`: what the planner and others would have made of recorded traffic, and what each would have cost."""

from __future__ import annotations

import contextlib
import json as json_format
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich import progress
from rich.console import Console
from rich.table import Column

from tenbin_cli import backtest_options, refusals, simulate

if TYPE_CHECKING:
    from tenbin_planner.backtest.jobs import Done, Heard

    from tenbin_cli import backtest_cells
    from tenbin_cli.backtest_report import Report

MOST_BARS = 8
"""Runs that go on at once that are shown."""

_Trace = Annotated[
    list[str] | None,
    typer.Option(
        "--trace",
        help="Trace file, or generate:SHAPE,key=value,...; repeatable. SERVICE=FILE with --stack.",
    ),
]
_Scenario = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--scenario",
        help="YAML file that says traffic, agreement and what goes wrong, in place of the options that do.",
    ),
]
_Profile = Annotated[str | None, typer.Option("--profile", help="Engine profile: a name of the catalogue, or a file.")]
_Price = Annotated[str | None, typer.Option("--price", metavar="USD", help="Price of one replica for an hour.")]
_Slo = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        metavar="OBJECTIVE",
        help="For example ttft<=1000,tpot<=50@0.99 (ms and target); with CLASS: before it for one class; repeatable.",
    ),
]
_Stack = Annotated[str | None, typer.Option("--stack", help="Stack whose services, pools and prices count.")]
_Folder = Annotated[pathlib.Path, typer.Option("--folder", help="Folder of the files Pulumi.<stack>.yaml.")]
_History = Annotated[
    list[str] | None,
    typer.Option(
        "--history", help="Trace of the time before, which the planner may learn from; SERVICE=FILE with --stack."
    ),
]
_Window = Annotated[
    str | None, typer.Option("--window", metavar="START:END", help="Part of the trace, in seconds or such as 6h:18h.")
]
_ClassMix = Annotated[
    str | None,
    typer.Option(
        "--class-mix",
        metavar="NAME=SHARE,...",
        help="Classes that are drawn for the requests of traces without any; shares add up to 1.",
    ),
]
_Policies = Annotated[
    str, typer.Option("--policies", metavar="NAME,...", help=f"Of {', '.join(backtest_options.POLICIES)}.")
]
_LeadTime = Annotated[
    str | None,
    typer.Option(
        "--lead-time",
        metavar="S,...",
        help="Seconds until a new replica serves: the median, or MEDIAN/P95; the 95th percentile is 1.25 times the "
        "median when not given. Without the option 120, or what the stack declares.",
    ),
]
_Seeds = Annotated[
    int,
    typer.Option("--seeds", min=1, max=backtest_options.MOST_SEEDS, metavar="N", help="Draws of the lead times."),
]
_MaxReplicas = Annotated[
    int, typer.Option("--max-replicas", min=1, max=backtest_options.MOST_REPLICAS, metavar="N", help="Most replicas.")
]
_MinReplicas = Annotated[
    int, typer.Option("--min-replicas", min=1, max=backtest_options.MOST_REPLICAS, metavar="N", help="Least replicas.")
]
_HourlyCap = Annotated[
    str | None, typer.Option("--hourly-cap", metavar="USD", help="The most that all replicas may cost per hour.")
]
_Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        max=backtest_options.MOST_JOBS,
        metavar="N",
        help="Processes over which the runs are spread; the results are the same.",
    ),
]
_Schema = Annotated[bool, typer.Option("--schema", help="Write the JSON schema of scenario files and end.")]
_Json = Annotated[
    pathlib.Path | None, typer.Option("--json", help="Write all figures as JSON; - for the standard output.")
]
_Html = Annotated[
    pathlib.Path | None, typer.Option("--html", help="Write a page with tables and pictures that opens offline.")
]
_Plans = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--plans",
        help="Write the planner's plan of each tick of its first run, for `tenbin explain --plans`.",
    ),
]


def backtest(
    *,
    trace: _Trace = None,
    scenario: _Scenario = None,
    profile: _Profile = None,
    price: _Price = None,
    slo: _Slo = None,
    stack: _Stack = None,
    folder: _Folder = pathlib.Path("stacks"),
    history: _History = None,
    window: _Window = None,
    class_mix: _ClassMix = None,
    policies: _Policies = backtest_options.ALL_POLICIES,
    lead_time: _LeadTime = None,
    seeds: _Seeds = 1,
    max_replicas: _MaxReplicas = backtest_options.MAX_REPLICAS,
    min_replicas: _MinReplicas = backtest_options.MIN_REPLICAS,
    hourly_cap: _HourlyCap = None,
    jobs: _Jobs = 1,
    json: _Json = None,
    html: _Html = None,
    plans: _Plans = None,
    schema: _Schema = False,
) -> None:
    """Replay traffic in virtual time under the planner and under what it is compared with: attainment and dollars.

    The fleet begins as it would have been: the smallest that keeps the target over the first ten minutes. Rules are
    tuned in hindsight on the very trace; a clairvoyant knows it.

    Exit status: 0 when the planner reaches the target in every run, 1 when it misses it in one, 2 when the input is
    wrong.
    """
    if schema:
        from tenbin_planner.backtest import scenario_file  # noqa: PLC0415 - with the rest of the work

        typer.echo(json_format.dumps(scenario_file.schema(), indent=2))
        return
    asked = backtest_options.Asked(
        trace=tuple(trace or ()),
        scenario=scenario,
        profile=profile,
        price=price,
        slo=tuple(slo or ()),
        stack=stack,
        folder=folder,
        history=tuple(history or ()),
        window=window,
        class_mix=class_mix,
        policies=policies,
        lead_time=lead_time,
        seeds=seeds,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        hourly_cap=hourly_cap,
    )
    report = _run(asked, {"--json": json, "--html": html, "--plans": plans}, jobs)
    is_piped = json == pathlib.Path("-")
    report.show(Console(highlight=False, stderr=is_piped))
    with refusals.as_usage_errors():
        _write(report, json, html)
        if plans is not None:
            _save("--plans", plans, "".join(f"{plan}\n" for made in report.results.made for plan in made.plans))
    raise typer.Exit(refusals.EXIT_FINDINGS if report.results.misses else 0)


def _run(asked: backtest_options.Asked, outputs: dict[str, pathlib.Path | None], jobs: int) -> Report:
    # Numpy and the compiler take a second that the other commands of `tenbin` need not wait for.
    from tenbin_planner.backtest.jobs import WorkerDied, Workers  # noqa: PLC0415

    from tenbin_cli import backtest_cells, backtest_report, backtest_runs, backtest_scenario  # noqa: PLC0415

    began = time.perf_counter()
    with refusals.as_usage_errors(ValueError, WorkerDied):
        chosen = asked.chosen()
        if outputs["--plans"] is not None and "tenbin" not in chosen:
            raise refusals.UsageError("--plans keeps the planner's plans: --policies must name tenbin")
        for option, path in outputs.items():
            if path is not None and not path.absolute().parent.is_dir():
                raise refusals.UsageError(f"{option} {path} cannot be written: there is no folder {path.parent}")
        traffic = [backtest_scenario.of(asked)] if asked.scenario is not None else backtest_cells.of(asked)
        for note in dict.fromkeys(note for item in traffic for note in item.notes):
            refusals.warn(note)
        _warn_of_length(traffic)
        simulate.compile_simulator()
        steps = backtest_runs.steps(traffic, chosen, asked.seeds)
        with Workers(jobs) as workers, _progress(steps, min(jobs, steps)) as (told, done):
            results = backtest_runs.run(
                traffic,
                chosen,
                seeds=asked.seeds,
                courses=outputs["--html"] is not None,
                plans=outputs["--plans"] is not None,
                workers=workers,
                told=told,
                done=done,
            )
    return backtest_report.Report(asked=asked, results=results, wall_s=time.perf_counter() - began)


def _warn_of_length(traffic: Sequence[backtest_cells.Traffic]) -> None:
    for item in traffic:
        limit = min(profile.limits.max_model_len for profile in item.profiles)
        count = sum(
            int((trace.input_tokens + trace.output_tokens > limit).sum()) for trace in item.given.traces.values()
        )
        if count:
            noun = "request is" if count == 1 else "requests are"
            refusals.warn(f"{item.name}: {count:,} {noun} longer than {limit:,} tokens: the engine refuses them")


@contextlib.contextmanager
def _progress(steps: int, at_once: int) -> Iterator[tuple[Heard, Done]]:
    """Show a bar of all runs and one for each that goes on, where somebody looks."""
    columns = (
        progress.BarColumn(bar_width=24),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with progress.Progress(*columns, console=refusals.error_console(), transient=True) as bars:
        everything = bars.add_task(f"{steps} runs", total=steps)
        current = [bars.add_task("", total=1.0) for _ in range(min(at_once, MOST_BARS))]

        def told(place: int, text: str, share: float) -> None:
            if place < len(current):
                bars.update(current[place], description=text, completed=share)

        yield told, lambda: bars.advance(everything)


def _write(report: Report, json: pathlib.Path | None, html: pathlib.Path | None) -> None:
    if json is not None:
        text = json_format.dumps(report.plain(), indent=2) + "\n"
        if json == pathlib.Path("-"):
            typer.echo(text, nl=False)
        else:
            _save("--json", json, text)
    if html is not None:
        from tenbin_cli import backtest_page  # noqa: PLC0415 - matplotlib takes a second

        _save("--html", html, backtest_page.page(report))


def _save(option: str, path: pathlib.Path, text: str) -> None:
    from tenbin_local.environment import files  # noqa: PLC0415 - with the rest of the work

    try:
        files.write_atomically(path, text)
    except OSError as error:
        raise refusals.UsageError(f"{option} {path} cannot be written: {error.strerror}") from error
