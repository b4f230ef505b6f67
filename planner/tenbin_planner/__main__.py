"""`tenbin-planner`: the planner and the picker as programs."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
from tenbin_spec import contract

app = typer.Typer(help="Holds the SLO of model services with the fewest dollars.", no_args_is_help=True)

Namespace = Annotated[str, typer.Option(envvar="TENBIN_NAMESPACE", help="Namespace that it looks after.")]
Host = Annotated[str, typer.Option(envvar="POD_IP", help="Own address, to listen on.")]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar="TENBIN_KUBECONFIG", help="Credentials file; the pod's own service account when absent."),
]


@app.command()
def run(  # noqa: PLR0917 - typer makes options of them
    namespace: Namespace,
    stack: Annotated[str, typer.Option(envvar="TENBIN_STACK", help="Name of the stack.")],
    host: Host,
    identity: Annotated[
        str, typer.Option(envvar="POD_NAME", help="Own name in the Lease; the host's name when absent.")
    ] = "",
    port: Annotated[int, typer.Option(help="HTTP: /plan, /metrics, /healthz, /readyz.")] = contract.PORT_PLANNER_HTTP,
    access_log_port: Annotated[int, typer.Option(help="gRPC: the gateway's access log.")] = (
        contract.PORT_PLANNER_ACCESS_LOG
    ),
    kubeconfig: Kubeconfig = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and explain, but change nothing.")] = False,
) -> None:
    """Plan: observe, decide, act, explain."""
    from tenbin_planner.controller import process, settings  # noqa: PLC0415 - the picker needs none of it

    _configure_logs()
    asyncio.run(
        process.run(
            settings.ControllerSettings(
                namespace=namespace,
                stack=stack,
                host=host,
                identity=identity or socket.gethostname(),
                http_port=port,
                access_log_port=access_log_port,
                kubeconfig=kubeconfig,
                root=_root(),
                is_dry_run=dry_run,
            )
        )
    )


@app.command()
def picker(
    namespace: Namespace,
    host: Host,
    xds_port: Annotated[int, typer.Option(help="gRPC: endpoint discovery.")] = contract.PORT_PICKER_XDS,
    health_port: Annotated[int, typer.Option(help="HTTP: /healthz, /readyz, /metrics.")] = contract.PORT_PICKER_HEALTH,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Pick: tell the gateways which replicas may get requests."""
    from tenbin_planner import picker as picker_package  # noqa: PLC0415 - the planner needs none of it

    _configure_logs()
    asyncio.run(
        picker_package.run(
            picker_package.PickerSettings(
                host=host,
                namespace=namespace,
                xds_port=xds_port,
                health_port=health_port,
                kubeconfig=kubeconfig,
                root=_root(),
            )
        )
    )


def _root() -> Path:
    return Path(os.environ.get(contract.ROOT_VARIABLE, "/"))


def _configure_logs() -> None:
    """Write one JSON object per line to standard error."""
    logging.basicConfig(
        level=logging.WARNING, format='{"level": "%(levelname)s", "logger": "%(name)s", "event": "%(message)s"}'
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
