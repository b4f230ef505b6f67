"""Scales, axes and marks of the pictures in a back-test's page, as inline SVG: sharp in print, and legible offline."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence

Scale = Callable[[float], float]
"""Takes a value to a place in the picture."""

COLOURS = {
    "tenbin": "#0b5fd0",
    "clairvoyant": "#1b1f24",
    "fixed": "#8a919b",
    "trend": "#b7791f",
    "hpa": "#d6336c",
    "keda": "#2b8a3e",
    "dynamo": "#7048a8",
    "latency-hpa": "#0c8599",
}
"""By policy; told apart by its mark as well."""
_MARKS = {
    "tenbin": "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0 -14 0z",
    "clairvoyant": "M0-8L2 -2.6L8 -2.5L3.2 1L5 7L0 3.4L-5 7L-3.2 1L-8 -2.5L-2 -2.6z",
    "fixed": "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    "trend": "M0-6.5L6.2 4.6L-6.2 4.6z",
    "hpa": "M-5-5H5V5H-5z",
    "keda": "M0 6.5L6.2 -4.6L-6.2 -4.6z",
    "dynamo": "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2z",
    "latency-hpa": "M0-7L6.7 -2.2L4.1 5.7L-4.1 5.7L-6.7 -2.2z",
}
NINES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Shares that get a line on a scale of nines, besides 1."""
LEAST_MISS = 2e-4
"""Shares of misses below this are drawn as none: the top of a scale of nines."""


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return a scale from values to places; what is outside goes on."""
    width = (high - low) or 1.0
    return lambda value: start + (value - low) / width * (end - start)


def nines(least: float, start: float, end: float) -> Scale:
    """Return a scale of shares on which 90 %, 99 % and 99.9 % are as far from each other.

    Args:
        least: share at the start; what is below is drawn there.
        start: its place.
        end: place of 1.
    """
    low, high = -math.log10(max(1 - least, LEAST_MISS)), -math.log10(LEAST_MISS)
    place = linear(low, high, start, end)
    return lambda share: place(min(max(-math.log10(max(1 - share, LEAST_MISS)), low), high))


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers from `low` to `high`, about so many.

    >>> ticks(0, 9.3, 5)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = (high - low) / max(about, 1) or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.99)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def time_ticks(end_s: float) -> list[tuple[float, str]]:
    """Return instants in seconds with their labels, as hours and minutes from the beginning."""
    step = next((step for step in (60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600) if end_s / step <= 12), 86_400)
    return [(at, f"{at // 3600:02d}:{at % 3600 // 60:02d}") for at in range(0, int(end_s) + 1, step)]


def text(x: float, y: float, words: str, *, anchor: str = "start", css: str = "") -> str:
    """Return words at a place."""
    kind = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{html.escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, css: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def polyline(points: Iterable[tuple[float, float]], *, css: str) -> str:
    """Return a line through points."""
    return f'<path d="{_path(points)}" class="{css}"/>'


def steps(places: Sequence[float], values: Sequence[float], end: float) -> list[tuple[float, float]]:
    """Return the corners of a stair whose value holds until the next place; equal neighbours are one."""
    found: list[tuple[float, float]] = []
    for place, value in zip(places, values, strict=True):
        if found and found[-1][1] == value:
            continue
        if found:
            found.append((place, found[-1][1]))
        found.append((place, value))
    if found:
        found.append((end, found[-1][1]))
    return found


def area(points: Sequence[tuple[float, float]], floor: Sequence[tuple[float, float]], *, css: str) -> str:
    """Return what lies between a stair and the one below it."""
    if not points:
        return ""
    return f'<path d="{_path([*points, *reversed(floor)])}z" class="{css}"/>'


def mark(policy: str, x: float, y: float, told: str) -> str:
    """Return a policy's mark, with words that a pointer over it shows."""
    look = f'fill="{COLOURS[policy]}" stroke="#ffffff" stroke-width="1.2"'
    place = f"translate({x:.1f} {y:.1f})"
    return f'<path d="{_MARKS[policy]}" transform="{place}" {look}><title>{html.escape(told)}</title></path>'


def picture(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    """Return a picture that scales with the page."""
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(label, quote=True)}">{"".join(parts)}</svg>'
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
