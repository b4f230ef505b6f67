"""llm-d's recipe for an SLO: the 90th percentile of latencies over its threshold, through a HorizontalPodAutoscaler.

With n replicas asked for, c = ready / n, and s the mean over 45 s of min(2, max(P90 TTFT / S_ttft, P90 TPOT / S_tpot))
over the last minute:

    up     n + ceil(n * (s * c / up - 1))      where s * c > up = 0.55
    down   n - floor(n * (1 - s / down))       where s < down = 0.40

then Kubernetes' autoscaler: up by the larger of 100 % and 4 pods in 60 s after a window of 30 s, down by 1 pod in 120 s
after a window of 180 s. Source: llm-d/llm-d, guides/workload-autoscaling/slo-aware/README.md and
docs/architecture/advanced/autoscaling/slo-aware-keda.md. It knows one pair of thresholds; with several classes the
tightest of each count. A service with an end-to-end threshold alone gets the P90 of that, which the recipe lacks.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import searching
from tenbin_planner.backtest.policies import hpa
from tenbin_planner.decide import observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from tenbin_spec.objectives import Objective

    from tenbin_planner.backtest import scenario, world

QUANTILE = 0.9
WINDOW_S = 60.0
"""Over which the histograms' rates are taken."""
MEAN_S = 45.0
"""Over which the signal is averaged."""
CLAMP = 2.0
UP, DOWN = 0.55, 0.40
"""The recipe's own marks."""
BEHAVIOR = hpa.Behavior(
    up=hpa.Limit(period_s=60.0, pods=4, percent=100.0),
    up_window_s=30.0,
    down=hpa.Limit(period_s=120.0, pods=1),
    down_window_s=180.0,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Marks of the signal for a service."""

    up: float = UP
    down: float = DOWN


def signal(ratios: Iterable[float]) -> float | None:
    """Return the largest ratio of a latency to its threshold, at most 2; None when none is a number."""
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    return min(max(known), CLAMP) if known else None


def mean(signals: Iterable[tuple[float, float]], *, at: float) -> float | None:
    """Return the mean of the signals of the last 45 s, given with their instants; None when there is none."""
    recent = [value for instant, value in signals if instant > at - MEAN_S]
    return sum(recent) / len(recent) if recent else None


def wanted(level: float | None, *, provisioned: int, ready: int, setting: Setting) -> int | None:
    """Return the recommendation.

    Args:
        level: mean of the signal, s.
        provisioned: replicas that the cluster is told to run, n.
        ready: replicas that serve.
        setting: marks.

    Returns:
        None without a signal or without replicas: the count stays.
    """
    if level is None or not math.isfinite(level) or provisioned <= 0:
        return None
    credited = level * min(ready / provisioned, 1.0)
    if credited > setting.up:
        return provisioned + math.ceil(provisioned * (credited / setting.up - 1) - 1e-9)
    if level < setting.down:
        return provisioned - math.floor(provisioned * (1 - level / setting.down) + 1e-9)
    return provisioned


class LatencyHpa:
    """The rule in the back-tester."""

    name = "latency-hpa"
    interval_s = hpa.SYNC_S
    search = searching.Search(lean=2.0, generous=0.05)

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        """Take a setting for each service."""
        self._settings = settings
        self._signals: dict[str, tuple[tuple[float, float], ...]] = {}
        self._memories: dict[str, hpa.Memory] = {}

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> LatencyHpa:
        """Build it from points of its search: the amount is the upper mark, the lower keeps its ratio to it."""
        return cls({name: Setting(up=item.amount, down=item.amount * DOWN / UP) for name, item in choices.items()})

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the scenario begins with."""
        return given.start

    def tick(self, world: world.World) -> None:
        """Look once."""
        for service, setting in sorted(self._settings.items()):
            seen = [item for item in self._signals.get(service, ()) if item[0] > world.now_s - MEAN_S]
            found = signal(_ratios(world, service))
            if found is not None:
                seen.append((world.now_s, found))
            self._signals[service] = tuple(seen)
            current = hpa.told(world, service)
            ready = world.count(service, observation.Phase.READY)
            count = wanted(mean(seen, at=world.now_s), provisioned=current, ready=ready, setting=setting)
            count = None if count is None else hpa.wanted_by_total(count, current=current, target=1.0)
            if count is None:
                continue
            hpa.carry_out(world, service, count, behavior=BEHAVIOR, memories=self._memories)


def _ratios(world: world.World, service: str) -> list[float]:
    """Return P90 over threshold of each latency that has one, NaN where no answer tells."""
    finished = world.finished(service, WINDOW_S)
    thresholds = tightest(world.scenario.objectives(service).values())
    times = {
        "ttft_ms": world.first_tokens_ms(service, WINDOW_S),
        "tpot_ms": finished.tpot_ms,
        "e2e_ms": finished.e2e_ms,
    }
    if len(thresholds) > 1:
        thresholds.pop("e2e_ms", None)
    return [percentile(times[name]) / threshold for name, threshold in thresholds.items()]


def tightest(objectives: Iterable[Objective]) -> dict[str, float]:
    """Return the lowest threshold of each latency in milliseconds; a latency that no class bounds is absent."""
    found: dict[str, float] = {}
    for objective in objectives:
        for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
            threshold = getattr(objective, name)
            if threshold is not None:
                found[name] = min(float(threshold), found.get(name, math.inf))
    return found


def percentile(times: NDArray[np.float64]) -> float:
    """Return the 90th percentile of the times that are numbers, NaN when there is none."""
    known = times[np.isfinite(times)]
    return float(np.quantile(known, QUANTILE)) if known.size else math.nan
