"""`tenbin menu`: what each of a ladder of SLOs costs for one service, as a table and as a page to sign."""

from __future__ import annotations

import json as json_format
import pathlib
from typing import TYPE_CHECKING, Annotated

import typer
from rich import progress
from rich.console import Console
from tenbin_spec import problems

from tenbin_cli import refusals

if TYPE_CHECKING:
    from tenbin_planner.backtest.scenario import Scenario

    from tenbin_cli.menu_report import Report

LANGUAGES = ("en", "ja")

_Stack = Annotated[str, typer.Option("--stack", help="Stack whose service, pools and prices count.")]
_Folder = Annotated[pathlib.Path, typer.Option("--folder", help="Folder of the files Pulumi.<stack>.yaml.")]
_Service = Annotated[str | None, typer.Option("--service", help="Service; not needed where the stack has only one.")]
_Class = Annotated[
    str | None,
    typer.Option(
        "--class", help="Class whose objective is varied; the others keep theirs. Without it the default one."
    ),
]
_Trace = Annotated[
    str | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Recorded requests, whose busiest hour is replayed, in place of the declared peak.",
    ),
]
_Language = Annotated[str, typer.Option("--language", help="Language of table and page: en or ja.")]
_Json = Annotated[
    pathlib.Path | None, typer.Option("--json", help="Write all figures as JSON; - for the standard output.")
]
_Html = Annotated[
    pathlib.Path | None, typer.Option("--html", help="Write one page to print and sign, that opens offline.")
]


def menu(
    *,
    stack: _Stack,
    folder: _Folder = pathlib.Path("stacks"),
    service: _Service = None,
    class_name: _Class = None,
    trace: _Trace = None,
    language: _Language = "en",
    json: _Json = None,
    html: _Html = None,
) -> None:
    """Show what faster, slower, stricter and looser SLOs of a service would cost, beside the agreed one.

    Each SLO gets the cheapest constant fleet of the service's pools that keeps it at the declared peak, or in the
    busiest hour of a trace, by simulation of the engine.

    Exit status: 0 when the agreed SLO can be kept within pools and hourly cap, 1 when it cannot, 2 when the input is
    wrong.
    """
    with refusals.as_usage_errors(ValueError):
        if language not in LANGUAGES:
            raise refusals.UsageError(f"--language: {problems.not_one_of(language, LANGUAGES, 'a language')}")
        for option, path in (("--json", json), ("--html", html)):
            if path is not None and not path.absolute().parent.is_dir():
                raise refusals.UsageError(f"{option} {path} cannot be written: there is no folder {path.parent}")
        given, chosen = _scenario(stack, folder, service, trace)
        report = _report(given, chosen, class_name, language)
    is_piped = json == pathlib.Path("-")
    report.show(Console(highlight=False, stderr=is_piped))
    with refusals.as_usage_errors():
        _write(report, json, html)
    raise typer.Exit(refusals.EXIT_FINDINGS if report.verdict() else 0)


def _scenario(stack: str, folder: pathlib.Path, service: str | None, trace: str | None) -> tuple[Scenario, str]:
    """Return the agreement with the traffic of the service, and the service's name.

    Raises:
        UsageError: naming option, value and what is allowed.
        TenbinError: for a stack file or a trace that cannot be read.
    """
    # Numpy takes a second that the other commands of `tenbin` need not wait for.
    from tenbin_local import stack_files  # noqa: PLC0415
    from tenbin_planner import traces  # noqa: PLC0415
    from tenbin_planner.backtest import scenario  # noqa: PLC0415
    from tenbin_spec.document import document_of  # noqa: PLC0415

    known = stack_files.stack_names(folder)
    if not known:
        raise refusals.UsageError(f"--folder {folder} holds no file Pulumi.<stack>.yaml; allowed is a folder with some")
    if stack not in known:
        raise refusals.UsageError(f"--stack: {problems.not_one_of(stack, known, f'a stack in {folder}')}")
    read = stack_files.read_stack_file(stack_files.stack_file_path(folder, stack))
    document = document_of(read.stack, stack)
    if service is None and len(document.services) > 1:
        raise refusals.UsageError(f"--service missing: allowed are {', '.join(document.services)}")
    chosen = service or next(iter(document.services))
    if chosen not in document.services:
        raise refusals.UsageError(
            f"--service: {problems.not_one_of(chosen, document.services, f'a service of stack {stack}')}"
        )
    try:
        loaded = {} if trace is None else {chosen: traces.load(trace)}
    except traces.TraceError as error:
        raise refusals.UsageError(f"--trace {trace}: {error}") from error
    return scenario.Scenario(name=stack, document=document, traces=loaded), chosen


def _report(given: Scenario, service: str, class_name: str | None, language: str) -> Report:
    from tenbin_planner.menu import offers  # noqa: PLC0415 - with the rest of the work

    from tenbin_cli import menu_report, menu_words, simulate  # noqa: PLC0415

    simulate.compile_simulator()
    columns = (progress.BarColumn(bar_width=24), progress.MofNCompleteColumn(), progress.TextColumn("SLOs priced"))
    console = refusals.error_console()
    with progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        made = offers.of(
            given,
            service,
            class_name=class_name,
            progress=lambda done, count: bars.update(task, completed=done, total=count),
        )
    trace = given.traces.get(service)
    notes = () if trace is None else trace.notes
    report = menu_report.Report(menu=made, language=menu_words.Language(language), notes=notes)
    for text in (*report.left_out(), *notes):
        refusals.warn(text)
    return report


def _write(report: Report, json: pathlib.Path | None, html: pathlib.Path | None) -> None:
    if json is not None:
        text = json_format.dumps(report.plain(), indent=2, ensure_ascii=False) + "\n"
        if json == pathlib.Path("-"):
            typer.echo(text, nl=False)
        else:
            _save("--json", json, text)
    if html is not None:
        from tenbin_cli import menu_page  # noqa: PLC0415 - with the rest of the work

        _save("--html", html, menu_page.page(report))


def _save(option: str, path: pathlib.Path, text: str) -> None:
    from tenbin_local.environment import files  # noqa: PLC0415 - with the rest of the work

    try:
        files.write_atomically(path, text)
    except OSError as error:
        raise refusals.UsageError(f"{option} {path} cannot be written: {error.strerror}") from error
