"""KEDA on queue length and concurrency, through a HorizontalPodAutoscaler.

Rule: for each trigger ceil(sum over the replicas / threshold), the larger of the two, each metric read every 30 s
(`pollingInterval`), then Kubernetes' autoscaler with its 10 % tolerance and its defaults each 15 s. Triggers are
`vllm:num_requests_waiting` and running + waiting, as in llm-d's queue recipe (queue 1, running 16). Source:
kedacore/keda, pkg/scalers/prometheus_scaler.go with metricType AverageValue; llm-d/llm-d, guides/workload-autoscaling.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.backtest import searching
from tenbin_planner.backtest.policies import hpa

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest import scenario, world

POLLING_S = 30.0
"""A metric is read anew after so long (`pollingInterval` with `useCachedMetrics`)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Thresholds of the triggers for a service."""

    share: float
    """Running and waiting requests for each replica, as a share of what it runs at once."""
    queue: float
    """Waiting requests for each replica."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What the triggers last read, summed over the replicas."""

    at: float
    """Instant in seconds."""
    running: float
    waiting: float


def wanted(reading: Reading, *, current: int, concurrency: float, queue: float) -> int | None:
    """Return the larger recommendation of the two triggers; one without a number is left out.

    Args:
        reading: of the metrics.
        current: replicas that the cluster is told to run.
        concurrency: threshold of running and waiting requests for each replica.
        queue: threshold of waiting requests for each replica.

    Returns:
        None when neither has a number. An autoscaler with a trigger that failed does not shrink; then the result is not
        below `current`.
    """
    totals = ((reading.running + reading.waiting, concurrency), (reading.waiting, queue))
    found = [hpa.wanted_by_total(total, current=current, target=threshold) for total, threshold in totals]
    known = [count for count in found if count is not None]
    if not known:
        return None
    return max(known) if len(known) == len(found) else max(*known, current)


def is_due(reading: Reading | None, *, at: float) -> bool:
    """Tell whether the metrics are to be read anew."""
    return reading is None or not 0 <= at - reading.at < POLLING_S


class Keda:
    """The rule in the back-tester."""

    name = "keda"
    interval_s = hpa.SYNC_S
    search = searching.Search(lean=1.5, generous=0.03, variants=(1.0, 8.0))

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        """Take a setting for each service."""
        self._settings = settings
        self._readings: dict[str, Reading] = {}
        self._memories: dict[str, hpa.Memory] = {}

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> Keda:
        """Build it from points of its search; the variant is the threshold of the queue."""
        return cls({name: Setting(share=item.amount, queue=item.variant) for name, item in choices.items()})

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the scenario begins with."""
        return given.start

    def tick(self, world: world.World) -> None:
        """Look once."""
        for service, setting in sorted(self._settings.items()):
            reading = self._read(world, service)
            current = hpa.told(world, service)
            count = wanted(
                reading,
                current=current,
                concurrency=setting.share * hpa.slots(world.scenario, service),
                queue=setting.queue,
            )
            if count is None:
                continue
            hpa.carry_out(world, service, count, behavior=hpa.Behavior(), memories=self._memories)

    def _read(self, world: world.World, service: str) -> Reading:
        last = self._readings.get(service)
        if last is None or is_due(last, at=world.now_s):
            engines = world.engines(service)
            last = Reading(at=world.now_s, running=float(engines.running.sum()), waiting=float(engines.waiting.sum()))
            self._readings[service] = last
        return last
