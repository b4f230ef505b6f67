"""A suite as Markdown, which stands in the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tenbin_cli import backtest_report, suite_lines, suite_report

if TYPE_CHECKING:
    from tenbin_planner.backtest.suite.cells import Cell

    from tenbin_cli.suite_report import Report

_INTRODUCTION = """\
Every claim about the planner stands on these figures. They are made by one command, of which nothing is left out, and
judged by the program that makes them: what is not held is told as plainly as what is.

Each seed draws other requests of the same law and runs in another world of lead times and interruptions. What a
service's owner declares is what another draw shows, the day before. Attainment, the worst five minutes and the minutes
below the target are those of the worst seed, all else is the mean. *Of hull*: dollars over what constant fleets cost at
the attainment reached. *Captured*: share of what a clairvoyant saves, told from 6 replicas and 8 % of saving on. Rules
are tuned in hindsight on the very trace, all but `trend` with the first seed alone. What is out of order in a cell and
for how long stands below its table.
"""


def text(report: Report) -> str:
    """Return the whole page."""
    parts = [
        "# Results of the suite",
        "",
        _INTRODUCTION,
        "```sh",
        report.command,
        "```",
        "",
        _versions(report),
        "",
        "## Claims",
        "",
        f"{report.verdict[0].upper()}{report.verdict[1:]}.",
        "",
        *_claims(report),
        "## Cells",
        "",
        *_overview(report),
    ]
    for cell in report.cells:
        parts += _cell(report, cell)
    return "\n".join(parts).rstrip() + "\n"


def _versions(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in backtest_report.versions().items())
    seeds = "seed 0" if report.asked.seeds == 1 else f"seeds 0 to {report.asked.seeds - 1}"
    return (
        f"{versions}; {seeds}; {len(report.found.by_key)} runs, {report.computing_s / 60:,.0f} minutes of one core. "
        "Virtual time begins on Monday, 5 January 2026, UTC; no figure depends on the machine or the day."
    )


def _claims(report: Report) -> Iterable[str]:
    yield from _table(
        ("claim", "verdict", "held in", "closest, or worst"),
        [
            (
                claim.law,
                claim.verdict if claim.is_held else f"**{claim.verdict}**",
                f"{claim.judged - len(claim.broken)} of {claim.judged}" if claim.judged else "-",
                claim.closest or "-",
            )
            for claim in report.claims
        ],
        right=(),
    )
    for claim in report.claims:
        if claim.broken:
            yield f"Not held, {claim.law}:"
            yield ""
            shown = claim.broken[: 2 * suite_report.SHOWN]
            yield from (f"- {broken}" for broken in shown)
            if len(claim.broken) > len(shown):
                yield f"- and {len(claim.broken) - len(shown)} more"
            yield ""


def _overview(report: Report) -> Iterable[str]:
    rows = []
    for cell in report.cells:
        baseline = report.baselines(cell)
        smallest = [item["smallest"] for item in baseline.get("fleets", {}).values()]
        savings = [row["clairvoyant_saving"] for row in report.of(cell) if row["clairvoyant_saving"] is not None]
        rows.append(
            (
                f"[{cell.name}](#{cell.name})",
                cell.shows,
                f"{sum(baseline['requests'].values()):,}" if baseline else "-",
                " + ".join("none" if count is None else str(count) for count in smallest) or "-",
                f"{100 * min(savings):.0f} to {100 * max(savings):.0f} %" if savings else "-",
            )
        )
    yield from _table(("cell", "what it shows", "requests", "constant replicas", "clairvoyant saves"), rows, right=(2,))


def _cell(report: Report, cell: Cell) -> Iterable[str]:
    rows = report.of(cell)
    yield f"### {cell.name}"
    yield ""
    yield f"{cell.shows[0].upper()}{cell.shows[1:]}; {cell.duration_s / 3600:g} hours; {_agreement(cell)}."
    yield ""
    columns = ("lead time", "policy", *backtest_report.COLUMNS, "target")
    lines = [
        (f"{line.lead_s:g} s", _strong(line.label), *line.cells, "met" if line.is_target_met else "missed")
        for line in suite_lines.lines(rows)
    ]
    yield from _table(columns, lines, right=range(2, 2 + len(backtest_report.COLUMNS)))
    trouble = suite_lines.trouble(rows)
    if trouble and cell.trouble is not None:
        yield f"The trouble lasts from {cell.trouble[0] / 60:g} to {cell.trouble[1] / 60:g} minutes."
        yield ""
        found = [(f"{lead_s:g} s", _strong(policy), *figures) for lead_s, policy, figures in trouble]
        yield from _table(("lead time", "policy", *suite_lines.SPAN_COLUMNS), found, right=range(2, 8))
    parts = suite_lines.ablation(rows)
    if parts:
        lead_s = next(row["lead_time_s"] for row in rows if row["left_out"] is not None)
        yield (
            f"What each part of the decision is worth, at {lead_s:g} s with the first seed: figures without it, and by "
            "how much dollars per good token rise."
        )
        yield ""
        named = [(name if name == "everything" else f"without {name.replace('_', ' ')}", *told) for name, told in parts]
        yield from _table(("recipe", *suite_lines.ABLATION_COLUMNS), named, right=range(1, 6))


def _agreement(cell: Cell) -> str:
    told = []
    for name, service in cell.services.items():
        where = ", ".join(
            f"{profile} at {cell.pools[pool].hourly_usd} USD an hour" for pool, profile in service.profiles.items()
        )
        told.append(where if len(cell.services) == 1 else f"{name} on {where}")
    cap = "" if cell.hourly_cap is None else f"; an hourly cap of {cell.hourly_cap} USD"
    return "; ".join(told) + cap


def _strong(label: str) -> str:
    return f"**{label}**" if label.split(",", maxsplit=1)[0] == "tenbin" else label


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int]) -> Iterable[str]:
    places = set(right)
    yield f"| {' | '.join(columns)} |"
    yield "|" + "|".join("---:" if place in places else "---" for place in range(len(columns))) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
