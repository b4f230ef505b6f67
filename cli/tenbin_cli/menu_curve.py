"""The bill over the steps of a menu as inline SVG: sharp in print, legible without colour."""

from __future__ import annotations

import html
from collections.abc import Iterable

from tenbin_planner.menu.ladder import StepName

from tenbin_cli.menu_report import KNEE, Report

WIDTH, HEIGHT = 330, 138
LEFT, RIGHT, TOP, BOTTOM = 30, 300, 24, 98
"""Edges of the plot in the picture."""


def curve(report: Report) -> str:
    """Return the picture: USD per month at the agreed target, the fastest step at the left, steps by log latency."""
    column = report.menu.column(report.menu.objective.target)
    first, last = column[0].step.log_latency, column[-1].step.log_latency
    known = [float(offer.monthly_usd) for offer in column if offer.monthly_usd is not None]
    top = max(known, default=1.0) or 1.0
    label = html.escape(report.words.curve, quote=True)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">']
    parts.append(f'<path class="axis" d="M{LEFT - 14} {BOTTOM}H{RIGHT + 14}"/>')
    points: list[tuple[float, float]] = []
    marks: list[str] = []
    for offer in column:
        x = LEFT + (RIGHT - LEFT) * _part(offer.step.log_latency - first, last - first)
        marks.append(_text(x, BOTTOM + 15, report.words.steps[offer.step.name], "tick"))
        if offer.monthly_usd is None:
            marks.append(f'<path class="none" d="M{x - 4:.1f} {TOP + 2}l8 8m0-8l-8 8"/>')
            continue
        y = BOTTOM - (BOTTOM - TOP) * float(offer.monthly_usd) / top
        points.append((x, y))
        agreed, bends = offer.step.name is StepName.AGREED, offer.step.name is report.menu.knee
        marks += _marks(x, y, f"{offer.monthly_usd:,.0f}", agreed=agreed, bends=bends)
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
    if len(points) > 1:
        parts.append(f'<path class="area" d="{line}V{BOTTOM}H{points[0][0]:.1f}z"/>')
        parts.append(f'<path class="line" d="{line}"/>')
    parts += marks
    parts.append(_text((LEFT + RIGHT) / 2, HEIGHT - 5, report.words.curve_axis, "tick"))
    return "".join([*parts, "</svg>"])


def _marks(x: float, y: float, amount: str, *, agreed: bool, bends: bool) -> Iterable[str]:
    if bends:
        yield f'<path class="knee" d="M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z"/>'
    yield f'<circle class="{"own" if agreed else "point"}" cx="{x:.1f}" cy="{y:.1f}" r="{4.5 if agreed else 3.2}"/>'
    yield _text(x, y - 11, f"{KNEE} {amount}" if bends else amount, "strong" if agreed else "amount")


def _part(distance: float, whole: float) -> float:
    return distance / whole if whole else 0.5


def _text(x: float, y: float, words: str, look: str) -> str:
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{html.escape(words)}</text>'
