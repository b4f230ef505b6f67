"""A suite as one page that needs nothing else: claims, and table and frontier of each cell."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tenbin_planner.backtest.suite import records
from tenbin_planner.backtest.suite.tasks import FIXED, PLANNER

from tenbin_cli import backtest_frontier, backtest_report, backtest_runs, backtest_svg, suite_lines, suite_report

if TYPE_CHECKING:
    from tenbin_planner.backtest.suite.cells import Cell
    from tenbin_planner.backtest.suite.tasks import Task

    from tenbin_cli.suite_report import Report

_LOOKS = {"held": "met", "not held": "missed", "not judged": "soft"}


def page(report: Report) -> str:
    """Return the page; it refers to nothing outside itself."""
    css = importlib.resources.files("tenbin_cli").joinpath("backtest_page.css").read_text(encoding="utf-8")
    is_judged = all(claim.judged for claim in report.claims)
    look = "missed" if not report.is_held else "met" if is_judged else "none"
    body = [
        f"<header><h1>Suite</h1><p class=soft>{_e(report.command)}</p>",
        f'<p class="verdict {look}">{_e(report.verdict)}</p></header>',
        '<section class="card">',
        _claims(report),
        "</section>",
        *(part for cell in report.cells for part in _cell(report, cell)),
        f"<footer><p>{_e(_versions(report))}</p></footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Suite</title><style>{css}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _versions(report: Report) -> str:
    told = ", ".join(f"{name} {version}" for name, version in backtest_report.versions().items())
    return f"{told}; {len(report.found.by_key)} runs, {report.computing_s:,.0f} s of computing."


def _claims(report: Report) -> str:
    rows = []
    for claim in report.claims:
        look = _LOOKS[claim.verdict]
        rows.append(
            f'<tr><td>{_e(suite_report.claim_text(claim))}</td><td class="{look}">{claim.verdict}</td>'
            f"<td>{_e(claim.closest)}</td></tr>"
        )
    head = "<tr><th>claim</th><th></th><th>closest, or worst</th></tr>"
    return _scrolled(f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>")


def _cell(report: Report, cell: Cell) -> Iterable[str]:
    yield f"<h2>{_e(cell.name)}</h2><p class=soft>{_e(cell.shows)}</p>"
    rows = report.of(cell)
    lines = suite_lines.lines(rows)
    for lead_s in sorted({line.lead_s for line in lines}):
        own = [line for line in lines if line.lead_s == lead_s]
        yield f'<section class="card"><h3>{lead_s:g} s until a new replica serves</h3>'
        picture = _frontier(report, cell, lead_s, own)
        yield _scrolled(picture) if picture else ""
        yield _table(("policy", *backtest_report.COLUMNS, "target"), [_shown(line) for line in own]) + "</section>"
    trouble = suite_lines.trouble(rows)
    if trouble:
        shown = [(f"{policy}, {lead_s:g} s", *figures) for lead_s, policy, figures in trouble]
        yield f'<section class="card">{_table(("policy", *suite_lines.SPAN_COLUMNS), shown)}</section>'
    parts = suite_lines.ablation(rows)
    if parts:
        shown = [(name, *figures) for name, figures in parts]
        yield f'<section class="card">{_table(("without", *suite_lines.ABLATION_COLUMNS), shown)}</section>'


def _shown(line: backtest_report.Line) -> tuple[str, ...]:
    return (line.label, *line.cells, "met" if line.is_target_met else "missed")


def _frontier(report: Report, cell: Cell, lead_s: float, lines: Sequence[backtest_report.Line]) -> str:
    """Draw all runs at a lead time; the hull and its fleets are those of the first seed."""
    tasks = [
        task
        for task in report.found.tasks
        if task.cell.name == cell.name and task.lead_s == lead_s and task.left_out is None and task.policy != FIXED
    ]
    first = next((task for task in tasks if not task.seed), None)
    made = [item for task in tasks for item in _made(report, task)]
    baseline = report.found.baseline(first) if first else None
    if not made or first is None or baseline is None:
        return ""
    for fleets in baseline["fleets"].values():
        score = records.score_of(fleets["score"], trace=cell.name)
        made.append(
            backtest_runs.Made(
                policy=FIXED, traffic=cell.name, lead_s=lead_s, seed=0, score=score, replicas=fleets["replicas"]
            )
        )
    requests = baseline["requests"]
    target = sum(baseline["targets"][name] * count for name, count in requests.items()) / sum(requests.values())
    drawn = [line for line in lines if line.policy in backtest_svg.COLOURS]
    return backtest_frontier.frontier(made, report.found.hulls(first), round(target, 9), drawn)


def _made(report: Report, task: Task) -> Iterable[backtest_runs.Made]:
    score = report.found.score(task)
    if score is not None:
        yield backtest_runs.Made(
            policy=task.policy, traffic=task.cell.name, lead_s=task.lead_s, seed=task.seed, score=score
        )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_e(name)}</th>" for name in columns)
    body = []
    for row in rows:
        own = ' class="own"' if row[0].split(",")[0] == PLANNER else ""
        cells = "".join(
            f'<td class="{text}">{text}</td>' if text in {"met", "missed"} else f"<td>{_e(text)}</td>" for text in row
        )
        body.append(f"<tr{own}>{cells}</tr>")
    return _scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>")


def _scrolled(content: str) -> str:
    return f'<div class="scroll">{content}</div>'


def _e(words: str) -> str:
    return html.escape(words, quote=True)
