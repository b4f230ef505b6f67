"""A menu as one sheet of A4 that needs nothing else: promise, price, ladder, assumptions, lines to sign."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Mapping
from decimal import Decimal

from tenbin_planner.menu.offers import Offer
from tenbin_spec.words import percent_text

from tenbin_cli import menu_curve
from tenbin_cli.menu_report import AGREED, CAPPED, KNEE, Report, usd

_FIT = (
    "const sheet=document.querySelector('main');"
    "for(let size=9.2;size>6&&sheet.offsetHeight>1121;size-=.1)document.documentElement.style.fontSize=size+'pt'"
)
"""Sets the type smaller, in steps of a tenth of a point, while the sheet is higher than the 1,122 px of A4."""


def page(report: Report) -> str:
    """Return the page; it refers to nothing outside itself, and what is long is set smaller until it fits the sheet."""
    menu, words = report.menu, report.words
    curve_title = words.curve.format(share=_target(menu.objective.target))
    css = importlib.resources.files("tenbin_cli").joinpath("menu_page.css").read_text(encoding="utf-8")
    body = [
        _header(report),
        _promise(report),
        f"<h2>{_e(words.others)}</h2>",
        _ladder(report),
        f'<p class="legend">{_e(" ".join(report.legend()))}</p>',
        '<div class="pair">',
        f"<section><h2>{_e(words.beside)}</h2>{_neighbours(report)}</section>",
        f"<section><h2>{_e(curve_title)}</h2>{menu_curve.curve(report)}</section>",
        "</div>",
        '<div class="pair small">',
        f"<section><h2>{_e(words.assumed)}</h2>{_list(report.assumptions())}</section>",
        f"<section><h2>{_e(words.sureness)}</h2>{_list(report.sureness())}</section>",
        "</div>",
        _signatures(report),
    ]
    title = f"{words.title}: {menu.service}"
    return (
        f'<!doctype html>\n<html lang="{report.language.value}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=820">'
        f"<title>{_e(title)}</title><style>{css}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + f"\n</main><script>{_FIT}</script></body></html>\n"
    )


def _header(report: Report) -> str:
    menu, words = report.menu, report.words
    subject = words.subject.format(stack=menu.stack, revision=menu.revision)
    return (
        f'<header><div><p class="kind">{_e(words.title)}</p><h1>{_e(menu.service)}</h1></div>'
        f"<p>{_e(menu.terms.model)}<br>{_e(subject)}</p></header>"
    )


def _promise(report: Report) -> str:
    words, agreed = report.words, report.menu.agreed
    fleet = agreed.fleet
    shown = [
        (usd(agreed.monthly_usd), words.per_month),
        (usd(agreed.hourly_usd), words.per_hour),
        (usd(agreed.million_usd), words.per_million),
        ("—" if fleet is None else report.replicas(fleet), words.fleet if fleet is None else _pools(fleet.by_pool)),
    ]
    figures = "".join(f"<div><b>{_e(figure)}</b><span>{_e(text)}</span></div>" for figure, text in shown)
    also = "".join(f'<p class="also">{_e(text)}</p>' for text in report.also())
    wrong = "".join(f'<p class="wrong">{_e(text)}</p>' for text in report.verdict())
    return (
        f'<section class="promise"><h2>{_e(words.agreement)}</h2><p class="sentence">{_e(report.promise())}</p>'
        f'{wrong}<div class="figures">{figures}</div>{also}</section>'
    )


def _pools(by_pool: Mapping[str, int]) -> str:
    return " + ".join(f"{count} {pool}" for pool, count in by_pool.items())


def _ladder(report: Report) -> str:
    menu, words = report.menu, report.words
    head = "".join(f"<th>{_e(words.target.format(share=_target(target)))}</th>" for target in menu.targets)
    rows = []
    for step in menu.steps:
        name, thresholds = report.step(step)
        cells = "".join(_cell(report, menu.at(step.name, target)) for target in menu.targets)
        lines = "<br>".join(_e(text) for text in thresholds.split(", "))
        rows.append(f"<tr><th><b>{_e(name)}</b><span>{lines}</span></th>{cells}</tr>")
    return f"<table><thead><tr><th>{_e(words.step)}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cell(report: Report, offer: Offer) -> str:
    marks, lines, words = report.marks(offer), report.cell(offer), report.words
    if offer.fleet is None:
        look = "none agreed" if AGREED in marks else "none"
        return f'<td class="{look}">{"<br>".join(map(_e, lines))}</td>'
    tags = [f"{mark} {name}" for mark, name in ((AGREED, words.agreed_mark), (KNEE, words.knee_mark)) if mark in marks]
    top = f"<i>{_e(' '.join(tags))}</i>" if tags else ""
    look = "agreed" if AGREED in marks else ""
    dagger = f"{CAPPED} " if CAPPED in marks else ""
    month, replicas, *rest = lines
    return (
        f'<td class="{look}">{top}<b>{dagger}{_e(month)}</b><span>{_e(replicas)}</span>'
        f"<span>{_e(' · '.join(rest))}</span></td>"
    )


def _neighbours(report: Report) -> str:
    rows = "".join(
        f"<dt>{_e(name)}</dt><dd>{f'<em>{_e(promise)}:</em> ' if promise else ''}{_e(cost)}</dd>"
        for name, promise, cost in report.neighbours()
    )
    return f"<dl>{rows}</dl>"


def _signatures(report: Report) -> str:
    words = report.words
    lines = "".join(f"<span>{_e(name)}</span>" for name in (words.name, words.signature, words.date))
    blocks = "".join(f"<b>{_e(who)}</b>{lines}" for who in (words.business, words.engineering))
    return (
        f'<section class="sign"><h2>{_e(words.signatures)}</h2><p>{_e(words.choice)}</p>'
        f'<div class="parties">{blocks}</div></section>'
    )


def _list(texts: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_e(text)}</li>' for text in texts)}</ul>"


def _target(target: Decimal) -> str:
    return percent_text(float(target))


def _e(words: str) -> str:
    return html.escape(words, quote=True)
