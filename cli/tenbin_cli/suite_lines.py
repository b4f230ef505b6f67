"""Rows of a suite as lines of tables: a policy at a lead time, over all seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tenbin_planner.backtest.suite.tasks import FIXED, PLANNER

from tenbin_cli import backtest_report, simulation_report

if TYPE_CHECKING:
    from tenbin_planner.backtest.suite.rows import Row

SPANS = ("before", "during", "after")
SPAN_COLUMNS = tuple(f"{what} {span}" for span in SPANS for what in ("good", "USD/h"))
ABLATION_COLUMNS = ("attainment", "USD", "of hull", "captured", "worth")


def lines(rows: Sequence[Row]) -> list[backtest_report.Line]:
    """Return the lines of one cell, by lead time; what reaches its target first, the cheapest first."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["left_out"] is None:
            key = (row["lead_time_s"], row["policy"], row["history"], row["service"])
            groups.setdefault(key, []).append(row)
    found = [_line(group) for group in groups.values()]
    return sorted(
        found,
        key=lambda line: (
            line.lead_s,
            not line.is_target_met,
            line.usd if line.is_target_met else -line.attainment,
            line.label,
        ),
    )


def trouble(rows: Sequence[Row]) -> list[tuple[float, str, tuple[str, ...]]]:
    """Return lead time, policy and figures before, during and after a trouble; of seeds the mean."""
    groups: dict[tuple[float, str], list[Row]] = {}
    for row in rows:
        if row["spans"] and row["left_out"] is None:
            groups.setdefault((row["lead_time_s"], row["policy"]), []).append(row)
    found = []
    for (lead_s, policy), group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] != PLANNER)):
        cells: list[str] = []
        for span in SPANS:
            shares = [row["spans"][span]["attainment"] for row in group]
            usd = [row["spans"][span]["usd_per_hour"] for row in group]
            cells += (_mean_share(shares), _mean_usd(usd))
        found.append((lead_s, policy, tuple(cells)))
    return found


def ablation(rows: Sequence[Row]) -> list[tuple[str, tuple[str, ...]]]:
    """Return what the planner comes to as it is and with each part of its recipe left out, in one cell.

    A part's worth is what the dollars per good request rise by without it.
    """
    without = [row for row in rows if row["left_out"] is not None]
    if not without:
        return []
    first = without[0]
    whole = [
        row
        for row in rows
        if row["policy"] == PLANNER
        and not row["history"]
        and all(row[key] == first[key] for key in ("lead_time_s", "seed"))
    ]
    return [
        *(("everything", _ablated(row, None)) for row in whole),
        *((row["left_out"], _ablated(row, whole[0] if whole else None)) for row in without),
    ]


def _ablated(row: Row, whole: Row | None) -> tuple[str, ...]:
    fixed, captured = row["fixed_usd_at_same_attainment"], row["captured_saving"]
    per_good, before = row["usd_per_million_good_tokens"], whole and whole["usd_per_million_good_tokens"]
    return (
        simulation_report.share_text(row["attainment"]),
        backtest_report.usd_text(row["usd"]),
        "-" if not fixed else f"{100 * row['usd'] / fixed:.1f} %",
        "-" if captured is None else f"{100 * captured:.0f} %",
        "-" if not per_good or not before else f"{100 * (per_good / before - 1):+.1f} %",
    )


def _line(group: Sequence[Row]) -> backtest_report.Line:
    first = group[0]
    return backtest_report.Line.of(group, policy=first["policy"], label=_label(group), lead_s=first["lead_time_s"])


def _label(group: Sequence[Row]) -> str:
    first = group[0]
    if first["policy"] != FIXED:
        return f"{first['policy']}, day before" if first["history"] else str(first["policy"])
    counts = sorted({row["replicas"] for row in group})
    told = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
    several = len(first["attainment_by_service"]) == 1 and first["service"] not in {None, "service"}
    return f"{FIXED}, {told}" + (f" {first['service']}" if several else "")


def _mean_share(shares: Iterable[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return simulation_report.share_text(statistics.fmean(known)) if known else "-"


def _mean_usd(amounts: Iterable[float | None]) -> str:
    known = [amount for amount in amounts if amount is not None]
    return backtest_report.usd_text(statistics.fmean(known)) if known else "-"
