"""A back-test as one page that needs nothing else: verdict, frontier, table, every policy over time, assumptions."""

from __future__ import annotations

import html
import importlib.resources
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tenbin_spec.quantities import money_text

from tenbin_cli import (
    backtest_cells,
    backtest_conditions,
    backtest_courses,
    backtest_frontier,
    backtest_report,
    backtest_svg,
    simulation_report,
    slo_option,
)

if TYPE_CHECKING:
    from tenbin_cli import backtest_runs

NOTES = {
    "tenbin": "the planner, its loop of production driven in virtual time",
    "fixed": "constant fleets; the hull is what mixtures of them cost at any attainment",
    "trend": "recent load and its slope over the lead time; tuned in hindsight",
    "hpa": "Horizontal Pod Autoscaler on concurrency; tuned in hindsight",
    "keda": "KEDA on queue and concurrency; tuned in hindsight",
    "dynamo": "NVIDIA Dynamo's planner, both loops, exact engine model; tuned in hindsight",
    "latency-hpa": "Horizontal Pod Autoscaler on latency, as llm-d advises; tuned in hindsight",
    "clairvoyant": "knows every request beforehand, and pays for starts as everybody",
}
_KEYS = (
    ("#c6d3e3", "requests per second"),
    ("#e8590c", "waiting in engines"),
    ("#4c8de0", "ready"),
    ("#f2b84b", "starting"),
    ("#b9c1cc", "draining or ending"),
    ("#8fcf9f", "target kept"),
    ("#e5484d", "target missed"),
)


def page(report: backtest_report.Report) -> str:
    """Return the page; it refers to nothing outside itself."""
    results = report.results
    css = importlib.resources.files("tenbin_cli").joinpath("backtest_page.css").read_text(encoding="utf-8")
    runs = [item for item in results.made if item.policy == "tenbin"]
    look = "none" if not runs else "missed" if results.misses else "met"
    title = "Back-test: " + ", ".join(item.name for item in results.traffic)
    body = [
        f'<header><h1>Back-test</h1><p class="soft">{_e(_subject(report))}</p>',
        f'<p class="verdict {look}">{_e(backtest_report.verdict(results))}</p>',
        *(f'<p class="verdict missed">{_e(text)}.</p>' for text in backtest_report.over_cap(results)),
        "</header>",
        _contents(report),
        *(part for item in results.traffic for part in _traffic(report, item)),
        '<h2>Assumptions</h2><section class="card">',
        _list(_assumptions(report)),
        "</section>",
        f"<footer><p>{_e(_versions(report))}</p><p><code>{_e(command(report))}</code></p></footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_e(title)}</title><style>{css}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def command(report: backtest_report.Report) -> str:
    """Return the command that makes these figures again."""
    words = ["tenbin", "backtest"]
    for name, value in report.asked.plain().items():
        for each in value if isinstance(value, tuple) else (value,):
            words += [f"--{name.replace('_', '-')}", str(each)]
    return shlex.join(words)


def _traffic(report: backtest_report.Report, item: backtest_cells.Traffic) -> Iterable[str]:
    look = ' class="spec"' if item.name.startswith("generate:") else ""
    yield f"<h2{look}>{_e(item.name)}</h2>"
    for service, words in item.description.items():
        yield f'<p class="soft">{_e(words if len(item.services) == 1 else f"{service}: {words}")}</p>'
    lines = report.lines(item.name)
    for lead_s in report.leads(item.name):
        yield from _cell(report, item, lead_s, [line for line in lines if line.lead_s == lead_s])


def _contents(report: backtest_report.Report) -> str:
    """Return links to all lead times of all traces; nothing where there is only one."""
    links = []
    for item in report.results.traffic:
        lines = {line.lead_s: line for line in report.lines(item.name) if line.policy == "tenbin"}
        for lead_s in report.leads(item.name):
            words = f"{lead_s:g} s" if len(report.results.traffic) == 1 else f"{item.name[:40]}, {lead_s:g} s"
            line = lines.get(lead_s)
            reached = f" {simulation_report.share_text(line.attainment)}" if line else ""
            links.append(f'<a href="#{_anchor(report, item, lead_s)}"><b>{_e(words)}</b>{_e(reached)}</a>')
    return f"<nav>{''.join(links)}</nav>" if len(links) > 1 else ""


def _anchor(report: backtest_report.Report, item: backtest_cells.Traffic, lead_s: float) -> str:
    return f"cell-{report.results.traffic.index(item)}-{lead_s:g}"


def _cell(
    report: backtest_report.Report, item: backtest_cells.Traffic, lead_s: float, lines: Sequence[backtest_report.Line]
) -> Iterable[str]:
    results = report.results
    made = [run for run in results.made if (run.traffic, run.lead_s) == (item.name, lead_s)]
    target = _target(item)
    yield f'<section class="card" id="{_anchor(report, item, lead_s)}">'
    yield f"<h3>{lead_s:g} s until a new replica serves</h3>"
    own = next((line for line in lines if line.policy == "tenbin"), None)
    if own is not None:
        yield _facts(own, target)
    picture = backtest_frontier.frontier(made, results.baseline(item.name, lead_s).hulls, target, lines)
    yield f'<div class="scroll">{picture}</div>'
    yield "</section>"
    yield f'<section class="card">{_table(lines)}'
    yield (
        "<ul class=plain>"
        + "".join(f"<li>{_e(text)}</li>" for text in _remarks(report, item, lead_s, lines))
        + "</ul></section>"
    )
    yield from _courses(made, lines, target)


def _remarks(
    report: backtest_report.Report, item: backtest_cells.Traffic, lead_s: float, lines: Sequence[backtest_report.Line]
) -> list[str]:
    told = [f"{text[0].upper()}{text[1:]}." for text in report.summary(item.name, lead_s)]
    if any(line.seeds > 1 for line in lines):
        told.append(f"Attainment and minutes are those of the worst of {report.asked.seeds} seeds, the rest are means.")
    told.append(
        "Of hull: dollars over what constant fleets cost at the attainment reached. Captured: share of what a "
        "clairvoyant saves; told from 6 replicas and 8 % of saving on."
    )
    return told


def _facts(line: backtest_report.Line, target: float) -> str:
    shown = [
        (simulation_report.share_text(line.attainment), f"of requests good, target {100 * target:g} %"),
        (f"{backtest_report.usd_text(line.usd)} USD", "for the whole trace"),
    ]
    if line.of_hull is not None:
        shown.append((f"{100 * (line.of_hull - 1):+.1f} %", "against constant fleets at the same attainment"))
    if line.captured_saving is not None:
        shown.append((f"{100 * line.captured_saving:.0f} %", "of a clairvoyant's saving"))
    shown.append((f"{line.replica_changes:,.0f}", "starts and stops of replicas"))
    return (
        '<div class="facts">' + "".join(f"<div><b>{_e(a)}</b><span>{_e(b)}</span></div>" for a, b in shown) + "</div>"
    )


def _table(lines: Sequence[backtest_report.Line]) -> str:
    head = "".join(f"<th>{_e(name)}</th>" for name in ("policy", *backtest_report.COLUMNS, "target"))
    rows = []
    for line in lines:
        swatch = f'<span class="swatch" style="background:{backtest_svg.COLOURS[line.policy]}"></span>'
        cells = "".join(f"<td>{_e(text)}</td>" for text in line.cells)
        look = "met" if line.is_target_met else "missed"
        own = ' class="own"' if line.policy == "tenbin" else ""
        rows.append(f'<tr{own}><td>{swatch}{_e(line.label)}</td>{cells}<td class="{look}">{look}</td></tr>')
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _courses(made: Sequence[backtest_runs.Made], lines: Sequence[backtest_report.Line], target: float) -> Iterable[str]:
    order = {line.policy: place for place, line in enumerate(lines)}
    found = [(item, item.course) for item in made if item.course is not None]
    found.sort(key=lambda pair: (pair[0].policy != "tenbin", order.get(pair[0].policy, 0)))
    most = backtest_courses.most_replicas([course for _, course in found])
    rate = backtest_courses.most_rate([course for _, course in found])
    for item, course in found:
        name = item.policy if item.replicas is None else f"fixed, {item.replicas}"
        figures = (
            f"{simulation_report.share_text(item.score.attainment)} good, "
            f"{backtest_report.usd_text(float(item.score.usd))} USD, {item.score.replica_changes:,} changes"
        )
        picture = backtest_courses.course(
            course, target, most_replicas=most, most_rate=rate, label=f"{name} over time: {figures}"
        )
        keys = "".join(
            f'<span><span class="swatch" style="background:{colour}"></span>{_e(words)}</span>'
            for colour, words in _KEYS
        )
        summary = f"<summary><b>{_e(name)}</b><span>{_e(figures)}</span></summary>"
        yield (
            f'<details class="card" open>{summary}<p class="soft">{_e(NOTES[item.policy])}</p>'
            f'<div class="scroll">{picture}</div><p class="keys">{keys}</p></details>'
        )


def _target(item: backtest_cells.Traffic) -> float:
    """Return the target of all requests: that of the services, weighted by their requests."""
    counts = {name: len(item.given.arrivals(name)) for name in item.services}
    total = sum(item.given.target(name) * count for name, count in counts.items())
    # Sums of binary fractions would write 0.99 as 0.9900000000000001.
    return round(total / sum(counts.values()), 9)


def _assumptions(report: backtest_report.Report) -> list[tuple[str, str]]:
    asked, found = report.asked, []
    for profile in {item.name: item for traffic in report.results.traffic for item in traffic.profiles}.values():
        found.append(("engine", f"{profile.name}, {profile.kind.value}, {profile.date}"))
        found.append(("source of the profile", profile.source))
        found.append(("error of the profile", profile.error or "unknown: never held against a measurement"))
    for item in report.results.traffic:
        document = item.given.document
        for workload in document.workloads:
            price = "unknown" if workload.hourly_usd is None else f"{money_text(workload.hourly_usd)} USD an hour"
            replicas = document.services[workload.service].replicas
            found.append(
                (
                    "price",
                    f"{workload.pool}: {price} for a replica; {workload.service} has {replicas.min} to {replicas.max}",
                )
            )
        for service in item.services:
            for name, objective in item.given.objectives(service).items():
                words = f"{slo_option.thresholds_text(objective)} for {100 * float(objective.target):g} %"
                found.append(("objective", f"{service}, {name}: {words}"))
        found.append(("hourly cap", f"{money_text(document.cost.hourly_usd)} USD"))
        found += backtest_conditions.told(item.given)
        begins = ", ".join(f"{name} {count}" for name, count in report.results.begins[item.name].items())
        found.append(("begins with", f"{begins}: as given, or what keeps the target over the first ten minutes"))
        for lead in item.leads:
            pools = {pool: item.given.lead(pool) for pool in document.pools} if lead is None else {"all pools": lead}
            found += [
                ("lead time", f"{pool}: {backtest_conditions.lead_text(known)}, log-normal, drawn for each start")
                for pool, known in pools.items()
            ]
        found += [("trace", f"{item.name}, {words}") for words in item.description.values()]
        found += [("note on the trace", note) for note in item.notes]
        found += [("history", f"{name}, {trace.describe()}") for name, trace in item.given.history.items()]
    if not any(item.given.history for item in report.results.traffic):
        found.append(("history", "none: the planner begins without memory"))
    found.append(("seeds", f"0 to {asked.seeds - 1}" if asked.seeds > 1 else "0"))
    found.append(("good", "all thresholds of a request's class kept; shed and failed requests count as missed"))
    return list(dict.fromkeys(found))


def _versions(report: backtest_report.Report) -> str:
    told = ", ".join(f"{name} {version}" for name, version in backtest_report.versions().items())
    return (
        f"{told}; {report.wall_s:,.0f} s of computing. Arrivals, lengths and lead times are the same for each policy."
    )


def _subject(report: backtest_report.Report) -> str:
    asked = report.asked
    if asked.scenario is not None:
        return f"Scenario {asked.scenario}"
    if asked.stack is not None:
        return f"Stack {asked.stack}"
    return f"{asked.profile}, {asked.price} USD per replica and hour, {' '.join(asked.slo)}"


def _list(entries: Iterable[tuple[str, str]]) -> str:
    found, before = [], None
    for name, words in entries:
        found.append(f"<dt>{_e(name) if name != before else ''}</dt><dd>{_e(words)}</dd>")
        before = name
    return f"<dl>{''.join(found)}</dl>"


def _e(words: str) -> str:
    return html.escape(words, quote=True)
