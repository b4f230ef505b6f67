"""`tenbin cost`: what stacks cost, and what a change of them does to the bill."""

from __future__ import annotations

import datetime
import json
import pathlib
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from tenbin_local.stack_files import read_stack_file, stack_file_path, stack_names
from tenbin_spec import checks, cost
from tenbin_spec.cost import changes, verdicts
from tenbin_spec.problems import ConfigurationError, Problem, not_one_of
from tenbin_spec.review import Review
from tenbin_spec.stack import Stack

from tenbin_cli import cost_markdown, cost_report, cost_sources, cost_tables, refusals
from tenbin_cli.cost_expectation import Backtester
from tenbin_cli.cost_sources import Side

EXIT_APPROVAL = 1
EXIT_REFUSED = 2

app = typer.Typer(no_args_is_help=True, help="What stacks cost, and what a change of them does to the bill.")

_Stacks = Annotated[list[str] | None, typer.Option("--stack", help="Stack, repeatable; all when none is named.")]
_Folder = Annotated[pathlib.Path, typer.Option("--folder", help="Folder of the files Pulumi.<stack>.yaml.")]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
_Markdown = Annotated[bool, typer.Option("--markdown", help="Write the result as Markdown.")]
_Backtest = Annotated[
    float | None,
    typer.Option(
        "--backtest",
        metavar="HOURS",
        min=0.1,
        max=168,
        help="Expect what the planner makes of a day of the declared traffic, so many hours long, and not what the "
        "closed form says; minutes of work for each service that changes.",
    ),
]
_Approved = Annotated[bool, typer.Option("--approved", help="Somebody has agreed to what needs approval.")]
_Age = Annotated[
    int | None, typer.Option("--max-price-age", metavar="DAYS", min=0, help="Refuse to judge by prices that are older.")
]
_Today = Annotated[
    datetime.datetime | None,
    typer.Option("--today", formats=["%Y-%m-%d"], help="Day on which the age of prices is judged; today when absent."),
]


@app.command("show")
def show(
    *,
    stack: _Stacks = None,
    folder: _Folder = pathlib.Path("stacks"),
    backtest: _Backtest = None,
    as_json: _Json = False,
    markdown: _Markdown = False,
) -> None:
    """Show what stacks cost per month at the minimum, expected and maximum, line by line.

    Exit status: 0 when everything has a price, 1 when something is unknown, 2 when the input is wrong.
    """
    with refusals.as_usage_errors():
        _check_formats(as_json=as_json, markdown=markdown)
        stacks = dict(_read(folder, stack or []))
        estimator = cost.of if backtest is None else Backtester(backtest).estimate
        found = {name: estimator(item) for name, item in stacks.items()}
    if as_json:
        typer.echo(json.dumps({name: estimate.plain() for name, estimate in found.items()}, indent=2))
    elif markdown:
        typer.echo("\n".join(cost_markdown.show(name, estimate) for name, estimate in found.items()), nl=False)
    else:
        console = Console(highlight=False)
        for name, estimate in found.items():
            cost_tables.show(console, name, estimate)
    raise typer.Exit(refusals.EXIT_FINDINGS if any(estimate.unknown for estimate in found.values()) else 0)


@app.command("diff")
def diff(
    base: Annotated[str, typer.Argument(help="Before: a git ref, a folder, or a file of `pulumi preview --json`.")],
    head: Annotated[str, typer.Argument(help="After: the same; the folder of stacks when absent.")] = "",
    *,
    stack: _Stacks = None,
    folder: _Folder = pathlib.Path("stacks"),
    backtest: _Backtest = None,
    approved: _Approved = False,
    max_price_age: _Age = None,
    today: _Today = None,
    as_json: _Json = False,
    markdown: _Markdown = False,
) -> None:
    """Show what a change does to the bill: each line before and after, and what each cause adds to it, to the cent.

    The limits are those of `tenbin:review` before the change.

    Exit status: 0 within them or approved, 1 when somebody must approve, 2 when it is refused or the input is wrong.
    """
    with refusals.as_usage_errors():
        _check_formats(as_json=as_json, markdown=markdown)
        wanted = stack or []
        before = cost_sources.read(base, folder, wanted)
        after = cost_sources.read(head or str(folder), folder, wanted)
        names = cost_sources.choose(before, after, wanted)
        day = (today or datetime.datetime.now(tz=datetime.UTC)).date()
        if max_price_age is not None:
            _check_ages(after, names, day, max_price_age)
        tester = None if backtest is None else Backtester(backtest)
        report = cost_report.DiffReport(
            base=before.name,
            head=after.name,
            hours=backtest,
            stacks=tuple(_judged(name, before, after, tester, day, approved=approved) for name in names),
        )
    if as_json:
        typer.echo(json.dumps(report.plain(), indent=2))
    elif markdown:
        typer.echo(cost_markdown.diff(report), nl=False)
    else:
        cost_tables.diff(Console(highlight=False), report)
    if report.is_refused:
        refusals.warn("refused: the change is beyond what tenbin:review allows, whoever agrees")
        raise typer.Exit(EXIT_REFUSED)
    if not report.stands:
        refusals.warn("needs approval: run again with --approved once somebody has agreed")
        raise typer.Exit(EXIT_APPROVAL)


def _read(folder: pathlib.Path, wanted: list[str]) -> Iterator[tuple[str, Stack]]:
    known = stack_names(folder)
    if not known:
        raise refusals.UsageError(f"--folder {folder} holds no file Pulumi.<stack>.yaml; allowed is a folder with some")
    for name in wanted or known:
        if name not in known:
            raise refusals.UsageError(f"--stack: {not_one_of(name, known, f'a stack in {folder}')}")
        yield name, read_stack_file(stack_file_path(folder, name)).stack


def _judged(
    name: str, base: Side, head: Side, tester: Backtester | None, day: datetime.date, *, approved: bool
) -> cost_report.StackReport:
    before, after = base.stacks.get(name), head.stacks.get(name)
    change = changes.between(name, before, after, cost.of if tester is None else tester.estimate)
    limits = after.review if before is None and after is not None else before.review if before is not None else Review()
    past, present = ({} if tester is None or item is None else tester.attainment(item) for item in (before, after))
    return cost_report.StackReport(
        change=change,
        judgement=verdicts.judge(
            change,
            limits,
            changed_limits=before is not None and after is not None and before.review != after.review,
            approved=approved,
        ),
        promises=cost_report.promises(before, after, past, present),
        warnings=() if after is None else tuple(_stale(after, day)),
    )


def _stale(stack: Stack, day: datetime.date) -> Iterator[str]:
    for finding in checks.old_prices(stack, day):
        yield f"{finding.message}. {finding.repair}"


def _check_ages(side: Side, names: list[str], day: datetime.date, most: int) -> None:
    """Refuse prices that are too old to judge by.

    Raises:
        ConfigurationError: with every pool whose price is.
    """
    age = datetime.timedelta(days=most)
    problems = [
        Problem(path=finding.path, message=f"{finding.message}. {finding.repair}")
        for name in names
        if name in side.stacks
        for finding in checks.old_prices(side.stacks[name], day, age)
    ]
    if problems:
        raise ConfigurationError(problems, f"--max-price-age {most}: {side.name}")


def _check_formats(*, as_json: bool, markdown: bool) -> None:
    if as_json and markdown:
        raise refusals.UsageError("--json and --markdown; allowed is one of them")
