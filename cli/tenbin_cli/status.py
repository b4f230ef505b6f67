"""`tenbin status`: services, replicas, attainment and money at a glance, live with `--watch`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tenbin_spec.plan import PlanView
from tenbin_spec.quantities import money_text

from tenbin_cli import plan_source, plan_tables
from tenbin_cli.explain import Environment, Planner
from tenbin_cli.plan_tables import NOTHING, number
from tenbin_cli.refusals import as_usage_errors

_Watch = Annotated[bool, typer.Option("--watch", help="Go on until interrupted, in place.")]
_Interval = Annotated[
    float, typer.Option("--interval", metavar="S", min=0.2, max=3600, help="With --watch: seconds between two looks.")
]
_Json = Annotated[bool, typer.Option("--json", help="Write the plan as JSON.")]


def status(
    *,
    environment: Environment = "local",
    planner: Planner = None,
    watch: _Watch = False,
    interval_s: _Interval = 2.0,
    as_json: _Json = False,
) -> None:
    """Show services, replicas by pool, attainment, error budget and money as the planner sees them.

    Exit status: 0, or 2 when the planner does not answer. With --watch it is asked again until it does.
    """
    with as_usage_errors():
        url = plan_source.address(environment, planner)
        plan = plan_source.fetch(url)
    if as_json:
        typer.echo(plan.model_dump_json(indent=2))
    elif watch:
        _watch(url, plan, interval_s)
    else:
        Console().print(view(plan))


def view(plan: PlanView, trouble: str | None = None) -> RenderableType:
    """Return a plan at a glance.

    Args:
        plan: the last one that is known.
        trouble: why there is no newer one.
    """
    parts: list[RenderableType] = [plan_tables.head(plan), *plan_tables.problems(plan)]
    if trouble is not None:
        parts.append(Text.assemble(("✗ ", "red"), trouble))
    parts += [
        "",
        _services(plan),
        "",
        plan_tables.classes(plan.services),
        "",
        _workloads(plan),
        "",
        plan_tables.money(plan),
    ]
    return Group(*parts)


def _watch(url: str, plan: PlanView, interval_s: float) -> None:
    with Live(view(plan), console=Console(), screen=False, auto_refresh=False) as live:
        while True:
            time.sleep(interval_s)
            trouble = None
            try:
                plan = plan_source.fetch(url)
            except plan_source.PlanError as error:
                trouble = str(error)
            live.update(view(plan, trouble), refresh=True)


def _services(plan: PlanView) -> Table:
    table = Table("service", box=None, header_style="dim")
    for name in ("requests/s", "planned for", "in flight", "waiting", "replicas"):
        table.add_column(name, justify="right")
    table.add_column("because")
    for item in plan.services:
        table.add_row(
            Text(item.name, "bold"),
            number(item.requests_per_second, 2),
            number(item.forecast_requests_per_second, 2),
            number(item.in_flight),
            number(item.waiting),
            str(item.planned),
            Text.assemble((item.reasons[0].code, "cyan"), f" {item.reasons[0].detail}") if item.reasons else "",
        )
    return table


def _workloads(plan: PlanView) -> Table:
    table = Table("pool", "workload", box=None, header_style="dim")
    for name in ("ready / wanted", "starting", "draining", "USD/h"):
        table.add_column(name, justify="right")
    for item in sorted(plan.workloads, key=lambda item: (item.pool, item.name)):
        table.add_row(
            item.pool,
            item.name,
            Text(f"{item.ready} / {item.wanted}", "green" if item.ready >= item.wanted else "yellow"),
            str(item.starting),
            str(item.draining),
            NOTHING if item.hourly_usd is None else money_text(item.hourly_usd * item.wanted),
        )
    return table
