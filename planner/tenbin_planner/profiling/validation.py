"""Predicted beside measured: a recorded run of traffic through the engine model, request by request.

The requests of the run are sent to one simulated replica at the same instants; what the model says of each is compared
with what its client saw. Figures are taken over the requests that were finished in the measurement.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from tenbin_spec.objectives import Objective
from tenbin_spec.profiles import EngineProfile

from tenbin_planner.model import fleet
from tenbin_planner.profiling.records import MeasuredRun

PERCENTILES = (50, 90, 99)
TOLERANCES = {50: 0.10, 90: 0.15, 99: 0.20}
"""Largest relative error at each percentile that counts as inside."""
METRICS = ("ttft", "tpot", "e2e")
SMALLEST_FACTOR, LARGEST_FACTOR = 0.5, 2.0
HALVINGS = 12
"""Of the interval in which a factor is looked for; leaves 0.0003 of the factor."""
_ANY = Decimal("0.99")
DEFAULT_OBJECTIVES = tuple(
    Objective(target=_ANY, ttft_ms=ttft_ms, tpot_ms=tpot_ms)
    for ttft_ms, tpot_ms in ((500, 15), (1000, 25), (2000, 50), (5000, 200))
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Times:
    """Times of the requests that are compared, in milliseconds; all arrays have shape (compared,)."""

    ttft_ms: NDArray[np.float64]
    tpot_ms: NDArray[np.float64]
    """NaN for answers of one token."""
    e2e_ms: NDArray[np.float64]

    def percentile(self, metric: str, percentile: int) -> float:
        """Return a percentile of `ttft`, `tpot` or `e2e`; NaN when no request has a time."""
        times = getattr(self, f"{metric}_ms")
        known = times[~np.isnan(times)]
        return float(np.percentile(known, percentile)) if known.size else math.nan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """One percentile, measured and predicted."""

    metric: str
    percentile: int
    measured_ms: float
    predicted_ms: float

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.predicted_ms / self.measured_ms - 1 if self.measured_ms else math.nan

    @property
    def outside(self) -> bool:
        """Whether the error is larger than the tolerance at this percentile."""
        return not abs(self.error) <= TOLERANCES[self.percentile]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attained:
    """Share of all requests that were good; those not finished when the measurement ended were not."""

    objective: Objective
    measured: float
    predicted: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What a profile says to a run."""

    name: str
    requests: int
    compared: int
    figures: tuple[Figure, ...]
    attainments: tuple[Attained, ...]
    tpot_factor: float
    """Factor on all step times that makes the median TPOT exact; NaN when it is not between 0.5 and 2."""
    e2e_factor: float
    """The same for the median E2E."""
    extrapolated: bool
    """Whether a pass went beyond what the profile measured."""
    preemptions: int
    measured: Times
    predicted: Times


def compare(
    profile: EngineProfile,
    run: MeasuredRun,
    *,
    objectives: Sequence[Objective] = DEFAULT_OBJECTIVES,
    factor: float = 1.0,
) -> Comparison:
    """Compare what a profile predicts for a run with what was measured.

    Args:
        profile: of the server that was measured.
        run: requests and what their clients saw.
        objectives: whose thresholds the shares of good requests are taken at; their targets do not matter.
        factor: on all step times of the profile.
    """
    profile = scaled(profile, factor)
    result = replay(profile, run)
    kept = run.finished & (result.outcome == fleet.Outcome.FINISHED)
    measured = Times(ttft_ms=run.ttft_ms[kept], tpot_ms=run.tpot_ms[kept], e2e_ms=run.e2e_ms[kept])
    predicted = Times(ttft_ms=result.ttft_ms[kept], tpot_ms=result.tpot_ms[kept], e2e_ms=result.e2e_ms[kept])
    return Comparison(
        name=run.name,
        requests=len(run.sent_s),
        compared=int(kept.sum()),
        figures=tuple(
            Figure(
                metric=metric,
                percentile=percentile,
                measured_ms=measured.percentile(metric, percentile),
                predicted_ms=predicted.percentile(metric, percentile),
            )
            for metric in METRICS
            for percentile in PERCENTILES
        ),
        attainments=tuple(_attained(objective, run, result) for objective in objectives),
        tpot_factor=_exact(profile, run, kept, "tpot", measured.percentile("tpot", 50)),
        e2e_factor=_exact(profile, run, kept, "e2e", measured.percentile("e2e", 50)),
        extrapolated=result.extrapolated,
        preemptions=result.preemptions,
        measured=measured,
        predicted=predicted,
    )


def outside(comparisons: Iterable[Comparison]) -> tuple[int, int]:
    """Return how many figures are outside their tolerance, and how many there are."""
    figures = [figure for comparison in comparisons for figure in comparison.figures]
    return sum(figure.outside for figure in figures), len(figures)


def scaled(profile: EngineProfile, factor: float) -> EngineProfile:
    """Return the profile with all step times multiplied; the API process keeps its times."""
    if factor == 1:
        return profile
    return profile.model_copy(update={"forward": profile.forward.scaled(factor)})


def replay(profile: EngineProfile, run: MeasuredRun) -> fleet.FleetResult:
    """Send the requests of a run to one replica that serves them all."""
    return fleet.simulate(run.arrivals(), fleet.fixed(profile, 1))


def _attained(objective: Objective, run: MeasuredRun, result: fleet.FleetResult) -> Attained:
    measured = _within(objective, run.ttft_ms, run.tpot_ms, run.e2e_ms, run.output_tokens) & run.finished
    predicted = _within(objective, result.ttft_ms, result.tpot_ms, result.e2e_ms, run.output_tokens)
    if not run.finished.all():
        predicted &= run.sent_s + result.e2e_ms / 1000 <= np.nanmax(run.sent_s + run.e2e_ms / 1000)
    return Attained(objective=objective, measured=float(measured.mean()), predicted=float(predicted.mean()))


def _within(
    objective: Objective,
    ttft_ms: NDArray[np.float64],
    tpot_ms: NDArray[np.float64],
    e2e_ms: NDArray[np.float64],
    output_tokens: NDArray[np.int64],
) -> NDArray[np.bool_]:
    within = ~np.isnan(e2e_ms)
    for threshold, times in ((objective.ttft_ms, ttft_ms), (objective.e2e_ms, e2e_ms)):
        if threshold is not None:
            within &= times <= threshold
    if objective.tpot_ms is not None:
        within &= (tpot_ms <= objective.tpot_ms) | (output_tokens == 1)
    return within


def _exact(profile: EngineProfile, run: MeasuredRun, kept: NDArray[np.bool_], metric: str, wanted_ms: float) -> float:
    """Return the factor on all step times that makes a median exact, by halving an interval."""

    def excess(factor: float) -> float:
        result = replay(scaled(profile, factor), run)
        times = getattr(result, f"{metric}_ms")[kept]
        known = times[~np.isnan(times)]
        return float(np.median(known)) - wanted_ms if known.size else math.nan

    return _root(excess)


def _root(excess: Callable[[float], float]) -> float:
    low, high = SMALLEST_FACTOR, LARGEST_FACTOR
    if not excess(low) <= 0 <= excess(high):
        return math.nan
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    return math.sqrt(low * high)
