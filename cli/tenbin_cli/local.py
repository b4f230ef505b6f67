"""`tenbin local`: the embedded environment on this machine."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from rich.console import Console
from tenbin_local import toolchain
from tenbin_local.environment import agent, commands, deployment, inspection, layout, lifecycle, log_files, stacks
from tenbin_local.errors import LocalError
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.reporting import Report

from tenbin_cli import local_view

app = typer.Typer(no_args_is_help=True, help="A real control plane with simulated GPU nodes, on this machine.")

Environment = Annotated[str, typer.Option("--env", help="Name of the environment.", envvar="TENBIN_ENV")]
_Stack = Annotated[str | None, typer.Option("--stack", help="Stack to run; the last one, or `local`.")]
_LogName = Annotated[str | None, typer.Argument(help="A part, `pulumi`, or a pod (its name or the beginning of it).")]
_Clean = Annotated[bool, typer.Option("--clean", help="Delete what building left behind; the programs stay.")]
_Json = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


@app.command()
def up(env: Environment = "local", stack: _Stack = None) -> None:
    """Bring the environment up, or repair it, and send a first request."""
    place = layout.find(env)
    report = Report()
    status, answers = lifecycle.up(place, stack or deployment.stack_of(place), report)
    report.console.print(local_view.closing(status, answers))


@app.command()
def stop(env: Environment = "local") -> None:
    """End all processes; the state stays, and `up` goes on from it."""
    lifecycle.stop(_existing(env), Report())


@app.command()
def down(env: Environment = "local") -> None:
    """End all processes and remove all state."""
    lifecycle.down(layout.find(env), Report())


@app.command()
def status(env: Environment = "local", as_json: _Json = False) -> None:
    """Show what runs. Exit status 1 when the environment is not ready."""
    found = inspection.inspect(_existing(env))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        Console().print(local_view.status(found))
    if not found.ready:
        raise typer.Exit(1)


@app.command()
def logs(
    name: _LogName = None,
    env: Environment = "local",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", help="Lines from the end.", min=0)] = 200,
) -> None:
    """Show the log of a part or a pod; without a name, list what there is."""
    place = _existing(env)
    if name is None:
        Console().print(local_view.log_names(log_files.names(place)))
        return
    for line in log_files.read(log_files.find(place, name), lines=lines, follow=follow):
        typer.echo(line)


@app.command("kill-node")
def kill_node(node: Annotated[str, typer.Argument(help="Name of the node.")], env: Environment = "local") -> None:
    """Let a node die; `up` brings it back."""
    agent.kill_node(_existing(env), node)
    Report().line("✓", f"{node} is dying: its pods are lost, and the cluster notices within seconds")


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    command: Annotated[list[str], typer.Argument(help="Command and arguments, after `--`.")], env: Environment = "local"
) -> None:
    """Run a command with this environment's plugins, state and kubeconfig."""
    place = layout.find(env)
    prepared = lifecycle.prepare(place, Report())
    variables = commands.variables(place, prepared.toolchain, deployment.stack_of(place))
    stacks.create_missing(place, variables)
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606 - the command is the user's own
    except OSError as error:
        raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error


@app.command("toolchain")
def show_toolchain(
    clean: _Clean = False,
) -> None:
    """Bring all programs into reach, and show where each lies and how it came."""
    report = Report()
    if clean:
        report.line("✓", f"{Cache().clean() / 1e9:.1f} GB freed in {Cache().build}")
        return
    Console().print(local_view.programs(toolchain.ensure(report)))
    if Cache().build.exists():
        report.line("·", f"{Cache().build} can go: `tenbin local toolchain --clean`")


def _existing(env: str) -> layout.Layout:
    place = layout.find(env)
    if not place.exists():
        raise LocalError(f"There is no environment {env!r} in {place.checkout}: `tenbin local up --env {env}` makes it")
    return place
