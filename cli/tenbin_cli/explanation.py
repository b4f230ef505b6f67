"""A plan explained in a terminal: observation, forecast, fleets that were weighed, and reasons."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from tenbin_spec.plan import CandidateView, ConsideredView, PlanView, ServiceView, WorkloadView
from tenbin_spec.quantities import money_text

from tenbin_cli import plan_tables
from tenbin_cli.plan_tables import NOTHING, number, share

SHOWN = 9
"""Fleets that are shown around the one that was chosen."""


def of(plan: PlanView) -> RenderableType:
    """Return all that a plan says, service by service."""
    parts: list[RenderableType] = [plan_tables.head(plan), *plan_tables.problems(plan)]
    for service in plan.services:
        parts += ["", *_service(service, [item for item in plan.workloads if item.service == service.name])]
    parts += ["", plan_tables.money(plan)]
    return Group(*parts)


def _service(service: ServiceView, workloads: list[WorkloadView]) -> Iterator[RenderableType]:
    yield Text.assemble(("service ", "dim"), (service.name, "bold"))
    for reason in service.reasons:
        yield Text.assemble("  ", (reason.code, "bold cyan"), "  ", reason.detail)
    yield _indented("seen", _seen(service))
    if service.forecast:
        yield _indented("expected", _forecast(service))
    if service.considered is not None:
        yield _indented(
            f"weighed over {service.considered.horizon_s:.0f} s: {service.considered.requests:.0f} requests expected,"
            f" a miss is worth {service.considered.miss_usd:.4f} USD",
            _candidates(service.considered),
        )
    yield _indented("wanted", _workloads(service, workloads))
    if any(item.starts for item in workloads):
        yield _indented("starts so far, median", _starts(workloads))


def _indented(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(f"  {title}", "dim"), Padding(body, (0, 0, 0, 4)))


def _seen(service: ServiceView) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"{number(service.requests_per_second, 2)} requests/s",
        f"{number(service.in_flight)} in flight",
        f"{number(service.waiting)} wait in engines",
        f"{service.input_tokens:.0f} tokens in, {service.output_tokens:.0f} out",
    )
    return Group(table, plan_tables.classes([service], has_service=False))


def _forecast(service: ServiceView) -> RenderableType:
    table = Table("in", "50 %", "90 %", "99 %", "", box=None, header_style="dim")
    for point in service.forecast:
        table.add_row(
            "now" if point.ahead_s == 0 else f"{point.ahead_s:.0f} s",
            *(number(value, 2) for value in (point.p50, point.p90, point.p99)),
            "requests/s",
        )
    return table


def _candidates(found: ConsideredView) -> RenderableType:
    table = Table("", box=None, header_style="dim")
    for name in ("replicas", "USD/h", "good requests", "misses", "fleet USD", "misses USD", "together USD"):
        table.add_column(name, justify="right")
    for item in _near(found):
        is_chosen = item.replicas == found.chosen
        least = "≥ " if item.is_partial else ""
        table.add_row(
            "→" if is_chosen else "",
            str(item.replicas),
            NOTHING if item.hourly_usd is None else money_text(item.hourly_usd),
            ("≤ " if item.is_partial else "") + share(item.attainment),
            f"{least}{item.expected_misses:.1f}",
            f"{item.usd:.4f}",
            f"{least}{item.misses_usd:.4f}",
            f"{least}{item.usd + item.misses_usd:.4f}",
            style="bold green" if is_chosen else "",
        )
    hidden = len(found.candidates) - table.row_count
    return Group(table, Text(f"{hidden} more were simulated", "dim")) if hidden > 0 else table


def _near(found: ConsideredView) -> list[CandidateView]:
    """Return the fleets next to the one that was chosen, in their order."""
    near = sorted(found.candidates, key=lambda item: abs(item.replicas - found.chosen))[:SHOWN]
    return sorted(near, key=lambda item: item.replicas)


def _workloads(service: ServiceView, workloads: list[WorkloadView]) -> RenderableType:
    table = Table("workload", "pool", box=None, header_style="dim")
    for name in ("wanted", "ready", "starting", "draining", "USD/h each", "start takes"):
        table.add_column(name, justify="right")
    table.add_column("reason")
    for item in workloads:
        lead_s = service.lead_s.get(item.name)
        table.add_row(
            item.name,
            item.pool,
            str(item.wanted),
            str(item.ready),
            str(item.starting),
            str(item.draining),
            NOTHING if item.hourly_usd is None else money_text(item.hourly_usd),
            NOTHING if lead_s is None else f"{lead_s:.0f} s",
            item.reason.code if item.reason in service.reasons else f"{item.reason.code}: {item.reason.detail}",
        )
    return table


def _starts(workloads: list[WorkloadView]) -> RenderableType:
    table = Table("workload", "node", "image", box=None, header_style="dim")
    for name in ("starts", "for a node", "pull", "container", "engine", "together"):
        table.add_column(name, justify="right")
    for item in workloads:
        for found in item.starts:
            table.add_row(
                item.name,
                found.node,
                found.image,
                str(found.count),
                *(_seconds(value) for value in (found.node_s, found.image_s, found.container_s, found.engine_s)),
                _seconds(found.total_s),
            )
    return table


def _seconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f} s"
