"""What stays of a run: report, picture and requests as files, and a table for the person who waited."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from tenbin_spec import words

from tenbin_local.environment.files import write_atomically
from tenbin_local.load import comparison, picture, records, report
from tenbin_local.load.report import Report, Run, Times, share_text, usd_text

REPORT, PICTURE, REQUESTS = "report.json", "report.svg", "requests.csv.gz"
_SHOWN_DECISIONS = 20


def conclude(run: Run, folder: Path) -> Report:
    """Sum a run up and write its files into a folder."""
    sent = [record.planned for record in run.records]
    summed = report.build(run, comparison.cheapest_fixed_fleet(run.document, run.service, sent, run.duration_s))
    write_atomically(folder / REPORT, summed.model_dump_json(indent=2) + "\n")
    records.write_csv(folder / REQUESTS, run.records)
    picture.write(folder / PICTURE, run, summed)
    return summed


def show(summed: Report, folder: Path, console: Console) -> None:
    """Print a report for people."""
    console.print(_totals(summed), _decisions(summed), sep="\n")
    for problem in summed.problems:
        console.print(Text(f"! {problem}", style="yellow"))
    style = "green" if summed.exit_code == 0 else "bold red"
    for line in summed.verdict:
        console.print(Text(line, style=style), soft_wrap=True)
    if summed.interrupted:
        console.print("The run was interrupted: all of this is about the part that was done.")
    console.print(f"{folder / REPORT}, {PICTURE}, {REQUESTS}", style="dim", soft_wrap=True, highlight=False)


def _totals(summed: Report) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    drawn.add_column("")
    drawn.add_column("this run", justify="right")
    drawn.add_column("fixed fleet", justify="right", style="dim")
    drawn.add_row("requests", str(summed.requests))
    for name, share in summed.attainment.items():
        if share is not None:
            fixed = summed.fixed_fleet_attainment.get(name)
            label = f"{name} good (target {words.percent_text(summed.targets[name])})"
            drawn.add_row(label, share_text(share), share_text(fixed) if fixed is not None else "-")
    drawn.add_row("errors", _errors(summed))
    for name, times in (("TTFT", summed.ttft_ms), ("TPOT", summed.tpot_ms), ("E2E", summed.e2e_ms)):
        drawn.add_row(f"{name} p50 / p90 / p99, ms", _times(times))
    most = f"{summed.replicas_max}, {summed.replicas_end} at the end"
    drawn.add_row("replicas at most", most, _count(summed.fixed_fleet_replicas))
    drawn.add_row("GPU hours", f"{summed.gpu_hours:.4f}", _amount(summed.fixed_fleet_gpu_hours, ""))
    drawn.add_row("money", _usd(summed.usd), _usd(summed.fixed_fleet_usd))
    drawn.add_row("per million output tokens", _amount(summed.usd_per_million_output_tokens, " USD"), "")
    return drawn


def _decisions(summed: Report) -> RenderableType:
    if not summed.decisions:
        return Text("No decision of the planner was seen.", style="dim")
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("at", "wanted", "why"):
        drawn.add_column(heading, justify="right" if heading == "at" else "left")
    for row in summed.decisions[:_SHOWN_DECISIONS]:
        pools = ", ".join(f"{number} {pool}" for pool, number in row.wanted.items()) or "none"
        drawn.add_row(f"{row.at_s:.0f} s", pools, f"{row.reason}: {row.detail}" if row.detail else row.reason)
    left = len(summed.decisions) - _SHOWN_DECISIONS
    return Group(drawn, Text(f"and {left} more in {REPORT}", style="dim")) if left > 0 else drawn


def _errors(summed: Report) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in summed.errors_by_kind.items())
    return f"{summed.errors} ({kinds})" if kinds else str(summed.errors)


def _times(times: Times | None) -> str:
    return "-" if times is None else f"{times.p50:.0f} / {times.p90:.0f} / {times.p99:.0f}"


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _amount(amount: float | None, unit: str) -> str:
    return "-" if amount is None else f"{amount:.4f}{unit}"


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else usd_text(amount)
