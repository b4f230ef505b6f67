"""A run of a back-test over time: rate, requests that wait, replicas, and attainment, one band each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tenbin_cli import backtest_svg

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tenbin_planner.backtest import timeline

    from tenbin_cli import backtest_baseline

WIDTH, HEIGHT = 1080, 382
_LEFT, _RIGHT = 74, 1062
_LINES = (0.5, 0.9, 0.99, 0.999)
"""Shares that get a line in the band of attainment."""
_ATTAINMENT_TOP, _ATTAINMENT_BOTTOM = 292.0, 356.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Band:
    """One figure over time."""

    label: str
    top: float
    height: float
    most: float
    """End of its scale, which begins at 0."""
    is_whole: bool = True
    """Only whole numbers get a line."""


def course(
    found: backtest_baseline.Course, target: float, *, most_replicas: float, most_rate: float, label: str
) -> str:
    """Draw a run over time in four bands: rate, requests that wait, replicas, and attainment.

    Args:
        found: the run.
        target: share of good requests to reach.
        most_replicas: end of the scale of replicas, the same for all runs beside each other.
        most_rate: that of the rate.
        label: of the picture, for who cannot see it.
    """
    fine = found.fine
    end_s = float(fine.at_s[-1] + fine.step_s)
    x = backtest_svg.linear(0.0, end_s, _LEFT, _RIGHT)
    places = [x(at) for at in fine.at_s.tolist()]
    waiting = _sum(fine.waiting)
    replicas, rate = _replicas(fine.replicas), _sum(fine.rate)
    parts = [
        *_band(
            _Band(label="rate (requests/s)", top=22, height=54, most=most_rate, is_whole=False), places, {"rate": rate}
        ),
        *_band(
            _Band(label="backlog (requests)", top=104, height=42, most=float(waiting.max(initial=0))),
            places,
            {"wait": waiting},
        ),
        *_band(_Band(label="replicas", top=174, height=90, most=most_replicas), places, replicas),
        *_attainment(found.coarse, target, x, end_s),
    ]
    for at, words in backtest_svg.time_ticks(end_s):
        parts.append(backtest_svg.line(x(at), _ATTAINMENT_BOTTOM, x(at), _ATTAINMENT_BOTTOM + 5, css="axis"))
        parts.append(backtest_svg.text(x(at), 375, words, anchor="middle", css="tick"))
    return backtest_svg.picture(WIDTH, HEIGHT, label, parts)


def most_rate(courses: Sequence[backtest_baseline.Course]) -> float:
    """Return the highest rate of some runs, requests per second."""
    return max((float(_sum(found.fine.rate).max(initial=0)) for found in courses), default=1.0)


def most_replicas(courses: Sequence[backtest_baseline.Course]) -> float:
    """Return the most replicas of any state that some runs had at once."""
    stacked = (_sum(_replicas(found.fine.replicas)) for found in courses)
    return max((float(np.max(values)) for values in stacked), default=1.0)


def _replicas(by_workload: Mapping[str, Mapping[str, NDArray[np.int64]]]) -> dict[str, NDArray[np.float64]]:
    states = by_workload.values()
    return {
        "ready": _sum_of([each["ready"] for each in states]),
        "leaving": _sum_of([each[name] for each in states for name in ("draining", "terminating")]),
        "starting": _sum_of([each["starting"] for each in states]),
    }


def _band(band: _Band, places: Sequence[float], layers: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Draw layers on top of each other."""
    most, bottom = max(band.most, 1e-9), band.top + band.height
    y = backtest_svg.linear(0.0, most, bottom, band.top)
    parts = []
    for tick in backtest_svg.ticks(0.0, most, max(int(band.height / 22), 2)) if band.most > 0 else [0.0]:
        if tick == int(tick) or not band.is_whole:
            parts.append(backtest_svg.line(_LEFT, y(tick), _RIGHT, y(tick), css="grid" if tick else "axis"))
            parts.append(backtest_svg.text(_LEFT - 9, y(tick) + 4, f"{tick:,g}", anchor="end", css="tick"))
    total = np.zeros(len(places))
    floor: list[tuple[float, float]] = [(_LEFT, bottom), (_RIGHT, bottom)]
    for css, values in layers.items():
        total = total + values
        stair = backtest_svg.steps(places, [y(value) for value in total.tolist()], _RIGHT)
        if float(values.max(initial=0)) > 0:
            parts.append(backtest_svg.area(stair, floor, css=f"area {css}"))
        floor = stair
    parts.append(backtest_svg.text(_LEFT + 2, band.top - 7, band.label, css="band"))
    return parts


def _attainment(coarse: timeline.Timeline, target: float, x: backtest_svg.Scale, end_s: float) -> list[str]:
    came = _sum({name: rate * coarse.step_s for name, rate in coarse.rate.items()})
    good = _sum({name: _good(coarse, name) for name in coarse.rate})
    top, bottom = _ATTAINMENT_TOP, _ATTAINMENT_BOTTOM
    y = backtest_svg.nines(_LINES[0], bottom, top)
    parts = [backtest_svg.line(_LEFT, bottom, _RIGHT, bottom, css="axis")]
    for share in _LINES:
        parts.append(backtest_svg.line(_LEFT, y(share), _RIGHT, y(share), css="grid"))
        parts.append(backtest_svg.text(_LEFT - 9, y(share) + 4, f"{100 * share:g} %", anchor="end", css="tick"))
    for at_s, requests, kept in zip(coarse.at_s.tolist(), came.tolist(), good.tolist(), strict=True):
        if requests:
            share, until_s = kept / requests, min(at_s + coarse.step_s, end_s)
            css = "share met" if share >= target - 1e-12 else "share missed"
            # A bar of no height would not be seen.
            tall = max(bottom - y(share), 3.0)
            width = x(until_s) - x(at_s)
            # A gap between bars, where these are wide enough for one.
            width -= 1 if width > 8 else 0
            parts.append(
                f'<rect x="{x(at_s):.1f}" y="{bottom - tall:.1f}" width="{width:.2f}" height="{tall:.1f}" '
                f'class="{css}"/>'
            )
    parts.append(backtest_svg.line(_LEFT, y(target), _RIGHT, y(target), css="target"))
    parts.append(backtest_svg.text(_LEFT + 2, top - 7, f"attainment by {coarse.step_s / 60:g} min", css="band"))
    return parts


def _good(coarse: timeline.Timeline, service: str) -> NDArray[np.float64]:
    return np.nan_to_num(coarse.attainment[service]) * coarse.rate[service] * coarse.step_s


def _sum(by_name: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    return _sum_of(list(by_name.values()))


def _sum_of(values: Sequence[NDArray[np.generic]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.sum([np.asarray(each, dtype=np.float64) for each in values], axis=0)
    return found
