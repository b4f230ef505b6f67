"""Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) on the requests in each replica.

Rule: wanted = ceil(ready replicas * mean over them of (running + waiting) / target), unless the ratio is within 10 %
of 1, each 15 s; then stabilization and rate limits of `behavior`, by default 300 s down, and up by the larger of 4 pods
and 100 % in 15 s. Source: kubernetes/kubernetes, pkg/controller/podautoscaler/{replica_calculator,horizontal}.go, and
the defaults of pkg/apis/autoscaling/v2/defaults.go.

`settle` is the second half by itself, since KEDA and llm-d's recipes act through the same controller.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.backtest import searching
from tenbin_planner.decide import observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_planner.backtest import scenario, world

TOLERANCE = 0.1
"""Deviation of the ratio from 1 that moves nothing (`--horizontal-pod-autoscaler-tolerance`)."""
SYNC_S = 15.0
"""Between two looks (`--horizontal-pod-autoscaler-sync-period`)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """How far a count may go within a period: by pods, by per cent, or by the larger of the two."""

    period_s: float
    pods: int | None = None
    percent: float | None = None

    def highest(self, start: int) -> int:
        """Return the most replicas that may follow `start` within the period."""
        added = [] if self.pods is None else [start + self.pods]
        grown = [] if self.percent is None else [_ceil(start * (1 + self.percent / 100))]
        return max([*added, *grown])

    def lowest(self, start: int) -> int:
        """Return the fewest replicas that may follow `start` within the period."""
        removed = [] if self.pods is None else [start - self.pods]
        shrunk = [] if self.percent is None else [math.floor(start * (1 - self.percent / 100))]
        return min([*removed, *shrunk])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Behavior:
    """Field `behavior` of an autoscaler."""

    up: Limit = Limit(period_s=15.0, pods=4, percent=100.0)
    up_window_s: float = 0.0
    """The lowest recommendation of this long counts for growing."""
    down: Limit = Limit(period_s=15.0, percent=100.0)
    down_window_s: float = 300.0
    """The highest recommendation of this long counts for shrinking."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Memory:
    """What an autoscaler keeps between looks."""

    recommendations: tuple[tuple[float, int], ...] = ()
    """Instant in seconds, and replicas before stabilization; the first is the count at the first look."""
    changes: tuple[tuple[float, int], ...] = ()
    """Instant in seconds, and replicas added, negative when removed."""


def wanted_by_pods(
    readings: Sequence[float | None], *, unready: int, current: int, target: float, tolerance: float = TOLERANCE
) -> int | None:
    """Return the recommendation from a metric of each pod (`calcPlainMetricReplicas`).

    Args:
        readings: of the pods that serve; one that gave no finite number is missing, and counts as at the target when
            the others call for fewer, as idle when they call for more.
        unready: pods that do not serve yet; they count as idle when the others call for more.
        current: replicas that the workload is told to run.
        target: of the mean.
        tolerance: deviation of the ratio from 1 that moves nothing.

    Returns:
        None when no pod gave a number, or no pod is wanted: the count stays.
    """
    known = [reading for reading in readings if reading is not None and math.isfinite(reading)]
    missing = len(readings) - len(known)
    if not known or current <= 0:
        return None
    ratio = sum(known) / len(known) / target
    fills_unready = unready > 0 and ratio > 1
    if not missing and not fills_unready:
        return current if _is_near(ratio, tolerance) else _ceil(ratio * len(known))
    filled = [*known, *[target if ratio < 1 else 0.0] * missing, *[0.0] * (unready if fills_unready else 0)]
    again = sum(filled) / len(filled) / target
    if _is_near(again, tolerance) or (ratio < 1 < again) or (ratio > 1 > again):
        return current
    found = _ceil(again * len(filled))
    return current if (again < 1 and found > current) or (again > 1 and found < current) else found


def wanted_by_total(total: float, *, current: int, target: float, tolerance: float = TOLERANCE) -> int | None:
    """Return the recommendation from an external metric with an AverageValue (`GetExternalPerPodMetricReplicas`).

    ceil(total / target), unless total / (target * current) is within the tolerance of 1; None without a number.
    """
    if not math.isfinite(total) or current <= 0:
        return None
    ratio = total / (target * current)
    return current if _is_near(ratio, tolerance) else _ceil(total / target)


def settle(
    wanted: int, *, current: int, least: int, most: int, at: float, behavior: Behavior, memory: Memory
) -> tuple[int, Memory]:
    """Stabilize a recommendation and limit its rate.

    Args:
        wanted: the recommendation.
        current: replicas that the workload is told to run.
        least: `minReplicas`.
        most: `maxReplicas`.
        at: now, in seconds.
        behavior: windows and limits.
        memory: of the looks before.

    Returns:
        Replicas to tell, and the memory for the next look.
    """
    known = memory.recommendations or ((at, current),)
    rising = [count for instant, count in known if instant > at - behavior.up_window_s]
    falling = [count for instant, count in known if instant > at - behavior.down_window_s]
    stable = min(max(current, min([wanted, *rising])), max([wanted, *falling]))
    told = min(max(_limited(stable, current, at, behavior, memory), least), most)
    window = max(behavior.up_window_s, behavior.down_window_s)
    period = max(behavior.up.period_s, behavior.down.period_s)
    changes = memory.changes if told == current else (*memory.changes, (at, told - current))
    return told, Memory(
        recommendations=(*(item for item in known if item[0] > at - window), (at, wanted)),
        changes=tuple(item for item in changes if item[0] > at - period),
    )


def _limited(stable: int, current: int, at: float, behavior: Behavior, memory: Memory) -> int:
    limit = behavior.up if stable > current else behavior.down
    start = current - sum(change for instant, change in memory.changes if instant > at - limit.period_s)
    if stable > current:
        return min(stable, max(limit.highest(start), current))
    if stable < current:
        return max(stable, min(limit.lowest(start), current))
    return current


def _is_near(ratio: float, tolerance: float) -> bool:
    return abs(ratio - 1) <= tolerance + 1e-9


def _ceil(amount: float) -> int:
    """Round up; a product that misses a whole number by rounding only is that number."""
    return math.ceil(amount - 1e-9)


def told(world: world.World, service: str) -> int:
    """Return the replicas that the cluster is told to run for a service."""
    return sum(world.told(workload.name) for workload in world.scenario.workloads(service))


def slots(given: scenario.Scenario, service: str) -> int:
    """Return the requests that one replica runs at once (`--max-num-seqs`)."""
    profile = given.workloads(service)[0].profile
    return 1 if profile is None else profile.limits.max_num_seqs


def bounds(given: scenario.Scenario, service: str) -> tuple[int, int]:
    """Return `minReplicas`, which an autoscaler of pods needs above 0, and `maxReplicas`."""
    most = given.most(service)
    return min(max(given.document.services[service].replicas.min, 1), most), most


def carry_out(
    world: world.World, service: str, wanted: int, *, behavior: Behavior, memories: dict[str, Memory]
) -> None:
    """Scale a service to what is left of a recommendation once it is settled.

    Args:
        world: the world to act on.
        service: name.
        wanted: the recommendation.
        behavior: windows and limits.
        memories: of the looks before by service; that of this look takes its place.
    """
    least, most = bounds(world.scenario, service)
    count, memories[service] = settle(
        wanted,
        current=told(world, service),
        least=least,
        most=most,
        at=world.now_s,
        behavior=behavior,
        memory=memories.get(service, Memory()),
    )
    world.scale_service(service, count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """What somebody sets up for a service."""

    share: float
    """Target of the mean of running + waiting requests of a replica, as a share of what it runs at once."""


class Hpa:
    """The rule in the back-tester."""

    name = "hpa"
    interval_s = SYNC_S
    search = searching.Search(lean=1.5, generous=0.03)

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        """Take a setting for each service."""
        self._settings = settings
        self._memories: dict[str, Memory] = {}

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> Hpa:
        """Build it from points of its search."""
        return cls({service: Setting(share=choice.amount) for service, choice in choices.items()})

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the scenario begins with."""
        return given.start

    def tick(self, world: world.World) -> None:
        """Look once."""
        for service, setting in sorted(self._settings.items()):
            engines = world.engines(service)
            current = told(world, service)
            wanted = wanted_by_pods(
                (engines.running + engines.waiting).tolist(),
                unready=world.count(service, observation.Phase.STARTING),
                current=current,
                target=setting.share * slots(world.scenario, service),
            )
            if wanted is None:
                continue
            carry_out(world, service, wanted, behavior=Behavior(), memories=self._memories)
