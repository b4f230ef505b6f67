"""Attainment over dollars: every run of a back-test, the hull of constant fleets, and the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from tenbin_cli import backtest_report, backtest_svg, simulation_report

if TYPE_CHECKING:
    from tenbin_planner.backtest import hull

    from tenbin_cli import backtest_runs

WIDTH, HEIGHT = 1080, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 850, 16, 378
"""Borders of the field between the axes."""
_HULL_POINTS = 400
_BELOW = 0.04
"""The scale reaches so far below the target at least."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Field:
    """What is between the axes."""

    x: backtest_svg.Scale
    y: backtest_svg.Scale
    low: float
    """US dollars at the left border."""
    high: float
    least: float
    """Share at the bottom."""

    def holds(self, share: float, usd: float) -> bool:
        return share >= self.least and self.low <= usd <= self.high


def frontier(
    made: Sequence[backtest_runs.Made],
    hulls: Mapping[str, hull.Hull],
    target: float,
    lines: Sequence[backtest_report.Line],
) -> str:
    """Draw attainment over dollars.

    Args:
        made: runs of one trace and lead time.
        hulls: of constant fleets, by service; empty without these.
        target: share of good requests to reach.
        lines: policies in the order of the legend.
    """
    own = [item for item in made if item.policy != "fixed"]
    fleets = [item for item in made if item.policy == "fixed"] if len(hulls) < 2 else []
    field = _field(own, fleets, target)
    parts = _axes(field)
    drawn = [(field.x(usd), field.y(share)) for share, usd in _curve(hulls) if field.holds(share, usd)]
    if drawn:
        parts.append(backtest_svg.polyline(drawn, css="hull"))
    parts.append(backtest_svg.line(_LEFT, field.y(target), _RIGHT, field.y(target), css="target"))
    parts.append(
        backtest_svg.text(
            _RIGHT - 4, field.y(target) + 15, f"target {100 * target:g} %", anchor="end", css="target-text"
        )
    )
    for item in (*fleets, *sorted(own, key=lambda item: item.policy == "tenbin")):
        share, usd = item.score.attainment, float(item.score.usd)
        if field.holds(share, usd):
            parts.append(backtest_svg.mark(item.policy, field.x(usd), field.y(share), _told(item)))
            if item.replicas is not None:
                words = str(item.replicas)
                parts.append(backtest_svg.text(field.x(usd) + 8, field.y(share) + 13, words, css="count"))
    parts += _legend(lines, has_hull=bool(drawn))
    return backtest_svg.picture(WIDTH, HEIGHT, "attainment over US dollars", parts)


def _field(own: Sequence[backtest_runs.Made], fleets: Sequence[backtest_runs.Made], target: float) -> _Field:
    """Return scales that hold all policies, and of constant fleets those up to the first that reaches the target."""
    reaching = [float(item.score.usd) for item in fleets if item.score.attainment >= target]
    paid = [float(item.score.usd) for item in own] or [float(item.score.usd) for item in fleets]
    dearest = max([*paid, *([min(reaching)] if reaching else [])])
    margin = 0.12 * max(dearest - min(paid), dearest / 4, 0.01)
    low, high = max(min(paid) - margin, 0.0), dearest + margin
    lowest = min([*(item.score.attainment for item in own), target - _BELOW])
    least = max([tick for tick in backtest_svg.NINES if tick <= lowest], default=0.0)
    return _Field(
        x=backtest_svg.linear(low, high, _LEFT, _RIGHT),
        y=backtest_svg.nines(least, _BOTTOM, _TOP),
        low=low,
        high=high,
        least=least,
    )


def _axes(field: _Field) -> list[str]:
    parts = []
    for share in (*backtest_svg.NINES, 1.0):
        if share >= field.least:
            parts.append(backtest_svg.line(_LEFT, field.y(share), _RIGHT, field.y(share), css="grid"))
            words = f"{100 * share:g} %"
            parts.append(backtest_svg.text(_LEFT - 9, field.y(share) + 4, words, anchor="end", css="tick"))
    for usd in backtest_svg.ticks(field.low, field.high, 7):
        parts.append(backtest_svg.line(field.x(usd), _BOTTOM, field.x(usd), _BOTTOM + 5, css="axis"))
        parts.append(backtest_svg.text(field.x(usd), _BOTTOM + 20, f"{usd:,g}", anchor="middle", css="tick"))
    parts.append(backtest_svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, css="axis"))
    middle = (_LEFT + _RIGHT) / 2
    parts.append(backtest_svg.text(middle, HEIGHT - 10, "US dollars for the whole trace", anchor="middle", css="label"))
    return parts


def _legend(lines: Sequence[backtest_report.Line], *, has_hull: bool) -> list[str]:
    x, y, apart = _RIGHT + 26, _TOP + 8, 26
    parts = []
    for index, line in enumerate(lines):
        at = y + apart * index
        if line.policy == "fixed" and has_hull:
            parts.append(backtest_svg.line(x - 9, at, x + 9, at, css="hull"))
        parts.append(backtest_svg.mark(line.policy, x, at, line.label))
        css = "legend strong" if line.policy == "tenbin" else "legend"
        parts.append(backtest_svg.text(x + 15, at + 4.5, line.label, css=css))
        words = f"{backtest_report.usd_text(line.usd)} USD"
        parts.append(backtest_svg.text(WIDTH - 18, at + 4.5, words, anchor="end", css="legend"))
    return parts


def _curve(hulls: Mapping[str, hull.Hull]) -> list[tuple[float, float]]:
    """Return share and dollars of constant fleets, by rising share; of several services at the same share each."""
    if not hulls:
        return []
    most = min(found.corners[-1].attainment for found in hulls.values())
    corners = {corner.attainment for found in hulls.values() for corner in found.corners if corner.attainment <= most}
    shares = sorted({*corners, *(most * (1 - miss) for miss in np.geomspace(1e-4, 1, _HULL_POINTS).tolist())})
    found = []
    for share in shares:
        usd = [each.usd_at(share) for each in hulls.values()]
        found.append((share, float(sum((amount for amount in usd if amount is not None), Decimal(0)))))
    return found


def _told(item: backtest_runs.Made) -> str:
    what = f"{item.replicas} constant replicas" if item.policy == "fixed" else f"{item.policy}, seed {item.seed}"
    share = simulation_report.share_text(item.score.attainment)
    return f"{what}: {share}, {backtest_report.usd_text(float(item.score.usd))} USD"
