"""What a person sees while traffic runs: a table, drawn anew twice a second; plain lines where there is no terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tenbin_spec import words

from tenbin_local.load.fleet import PoolCount
from tenbin_local.load.report import share_text, usd_text
from tenbin_local.load.summary import ClassTally, Percentiles


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassFigures:
    """One request class so far."""

    target: float
    so_far: ClassTally
    last_30_s: ClassTally


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Everything the table shows, at one instant."""

    elapsed_s: float
    duration_s: float
    phase: str
    target_rate: float
    """Requests per second that the shape asks for."""
    sent_rate: float
    """Over the last 10 s."""
    sent: int
    planned: int
    in_flight: int
    errors: Mapping[str, int]
    ttft: Percentiles | None
    """Of answers that ended in the last 10 s, in milliseconds."""
    tpot: Percentiles | None
    classes: Mapping[str, ClassFigures]
    pools: Mapping[str, PoolCount]
    hourly_usd: Decimal | None
    usd: Decimal | None
    decision: str
    """The planner's last reason."""
    problems: tuple[str, ...]


def table(figures: Figures) -> RenderableType:
    """Draw the figures."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", min_width=12)
    facts.add_column()
    facts.add_row("time", f"{_clock(figures.elapsed_s)} of {_clock(figures.duration_s)}, {figures.phase}")
    facts.add_row("rate", f"{figures.sent_rate:.1f}/s sent, {figures.target_rate:.1f}/s wanted")
    facts.add_row("requests", _requests(figures))
    facts.add_row("TTFT", _times(figures.ttft))
    facts.add_row("TPOT", _times(figures.tpot))
    facts.add_row("money", _money(figures))
    facts.add_row("planner", Text(figures.decision or "no decision seen yet"))
    for problem in figures.problems:
        facts.add_row(Text("problem", style="yellow"), Text(problem, style="yellow"))
    return Group(facts, "", _classes(figures), _pools(figures))


def line(figures: Figures) -> str:
    """Write the figures in one line, for logs."""
    shares = ", ".join(
        f"{name} {_share(tally.so_far)}" for name, tally in figures.classes.items() if tally.so_far.total
    )
    replicas = ", ".join(f"{pool} {_pool_words(count)}" for pool, count in figures.pools.items()) or "unknown"
    ttft = f"{figures.ttft.p99:.0f} ms" if figures.ttft else "-"
    tpot = f"{figures.tpot.p99:.0f} ms" if figures.tpot else "-"
    return (
        f"{_clock(figures.elapsed_s)} {figures.phase}: {figures.sent_rate:.1f}/s of {figures.target_rate:.1f}/s, "
        f"{figures.in_flight} in flight, TTFT p99 {ttft}, TPOT p99 {tpot}, good: {shares or '-'}; "
        f"replicas: {replicas}; {_money(figures)}; {figures.decision or 'no decision seen yet'}"
    )


def _classes(figures: Figures) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("class", "target", "good so far", "good, last 30 s", "requests"):
        drawn.add_column(heading, justify="left" if heading == "class" else "right")
    for name, entry in figures.classes.items():
        drawn.add_row(
            name,
            words.percent_text(entry.target),
            _coloured(entry.so_far, entry.target),
            _coloured(entry.last_30_s, entry.target),
            str(entry.so_far.total),
        )
    return drawn


def _pools(figures: Figures) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("replicas on", "ready", "starting", "draining"):
        drawn.add_column(heading, justify="left" if heading == "replicas on" else "right")
    for pool, count in figures.pools.items():
        drawn.add_row(pool, str(count.ready), str(count.starting), str(count.draining))
    return drawn


def _coloured(tally: ClassTally, target: float) -> Text:
    if tally.attainment is None:
        return Text("-", style="dim")
    return Text(_share(tally), style="green" if tally.attainment >= target else "bold red")


def _share(tally: ClassTally) -> str:
    return "-" if tally.attainment is None else share_text(tally.attainment)


def _requests(figures: Figures) -> str:
    errors = ", ".join(f"{number} {kind}" for kind, number in figures.errors.items()) or "no errors"
    return f"{figures.sent} of {figures.planned} sent, {figures.in_flight} in flight, {errors}"


def _times(times: Percentiles | None) -> str:
    return "-" if times is None else f"p50 {times.p50:.0f} ms, p99 {times.p99:.0f} ms (last 10 s)"


def _money(figures: Figures) -> str:
    hourly = "unknown" if figures.hourly_usd is None else f"{figures.hourly_usd:.2f} USD per hour now"
    return f"{hourly}, {'unknown' if figures.usd is None else usd_text(figures.usd)} so far"


def _pool_words(count: PoolCount) -> str:
    parts = [f"{count.ready} ready"]
    parts += [
        f"{number} {word}" for number, word in ((count.starting, "starting"), (count.draining, "draining")) if number
    ]
    return " + ".join(parts)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
