"""`tenbin simulate`: a trace through a fleet of replicas, and what its users would get."""

from __future__ import annotations

import json
import pathlib
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from tenbin_spec import problems

from tenbin_cli import profile_files, refusals, slo_option

if TYPE_CHECKING:
    from tenbin_cli.simulation_report import SimulationReport

MOST_REPLICAS = 10_000
ROUTINGS = ("random", "round-robin", "least-request", "least-queued-tokens", "predicted-latency")

_Profile = Annotated[str, typer.Option("--profile", help="Engine profile: a name of the catalogue, or a file.")]
_Trace = Annotated[str, typer.Option("--trace", help="Trace file, or generate:SHAPE,key=value,... for drawn requests.")]
_Reader = Annotated[str, typer.Option("--reader", help="Format of the trace file; found out when not given.")]
_Replicas = Annotated[
    int, typer.Option("--replicas", min=1, max=MOST_REPLICAS, metavar="N", help="Replicas, all of them ready.")
]
_Routing = Annotated[
    str,
    typer.Option("--routing", help="random, round-robin, least-request, least-queued-tokens or predicted-latency."),
]
_Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, metavar="N", help="Of the random routing.")]
_TimeFactor = Annotated[
    float,
    typer.Option("--time-factor", min=0.01, max=100.0, metavar="F", help="Factor on the time of every forward pass."),
]
_MaxQueued = Annotated[
    int | None,
    typer.Option("--max-queued", min=0, metavar="N", help="Requests that may wait in a replica; more are shed."),
]
_MaxQueuedTokens = Annotated[
    int | None,
    typer.Option(
        "--max-queued-tokens", min=0, metavar="N", help="Prompt tokens that may wait in a replica; more are shed."
    ),
]
_Slo = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        metavar="OBJECTIVE",
        help="For example ttft<=1000,tpot<=50@0.99 (ms and target); with CLASS: before it for one class; repeatable.",
    ),
]
_Out = Annotated[
    pathlib.Path | None,
    typer.Option("--out", help="Write a row for each request as CSV; packed when the name ends in .gz."),
]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


def simulate(
    *,
    profile: _Profile,
    trace: _Trace,
    replicas: _Replicas,
    routing: _Routing = "least-request",
    reader: _Reader = "auto",
    seed: _Seed = 0,
    time_factor: _TimeFactor = 1.0,
    max_queued: _MaxQueued = None,
    max_queued_tokens: _MaxQueuedTokens = None,
    slo: _Slo = None,
    out: _Out = None,
    as_json: _Json = False,
) -> None:
    """Send a trace through a fleet of equal replicas, step by step of each engine, and report what users would get.

    Exit status: 0 when all is well, 1 when an objective is missed, 2 when the input is wrong.
    """
    started = time.perf_counter()
    # Numpy and the compiler take a second that the other commands of `tenbin` need not wait for.
    from tenbin_planner import traces  # noqa: PLC0415
    from tenbin_planner.model import fleet  # noqa: PLC0415

    from tenbin_cli import simulation_report  # noqa: PLC0415

    with refusals.as_usage_errors(ValueError):
        if routing not in ROUTINGS:
            raise ValueError(f"--routing: {problems.not_one_of(routing, ROUTINGS, 'a routing')}")
        engine = profile_files.find(profile)
        engine = engine.model_copy(update={"forward": engine.forward.scaled(time_factor)})
        requests = traces.load(trace, reader=reader)
        for note in requests.notes:
            refusals.warn(note)
        objectives = slo_option.by_class(slo or [], requests.classes)
        arrivals, lives = requests.arrivals(), fleet.fixed(engine, replicas)
        compile_simulator()
        before = time.perf_counter()
        result = fleet.simulate(
            arrivals, lives, routing=routing, seed=seed, max_queued=max_queued, max_queued_tokens=max_queued_tokens
        )
        ended = time.perf_counter()
    report = simulation_report.SimulationReport(
        profile=engine,
        trace=requests,
        replicas=replicas,
        routing=routing,
        result=result,
        objectives=objectives,
        wall_s=ended - before,
        total_s=ended - started,
    )
    _warn(report)
    if as_json:
        typer.echo(json.dumps(report.plain(), indent=2))
    else:
        report.show(Console(highlight=False))
    if out is not None:
        with refusals.as_usage_errors():
            _write(report, out)
    raise typer.Exit(refusals.EXIT_FINDINGS if report.missed else 0)


def compile_simulator() -> None:
    """Make sure that the simulator is machine code, and say so where that takes a while."""
    from tenbin_planner import compiling  # noqa: PLC0415
    from tenbin_planner.model import replaying, simulation  # noqa: PLC0415

    if compiling.is_compiled(replaying.replay):
        simulation.warm_up()
        return
    with Console(stderr=True).status("compiling the simulator, once on this machine"):
        simulation.warm_up()


def _write(report: SimulationReport, out: pathlib.Path) -> None:
    try:
        report.write_requests(out)
    except OSError as error:
        raise refusals.UsageError(f"--out {out} cannot be written: {error.strerror}") from error


def _warn(report: SimulationReport) -> None:
    if report.too_long:
        limit = report.profile.limits.max_model_len
        noun = "request is" if report.too_long == 1 else "requests are"
        refusals.warn(f"{report.too_long:,} {noun} longer than {limit:,} tokens: the engine refuses them")
    if report.result.extrapolated:
        refusals.warn(f"passes went beyond what was measured for {report.profile.name}: their times are extrapolated")
