"""`tenbin validate`: what the engine model predicts for recorded runs, beside what was measured in them."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from tenbin_spec.objectives import Objective

from tenbin_cli import profile_files, refusals, simulate, slo_option

if TYPE_CHECKING:
    from tenbin_planner.profiling import validation

PICTURES = (".svg", ".png", ".pdf")

_Runs = Annotated[
    list[pathlib.Path],
    typer.Argument(metavar="RUN...", help="Recorded runs: CSV with sent, isl, osl, ttft, e2e (seconds, tokens)."),
]
_Profile = Annotated[str, typer.Option("--profile", help="Engine profile: a name of the catalogue, or a file.")]
_Slo = Annotated[
    list[str] | None,
    typer.Option("--slo", metavar="OBJECTIVE", help="Objective to count by, ttft<=MS,tpot<=MS,e2e<=MS; repeatable."),
]
_TimeFactor = Annotated[
    float,
    typer.Option("--time-factor", min=0.01, max=100.0, metavar="F", help="Factor on the time of every forward pass."),
]
_Plot = Annotated[
    pathlib.Path | None, typer.Option("--plot", help="Draw both distributions into a file, .svg, .png or .pdf.")
]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


def validate(
    runs: _Runs,
    *,
    profile: _Profile,
    slo: _Slo = None,
    time_factor: _TimeFactor = 1.0,
    plot: _Plot = None,
    as_json: _Json = False,
) -> None:
    """Simulate the requests of recorded runs and set the predicted times beside the measured ones.

    Exit status: 0 when the model holds: at most one figure in nine is off by more than 10, 15 and 20 % at p50, p90 and
    p99, and the factor on all step times that makes a median exact lies between 0.96 and 1.04; 1 when it does not; 2
    when the input is wrong.
    """
    # Numpy and the compiler take a second that the other commands of `tenbin` need not wait for.
    from tenbin_planner.profiling import records, validation  # noqa: PLC0415

    from tenbin_cli import validation_report  # noqa: PLC0415

    with refusals.as_usage_errors(ValueError):
        if plot is not None and plot.suffix not in PICTURES:
            raise refusals.UsageError(f"--plot {plot}: allowed are files that end in {', '.join(PICTURES)}")
        engine = profile_files.find(profile)
        objectives = _objectives(slo or []) or validation.DEFAULT_OBJECTIVES
        measured = [records.read_run(path) for path in runs]
        simulate.compile_simulator()
        with Console(stderr=True).status("simulating") as status:
            found = []
            for run in measured:
                status.update(f"simulating {run.name}")
                found.append(validation.compare(engine, run, objectives=objectives, factor=time_factor))
    report = validation_report.ValidationReport(profile=engine, factor=time_factor, comparisons=tuple(found))
    if as_json:
        typer.echo(json.dumps(report.plain(), indent=2))
    else:
        report.show(Console(highlight=False))
    if plot is not None:
        with refusals.as_usage_errors():
            _draw(plot, engine.name, found)
    raise typer.Exit(0 if report.holds else refusals.EXIT_FINDINGS)


def _objectives(texts: list[str]) -> tuple[Objective, ...]:
    found = []
    for text in texts:
        name, objective = slo_option.parse(text)
        if name is not None:
            raise slo_option.SloError(f"--slo {text!r}: recorded runs have no classes, leave out {name!r}")
        found.append(objective)
    return tuple(found)


def _draw(path: pathlib.Path, profile: str, comparisons: list[validation.Comparison]) -> None:
    from tenbin_cli import validation_picture  # noqa: PLC0415 - matplotlib takes a second

    try:
        validation_picture.write(path, profile, comparisons)
    except OSError as error:
        raise refusals.UsageError(f"--plot {path} cannot be written: {error.strerror}") from error
