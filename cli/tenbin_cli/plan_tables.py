"""Parts of a plan as tables, for `tenbin explain` and `tenbin status`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text
from tenbin_spec.plan import ClassView, PlanView, ServiceView
from tenbin_spec.quantities import money_text

NOTHING = "-"
"""Stands for what is not known, which is not 0."""
TIGHT = 0.25
"""Part of the error budget below which what is left is pointed out."""


def number(value: float | None, digits: int = 0) -> str:
    """Return a number; a dash for one that is not known."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def share(value: float | None, digits: int = 2) -> str:
    """Return a share in percent; a dash for one that is not known."""
    return NOTHING if value is None else f"{100 * value:.{digits}f} %"


def head(plan: PlanView) -> Text:
    """Return which stack the plan is for, when it was made, and what it is good for."""
    mode = "" if plan.leader else "  does not lead, so it changes nothing"
    mode += "  dry run, so it changes nothing" if plan.dry_run else ""
    return Text.assemble(
        ("stack ", "dim"),
        (plan.stack, "bold"),
        ("  plan of ", "dim"),
        f"{plan.at:%Y-%m-%d %H:%M:%S} UTC",
        (mode, "yellow"),
    )


def problems(plan: PlanView) -> Iterator[Text]:
    """Yield what is wrong or was noticed."""
    if plan.document_problem is not None:
        yield Text.assemble(("✗ ", "red"), f"a newer document is not in force: {plan.document_problem}")
    yield from (Text.assemble(("! ", "yellow"), text) for text in (*plan.findings, *plan.notes))
    yield from (Text.assemble(("! ", "yellow"), f"ignored: {text}") for text in plan.ignored)
    if any(item.engines_1m is not None for service in plan.services for item in service.classes.values()):
        yield Text.assemble(
            ("! ", "yellow"),
            "no gateway is heard: ≈ is an estimate by the engines, over requests of all classes; no budget counts it",
        )


def classes(services: Iterable[ServiceView], *, has_service: bool = True) -> Table:
    """Return how the request classes fare."""
    table = Table(box=None, header_style="dim")
    for name in (*(("service",) if has_service else ()), "class"):
        table.add_column(name)
    for name in ("target", "attained", "last minute", "budget left", "burn rate", "TTFT p50 / p99", "TPOT p50 / p99"):
        table.add_column(name, justify="right")
    for service in services:
        for name, item in service.classes.items():
            table.add_row(
                *((service.name,) if has_service else ()),
                name,
                share(float(item.target)),
                Text(share(item.attainment_window), _style(item.attainment_window, item)),
                _last_minute(item),
                Text(share(item.budget_left, 0), _budget_style(item.budget_left)),
                number(item.burn_rate_1m, 1),
                f"{number(item.ttft_p50_ms)} / {number(item.ttft_p99_ms)} ms",
                f"{number(item.tpot_p50_ms, 1)} / {number(item.tpot_p99_ms, 1)} ms",
            )
    return table


def money(plan: PlanView) -> Text:
    """Return what the plan costs beside its caps."""
    used = float(plan.hourly_usd / plan.hourly_cap_usd) if plan.hourly_cap_usd else 0.0
    text = Text.assemble(
        ("money ", "dim"),
        (f"{money_text(plan.hourly_usd)} USD per hour", "bold"),
        f", {100 * used:.0f} % of the cap of {money_text(plan.hourly_cap_usd)}",
        f"; {plan.month_usd:.2f} USD this month",
    )
    if plan.monthly_cap_usd is not None:
        part = float(plan.month_usd / plan.monthly_cap_usd) if plan.monthly_cap_usd else 0.0
        text.append(f", {100 * part:.1f} % of the cap of {money_text(plan.monthly_cap_usd)}")
    return text


def _last_minute(item: ClassView) -> Text:
    """Return the share of the last minute; while no gateway is heard, what the engines tell of it."""
    if item.engines_1m is None:
        return Text(share(item.attainment_1m), _style(item.attainment_1m, item))
    lower, upper = item.engines_1m.lower, item.engines_1m.upper
    known = _style(lower, item) if _style(lower, item) == _style(upper, item) else "yellow"
    span = share(lower, 1) if lower == upper else f"{100 * lower:.1f} to {share(upper, 1)}"
    return Text(f"≈ {span}", known)


def _style(value: float | None, item: ClassView) -> str:
    if value is None:
        return "dim"
    return "green" if value >= float(item.target) else "red"


def _budget_style(left: float | None) -> str:
    if left is None:
        return "dim"
    if left <= 0:
        return "red"
    return "yellow" if left < TIGHT else "green"
