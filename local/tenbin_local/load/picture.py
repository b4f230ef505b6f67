"""The run over time as an SVG: what came, what served it, and what users got. Equal runs give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tenbin_local.load import fleet, summary

if TYPE_CHECKING:
    from pathlib import Path

    from tenbin_local.load.report import Report, Run

# Paul Tol's bright scheme: told apart by colour-blind readers, and in grey.
_CLASS_COLOURS = ("#228833", "#CCBB44", "#AA3377", "#BBBBBB")
_COLOURS = ("#4477AA", "#66CCEE", "#EE6677", "#AA3377", "#CCBB44", "#228833")
_DARK, _RED = "#333333", "#CC3311"
_STATES = (("ready", "", 0.9), ("starting", "////", 0.35), ("draining", "\\\\\\\\", 0.35))
"""Name, hatch and opacity of a replica's states."""
_MAX_CAPACITY_LINES = 8


def write(path: Path, run: Run, report: Report) -> None:
    """Draw a run into a file whose ending says the format, `.svg` or `.png`."""
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to load, and only reports need it
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from tenbin_local.environment.files import write_atomically  # noqa: PLC0415

    style = {
        "svg.hashsalt": "tenbin",
        "svg.fonttype": "none",
        "font.family": ["DejaVu Sans", "sans-serif"],
        "font.size": 9,
        "hatch.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(10, 8), layout="constrained")
        FigureCanvasAgg(figure)
        rate, replicas, attainment = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2.4))
        _title(figure, report)
        _draw_rate(rate, run)
        _draw_replicas(replicas, run)
        _draw_attainment(attainment, run)
        figure.align_ylabels()
        attainment.set_xlabel("seconds since the start")
        attainment.set_xlim(0, max(run.duration_s, 1.0))
        image = io.BytesIO()
        kind = path.suffix.removeprefix(".")
        figure.savefig(image, format=kind, metadata={"Date": None} if kind == "svg" else None)
    write_atomically(path, image.getvalue())


def _title(figure: Any, report: Report) -> None:
    colour = _DARK if report.exit_code == 0 else _RED
    figure.suptitle("\n".join(report.verdict), fontsize=10.5, x=0.01, ha="left", color=colour, linespacing=1.5)


def _draw_rate(axes: Any, run: Run) -> None:
    instants, observed = summary.observed_rate(run.records, end_s=min(run.shape.duration_s, run.duration_s))
    wanted_at = _knots(run)
    wanted = [run.rate * multiple for _, multiple in wanted_at]
    axes.fill_between(instants, observed, color=_COLOURS[0], alpha=0.25, linewidth=0)
    axes.plot(instants, observed, color=_COLOURS[0], linewidth=1.5, label="sent (10 s mean)")
    axes.plot([at_s for at_s, _ in wanted_at], wanted, color=_DARK, linewidth=1.2, linestyle="--", label="wanted")
    top = 1.12 * max(*wanted, *observed, 1e-9)
    if run.capacity_rps:
        _draw_capacity_lines(axes, run.capacity_rps, top, run.duration_s)
    axes.set_ylim(0, top)
    axes.set_ylabel("requests per second")
    _legend(axes, loc="upper left", ncols=2)


def _draw_capacity_lines(axes: Any, capacity_rps: float, top: float, end_s: float) -> None:
    """Draw what 1, 2, ... replicas can do within the objectives."""
    for replicas in range(1, _MAX_CAPACITY_LINES + 1):
        level = replicas * capacity_rps
        if level > top:
            return
        axes.axhline(level, color="#999999", linewidth=0.7, linestyle=":")
        label = "1 replica's capacity" if replicas == 1 else f"{replicas} replicas"
        axes.text(end_s, level, label, fontsize=7.5, color="#777777", ha="right", va="bottom")


def _knots(run: Run) -> list[tuple[float, float]]:
    points, at_s = [], 0.0
    for segment in run.shape.segments:
        points += [(at_s, segment.start), (at_s + segment.duration_s, segment.end)]
        at_s += segment.duration_s
    return points


def _draw_replicas(axes: Any, run: Run) -> None:
    axes.set_ylabel("replicas")
    if not run.samples:
        axes.text(0.5, 0.5, "the replicas could not be observed", transform=axes.transAxes, ha="center", color=_RED)
        return
    samples = _changes(run.samples)
    instants = [0.0, *(sample.at_s for sample in samples[1:]), run.duration_s]
    pools = list(samples[-1].pools)
    below = [0.0] * len(samples)
    for index, pool in enumerate(pools):
        for state, hatch, opacity in _STATES:
            counts = [float(getattr(sample.pools[pool], state)) if pool in sample.pools else 0.0 for sample in samples]
            if not any(counts):
                continue
            above = [low + count for low, count in zip(below, counts, strict=True)]
            label = pool if state == "ready" else f"{pool}, {state}"
            colour = _COLOURS[index % len(_COLOURS)]
            _draw_steps(axes, instants, below, above, colour=colour, hatch=hatch, opacity=opacity, label=label)
            below = above
    axes.set_ylim(0, max(below) * 1.25 + 0.2)
    axes.yaxis.get_major_locator().set_params(integer=True)
    _legend(axes, loc="upper left", ncols=3)


def _changes(samples: Sequence[fleet.FleetSample]) -> list[fleet.FleetSample]:
    """Leave out the samples that say what the one before them says."""
    return [sample for index, sample in enumerate(samples) if index == 0 or sample.pools != samples[index - 1].pools]


def _draw_steps(
    axes: Any,
    instants: Sequence[float],
    below: Sequence[float],
    above: Sequence[float],
    *,
    colour: str,
    hatch: str,
    opacity: float,
    label: str,
) -> None:
    axes.fill_between(
        instants,
        [*below, below[-1]],
        [*above, above[-1]],
        step="post",
        facecolor=(colour, opacity),
        edgecolor=colour,
        hatch=hatch or None,
        linewidth=0.0,
        label=label,
    )


def _draw_attainment(axes: Any, run: Run) -> None:
    slo = run.document.services[run.service].slo
    lowest = 1.0
    for index, name in enumerate(summary.class_order(slo)):
        target = float(slo.classes[name].target)
        instants, shares = summary.sliding_attainment(
            run.records, slo, request_class=name, end_s=min(run.shape.duration_s, run.duration_s)
        )
        known = [share for share in shares if share == share]  # noqa: PLR0124 - NaN is the one value that differs from itself
        if not known:
            continue
        lowest = min(lowest, *known, target)
        colour = _CLASS_COLOURS[index % len(_CLASS_COLOURS)]
        # The default class lies on top: it is what most users see.
        order = 3 - index * 0.01
        percent = [100 * share for share in shares]
        axes.plot(instants, percent, color=colour, linewidth=1.6, label=f"{name} (10 s)", zorder=order)
        axes.axhline(100 * target, color=colour, linewidth=1, linestyle="--", label=f"{name} target")
    bottom = 100 * lowest - max(3.0, 25 * (1 - lowest))
    axes.set_ylim(bottom, 100 + (100 - bottom) * 0.06)
    axes.set_yticks([tick for tick in axes.get_yticks() if max(bottom, 0) <= tick <= 100])
    axes.set_ylabel("good requests, %")
    _legend(axes, loc="lower left", ncols=4)


def _legend(axes: Any, *, loc: str, ncols: int) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=loc, ncols=ncols, frameon=False)
