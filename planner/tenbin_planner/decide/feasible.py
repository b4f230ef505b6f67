"""What the replicas that there are to be had keep, where they cannot keep the objective: the nearest one they would."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.decide.lookahead import Search

LEAST_REQUESTS = 50
"""Fewer say nothing about a share of 99 %."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nearest:
    """A class's objective, and what would be kept in its place over the horizon."""

    class_name: str
    objective: Objective
    share: float
    """Of requests that are expected to keep the thresholds."""
    thresholds: Mapping[str, float]
    """Each threshold that the target share would keep, in ms, by `ttft_ms`, `tpot_ms`, `e2e_ms`; infinite for none."""

    @property
    def is_kept(self) -> bool:
        """Whether the objective itself is expected to be kept."""
        return self.share >= float(self.objective.target)

    def __str__(self) -> str:
        """Say it in words."""
        wider = [
            f"{name} {value:,.0f}" if np.isfinite(value) else f"no {name}" for name, value in self.thresholds.items()
        ]
        instead = f", or {float(self.objective.target):.4g} within {' and '.join(wider)}" if wider else ""
        return f"{self.class_name} {self.share:.3f} of requests within the thresholds{instead}"


def nearest(search: Search, count: int, objectives: Mapping[str, Objective]) -> tuple[Nearest, ...]:
    """Return what so many replicas keep, for each class with enough requests ahead, in the order of names."""
    played = search.results(count)
    found = []
    for name, objective in sorted(objectives.items()):
        good, weights = [], []
        times: dict[str, list[NDArray[np.float64]]] = {
            key: [] for key in ("ttft_ms", "tpot_ms", "e2e_ms") if getattr(objective, key) is not None
        }
        for item in played:
            result = item.result
            if name not in result.arrivals.classes:
                continue
            rows = np.flatnonzero(result.arrivals.class_index == result.arrivals.classes.index(name))
            rows = rows[rows >= item.present]
            good.append(result.good(objectives)[rows])
            weights.append(item.weight * item.stands_for[rows])
            ended = result.outcome[rows] == Outcome.FINISHED
            for key, values in times.items():
                own = getattr(result, key)[rows]
                own = np.where(np.isnan(own) & ended, 0.0, own)
                values.append(np.where(ended, own, np.inf))
        if not good or sum(item.size for item in good) < LEAST_REQUESTS:
            continue
        weight_of = np.concatenate(weights)
        found.append(
            Nearest(
                class_name=name,
                objective=objective,
                share=float(np.average(np.concatenate(good), weights=weight_of)),
                thresholds={
                    key: limit
                    for key, values in times.items()
                    if (limit := _quantile(np.concatenate(values), weight_of, float(objective.target)))
                    > getattr(objective, key)
                },
            )
        )
    return tuple(found)


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(reached, share * reached[-1])), values.size - 1)])
