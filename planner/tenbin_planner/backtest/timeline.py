"""A run over time, for pictures and tables: demand, replicas, money and attainment at even steps."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tenbin_planner.backtest.bill import Charge
    from tenbin_planner.backtest.replicas import Replica
    from tenbin_planner.backtest.running import Run

STATES = ("starting", "ready", "draining", "terminating")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Arrays of shape (steps,), those of a service or workload by its name."""

    at_s: NDArray[np.float64]
    """Beginning of each step, seconds."""
    step_s: float
    rate: Mapping[str, NDArray[np.float64]]
    """Requests per second that came in the step, by service."""
    attainment: Mapping[str, NDArray[np.float64]]
    """Share of these that were good, by service; NaN where none came."""
    in_flight: Mapping[str, NDArray[np.int64]]
    """Requests that had come and not ended at its beginning, by service."""
    waiting: Mapping[str, NDArray[np.int64]]
    """Of these, those that waited in engines at the last tick before, by service."""
    replicas: Mapping[str, Mapping[str, NDArray[np.int64]]]
    """Replicas at its beginning, by workload and one of `STATES`; lost ones, and those without a node, are in none."""
    hourly_usd: NDArray[np.float64]
    """What all that is paid for costs per hour at its beginning."""


def of(run: Run, *, step_s: float = 60.0) -> Timeline:
    """Return a run at even steps.

    Raises:
        ValueError: for a step that is not above 0.
    """
    if not 0 < step_s < math.inf:
        raise ValueError(f"step_s is {step_s}; allowed is a finite number above 0")
    at_s = np.arange(math.ceil(run.scenario.end_s / step_s), dtype=np.float64) * step_s
    rate, attainment, in_flight = {}, {}, {}
    for name, result in run.results.items():
        arrival_s = result.arrivals.arrival_s
        step = np.minimum((arrival_s // step_s).astype(np.int64), at_s.size - 1)
        came = np.bincount(step, minlength=at_s.size)
        good = np.bincount(step, weights=result.good(run.scenario.objectives(name)), minlength=at_s.size)
        ended_s = np.sort(arrival_s + np.nan_to_num(result.e2e_ms) / 1000)
        rate[name] = came / step_s
        attainment[name] = np.divide(good, came, out=np.full(at_s.size, np.nan), where=came > 0)
        in_flight[name] = np.searchsorted(arrival_s, at_s) - np.searchsorted(ended_s, at_s)
    names = [item.name for item in run.scenario.document.workloads]
    return Timeline(
        at_s=at_s,
        step_s=step_s,
        rate=rate,
        attainment=attainment,
        in_flight=in_flight,
        waiting={name: _last_before(samples, at_s) for name, samples in run.waiting.items()},
        replicas={name: _counts([item for item in run.replicas if item.workload.name == name], at_s) for name in names},
        hourly_usd=_hourly_usd(run.charges, at_s),
    )


def _last_before(samples: Sequence[tuple[float, int]], at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    instants, values = np.array([at for at, _ in samples]), np.array([value for _, value in samples], dtype=np.int64)
    found: NDArray[np.int64] = values[np.maximum(np.searchsorted(instants, at_s, side="right") - 1, 0)]
    return found


def _counts(replicas: Sequence[Replica], at_s: NDArray[np.float64]) -> dict[str, NDArray[np.int64]]:
    found = {state: np.zeros(at_s.size + 1, dtype=np.int64) for state in STATES}
    for item in replicas:
        end_s = min(item.removed_s, item.lost_s, item.gone_s)
        serves_s = min(item.ready_s, end_s)
        drains_s = min(max(item.marked_s, item.ready_s), end_s)
        spans = ((item.node_s, serves_s), (serves_s, drains_s), (drains_s, end_s), (item.removed_s, item.gone_s))
        for state, (begin_s, until_s) in zip(STATES, spans, strict=True):
            if begin_s < until_s and item.node_s < math.inf:
                _span(found[state], at_s, begin_s, until_s, 1)
    return {state: np.cumsum(steps)[:-1] for state, steps in found.items()}


def _hourly_usd(charges: Sequence[Charge], at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.zeros(at_s.size + 1)
    for item in charges:
        if item.from_s < item.until_s:
            _span(steps, at_s, item.from_s, item.until_s, float(item.hourly_usd))
    return np.cumsum(steps)[:-1]


def _span(steps: NDArray[np.generic], at_s: NDArray[np.float64], begin_s: float, until_s: float, amount: float) -> None:
    first, last = np.searchsorted(at_s, [begin_s, until_s])
    steps[first] += amount
    steps[last] -= amount
