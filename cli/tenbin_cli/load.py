"""`tenbin load`: sends a bounded traffic shape to a service and reports what its users got and what it cost."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Annotated

import typer
from rich.console import Console
from tenbin_local import errors
from tenbin_local.environment import layout
from tenbin_local.load import bounds, shape

EXIT_USAGE = 2

_Environment = Annotated[str, typer.Option("--env", envvar="TENBIN_ENV", help="Name of the environment.")]
_Rate = Annotated[
    float | None,
    typer.Option("--rate", help="Base rate in requests per second; 0.6 of what one replica can do when not given."),
]
_Shape = Annotated[
    str, typer.Option("--shape", help="Segments duration@multiple or duration@from-to of the base rate, by commas.")
]
_ScaleTime = Annotated[float, typer.Option("--scale-time", help="Multiplies every duration of the shape.")]
_Service = Annotated[str | None, typer.Option("--service", help="Service to send to; the only one when not given.")]
_Class = Annotated[str | None, typer.Option("--class", help="Send requests of this class only.")]
_Mix = Annotated[
    str | None, typer.Option("--class-mix", help="Weights of the classes, for example interactive=0.9,batch=0.1.")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of times, lengths and classes.")]
_MaxInFlight = Annotated[
    int, typer.Option("--max-in-flight", min=1, max=10_000, help="Open requests at most; others are errors.")
]
_Json = Annotated[bool, typer.Option("--json", help="Write the report as JSON to the standard output.")]
_Out = Annotated[
    pathlib.Path | None,
    typer.Option("--out", help="Folder of report, picture and requests; that of the environment when not given."),
]
_Gateway = Annotated[str | None, typer.Option("--gateway", help="URL of another gateway than the environment's.")]
_Planner = Annotated[str | None, typer.Option("--planner", help="URL of another planner than the environment's.")]
_Kubeconfig = Annotated[
    pathlib.Path | None, typer.Option("--kubeconfig", help="Access to another cluster than the environment's.")
]
_AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Allow a gateway that is not on this machine; its replicas cost money.")
]


def load(
    *,
    environment: _Environment = "local",
    rate: _Rate = None,
    traffic_shape: _Shape = shape.DEFAULT,
    scale_time: _ScaleTime = 1.0,
    service: _Service = None,
    only_class: _Class = None,
    class_mix: _Mix = None,
    seed: _Seed = 0,
    max_in_flight: _MaxInFlight = bounds.MAX_IN_FLIGHT,
    as_json: _Json = False,
    out: _Out = None,
    gateway: _Gateway = None,
    planner: _Planner = None,
    kubeconfig: _Kubeconfig = None,
    allow_remote: _AllowRemote = False,
) -> None:
    """Send traffic through the gateway and report attainment, money and the cheapest fixed fleet on the same requests.

    Exit status: 0 when every target was kept, 1 when one was missed or more than 1 % of the requests failed, 2 when
    nothing could be sent.
    """
    # A second of imports that the other commands of `tenbin` need not wait for.
    from tenbin_local.load import outcome, preparation, session  # noqa: PLC0415

    console = Console(stderr=as_json)
    try:
        options = preparation.Options(
            shape=shape.parse(traffic_shape).with_time_scaled(scale_time),
            rate=rate,
            service=service,
            only_class=only_class,
            class_mix=class_mix,
            seed=seed,
            max_in_flight=max_in_flight,
        )
        access, folder = _places(environment, kubeconfig, out)
        target = preparation.Target(
            kubeconfig=access, gateway_url=gateway, planner_url=planner, allow_remote=allow_remote
        )
        recorded = asyncio.run(session.run(target, options, console))
        report = outcome.conclude(recorded, folder)
    except errors.LocalError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_USAGE) from error
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        outcome.show(report, folder, console)
    raise typer.Exit(report.exit_code)


def _places(
    environment: str, kubeconfig: pathlib.Path | None, out: pathlib.Path | None
) -> tuple[pathlib.Path, pathlib.Path]:
    """Return the kubeconfig and the folder of the report."""
    if kubeconfig is not None and out is not None:
        return kubeconfig, out
    local = layout.find(environment)
    if kubeconfig is None and not local.kubeconfig.is_file():
        raise errors.LocalError(f"Environment {environment!r} is not running: `make up` starts it")
    return kubeconfig or local.kubeconfig, out or local.root / "load"
