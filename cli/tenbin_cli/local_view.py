"""How the local environment looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from tenbin_local.environment.first_request import Answer
from tenbin_local.environment.inspection import RUNNING, Status
from tenbin_local.toolchain import Toolchain


def status(found: Status) -> RenderableType:
    """Show processes, nodes and workloads, and what is wrong."""
    verdict = Text("ready", "bold green") if found.ready else Text("not ready", "bold red")
    head = Text.assemble("environment ", (found.environment, "bold"), "  stack ", (found.stack, "bold"), "  ", verdict)
    parts: list[RenderableType] = [head, _processes(found)]
    if found.pools:
        parts.append(_pools(found))
    if found.workloads:
        parts.append(_workloads(found))
    parts.append(_addresses(found))
    parts += [Text.assemble(("✗ ", "red"), problem) for problem in found.problems]
    parts += [Text.assemble(("! ", "yellow"), warning) for warning in found.warnings]
    if not found.ready:
        parts.append(Text.assemble("Repair it with ", ("make up", "bold"), " or ", ("tenbin local up", "bold")))
    return Group(*parts)


def closing(found: Status, answers: Sequence[Answer]) -> RenderableType:
    """Show what was brought up and what to do with it."""
    parts: list[RenderableType] = []
    for answer in answers:
        text = answer.text if len(answer.text) <= 100 else answer.text[:100] + "…"
        parts.append(
            Text.assemble(
                (f"{answer.service} ", "bold"),
                f"answered: first token after {answer.ttft_ms} ms, {answer.chunks} tokens in {answer.e2e_ms} ms\n",
                (f"  {text.strip()}", "italic"),
            )
        )
    parts += [Text(), _addresses(found), Text(), _next_steps(found)]
    return Panel(Group(*parts), title=f"environment {found.environment} is ready", border_style="green", expand=False)


def programs(found: Toolchain) -> RenderableType:
    """Show every program of the toolchain."""
    table = Table("program", "version", "how it came", "where", box=None, header_style="dim")
    for program in found.programs.values():
        table.add_row(program.name, program.version, program.way, Text(str(program.path), overflow="fold"))
    return table


def log_names(names: Sequence[str]) -> RenderableType:
    """Show which logs there are."""
    return Text("\n".join(names) if names else "There are no logs yet.")


def _processes(found: Status) -> Table:
    table = Table("process", "state", "pid", box=None, header_style="dim")
    for process in found.processes:
        style = "green" if process.state == RUNNING else "red"
        pid = str(process.pid) if process.pid else ""
        table.add_row(process.name, Text(process.state, style), pid)
    return table


def _pools(found: Status) -> Table:
    table = Table("pool", "nodes ready", "lost", box=None, header_style="dim")
    for pool in found.pools:
        table.add_row(pool.name, str(pool.ready), Text(", ".join(pool.lost), "yellow"))
    return table


def _workloads(found: Status) -> Table:
    table = Table("workload", "service", "pool", "ready / wanted", box=None, header_style="dim")
    for workload in found.workloads:
        style = "green" if workload.ready >= workload.wanted else "yellow"
        count = Text(f"{workload.ready} / {workload.wanted}", style)
        table.add_row(workload.name, workload.service or "", workload.pool or "", count)
    return table


def _addresses(found: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = {"gateway": found.gateway_url, "planner": found.planner_url, "kubeconfig": found.kubeconfig}
    for name, value in rows.items():
        table.add_row(Text(name, "dim"), Text(value or "none yet", overflow="fold"))
    return table


def _next_steps(found: Status) -> Text:
    """Say what to try next, each command on a line of its own, so that it can be copied from a narrow terminal."""
    local = found.environment == "local"
    which, option = ("", "") if local else (f" ENV={found.environment}", f" --env {found.environment}")
    steps = [
        ("send traffic and watch the planner scale", f"make load{which}"),
        ("the plan, with a reason for each number", f".venv/bin/tenbin explain{option}"),
        ("the same at a glance, in place", f".venv/bin/tenbin status{option} --watch"),
        ("what runs", f"make status{which}"),
        (
            "try a change of the stack file",
            f".venv/bin/tenbin local exec{option} -- pulumi preview --stack {found.stack}",
        ),
        ("remove all of it", f"make down{which}"),
    ]
    lines = [Text.assemble((f"{purpose}\n", "dim"), (f"  {command}", "bold")) for purpose, command in steps]
    return Text("\n").join(lines)
