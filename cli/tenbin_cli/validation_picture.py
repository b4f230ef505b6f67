"""Measured and predicted times of recorded runs as distributions, a row of three panels for each run."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tenbin_local.environment import files
from tenbin_planner.profiling import validation

from tenbin_cli import simulation_report

# Paul Tol's bright scheme: told apart by colour-blind readers, and in grey.
MEASURED, MODEL, GRID = "#222222", "#EE6677", "#DDDDDD"
METRICS = (("ttft", "TTFT"), ("tpot", "TPOT"), ("e2e", "E2E"))
STYLE = {
    "svg.hashsalt": "tenbin",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
}


def write(path: pathlib.Path, profile: str, comparisons: Sequence[validation.Comparison]) -> None:
    """Draw into a file whose ending says the format; equal comparisons give equal bytes.

    Raises:
        OSError: when the file cannot be written.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 1.0 + 2.5 * len(comparisons)), layout="constrained")
        FigureCanvasAgg(figure)
        rows = figure.subfigures(len(comparisons), 1, squeeze=False)[:, 0]
        for row, found in zip(rows, comparisons, strict=True):
            _draw_run(row, found)
        handles, labels = rows[0].axes[0].get_legend_handles_labels()
        figure.suptitle(profile, x=0.01, ha="left", fontsize=12)
        figure.legend(handles, labels, loc="upper right", ncols=2, frameon=False)
        image = io.BytesIO()
        kind = path.suffix.removeprefix(".")
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(image, format=kind, dpi=150, metadata=metadata)
    files.write_atomically(path, image.getvalue())


def _draw_run(row: Any, found: validation.Comparison) -> None:
    row.suptitle(f"{found.name}, {found.requests:,} requests", x=0.01, ha="left", fontsize=11, fontweight="bold")
    panels = row.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, label) in zip(panels, METRICS, strict=True):
        measured = getattr(found.measured, f"{metric}_ms")
        predicted = getattr(found.predicted, f"{metric}_ms")
        _draw_times(axes, measured, predicted)
        errors = [figure for figure in found.figures if figure.metric == metric]
        text = "  ".join(f"p{figure.percentile} {simulation_report.error_text(figure.error, 0)}" for figure in errors)
        axes.set_title(text, fontsize=9, loc="left", color="#555555")
        axes.set_xlabel(f"{label}, ms")
    panels[0].set_ylabel("requests, %")
    panels[0].set_yticks([0, 25, 50, 75, 90, 100])


def _draw_times(axes: Any, measured: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xscale("log")
    for times, colour, width, label in ((measured, MEASURED, 2.2, "measured"), (predicted, MODEL, 1.6, "model")):
        known = np.sort(times[np.isfinite(times)])
        if known.size:
            share = 100 * np.arange(1, known.size + 1) / known.size
            axes.step(known, share, where="post", color=colour, linewidth=width, label=label)
    axes.set_ylim(0, 101)
    low, high = axes.get_xlim()
    # Over few decades the powers of ten alone would leave an axis with one number.
    steps = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
