"""`tenbin explain`: why the planner wants what it wants."""

from __future__ import annotations

import pathlib
from typing import Annotated

import typer
from rich.console import Console
from tenbin_spec.plan import PlanView

from tenbin_cli import explanation, plan_source
from tenbin_cli.refusals import UsageError, as_usage_errors

Environment = Annotated[str, typer.Option("--env", help="Name of the local environment.", envvar="TENBIN_ENV")]
Planner = Annotated[
    str | None, typer.Option("--planner", metavar="URL", help="Planner of another cluster, by its address.")
]
_Service = Annotated[str | None, typer.Option("--service", help="This service only.")]
_Plans = Annotated[
    pathlib.Path | None,
    typer.Option("--plans", metavar="FILE", help="Plans of a back-test (`tenbin backtest --plans FILE`)."),
]
_At = Annotated[
    float | None,
    typer.Option("--at", metavar="S", min=0, help="With --plans: seconds since the first of them; the last without."),
]
_Json = Annotated[bool, typer.Option("--json", help="Write the plan as JSON.")]


def explain(
    *,
    environment: Environment = "local",
    planner: Planner = None,
    service: _Service = None,
    plans: _Plans = None,
    at_s: _At = None,
    as_json: _Json = False,
) -> None:
    """Say what the planner sees, expects and weighed, which limits bit, and why it wants what it wants.

    Exit status: 0, or 2 when there is no plan to explain.
    """
    with as_usage_errors():
        found = _only(_plan(environment, planner, plans, at_s), service)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        Console().print(explanation.of(found))


def _plan(environment: str, planner: str | None, plans: pathlib.Path | None, at_s: float | None) -> PlanView:
    if plans is None:
        if at_s is not None:
            raise UsageError("--at names one of the plans of a file: give --plans too")
        return plan_source.fetch(plan_source.address(environment, planner))
    if planner is not None:
        raise UsageError("--planner and --plans exclude each other")
    return plan_source.recorded(plans, at_s)


def _only(plan: PlanView, service: str | None) -> PlanView:
    known = [item.name for item in plan.services]
    if service is None:
        return plan
    if service not in known:
        raise UsageError(f"--service {service!r} is no service of the plan. Allowed: {', '.join(known)}")
    return plan.model_copy(
        update={
            "services": tuple(item for item in plan.services if item.name == service),
            "workloads": tuple(item for item in plan.workloads if item.service == service),
        }
    )
