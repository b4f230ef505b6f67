"""A trend rule: what a careful team builds for itself from a metrics system.

Rule: wanted = ceil((level + slope * lead time + one standard deviation) / (utilisation * capacity)), where a straight
line through recent rates gives level (now), slope and the deviation of the rates from it, and capacity is what one
replica serves at best at the lengths of late. Told is the highest wanted of the last lead time, so a replica is given
up only when a lead time agrees. The lead time is the declared one. The utilisation is tuned in hindsight, as is how far
back the line looks, in lead times. Source: the rule against which the back-test's suite is measured; predictive scaling
by a line is what Kubernetes users do by hand with PromQL's predict_linear.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import fluid, searching

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.profiles import EngineProfile

    from tenbin_planner.backtest import scenario, world

BIN_S = 10
"""Seconds over which a rate is counted."""
SHORTEST_S, LONGEST_S = 60.0, 3600.0
"""Bounds of how far back the line looks."""
LENGTHS_S = 600.0
"""Over which the lengths of late are taken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Parameters of a service."""

    utilisation: float
    """Share of a replica's capacity that is planned for, above 0."""
    reach: float = 1.0
    """How far back the line looks, in lead times."""

    def window_s(self, lead_s: float) -> float:
        """Return how far back the line looks, in seconds."""
        return min(max(self.reach * lead_s, SHORTEST_S), LONGEST_S)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line through recent rates, in requests per second."""

    level: float
    """At its end."""
    slope: float
    """Per second."""
    deviation: float
    """Standard deviation of the rates from the line."""

    def ahead(self, seconds: float) -> float:
        """Return what is planned for: the line some seconds ahead, and one standard deviation."""
        return max(self.level + self.slope * seconds + self.deviation, 0.0)


def line(counts: NDArray[np.int64]) -> Line | None:
    """Fit a line to the requests of each second, oldest first, by least squares over bins of ten seconds.

    Returns:
        None without a whole bin; with fewer than three a level alone, with the deviation of a Poisson count.
    """
    bins = counts.size // BIN_S
    if not bins:
        return None
    rates = counts[counts.size - bins * BIN_S :].reshape(bins, BIN_S).mean(axis=1)
    if bins < 3:
        level = float(rates.mean())
        return Line(level=level, slope=0.0, deviation=math.sqrt(level / BIN_S))
    middles = (np.arange(bins) - bins + 0.5) * BIN_S
    away = middles - middles.mean()
    slope = float((away * rates).sum() / (away**2).sum())
    level = float(rates.mean() - slope * middles.mean())
    residuals = rates - level - slope * middles
    return Line(level=level, slope=slope, deviation=math.sqrt(float((residuals**2).sum()) / (bins - 2)))


def wanted(seen: Line, *, lead_s: float, capacity_rps: float, setting: Setting) -> int | None:
    """Return the recommendation; None when a number is none."""
    amount = seen.ahead(lead_s) / (setting.utilisation * capacity_rps) if capacity_rps > 0 else math.nan
    return math.ceil(amount - 1e-9) if math.isfinite(amount) else None


def held(wants: Sequence[tuple[float, int]], *, at: float, lead_s: float) -> int:
    """Return the highest recommendation of the last lead time, given with their instants; the last of them counts."""
    return max(count for instant, count in wants if instant >= at - lead_s or instant == wants[-1][0])


def capacity_rps(
    profile: EngineProfile, *, input_tokens: float, output_tokens: float, tpot_ms: float = math.inf
) -> float | None:
    """Return what one replica serves at best at these mean lengths; None when a length is no number above 0."""
    if not (0 < input_tokens < math.inf and 0 < output_tokens < math.inf):
        return None
    one = fluid.work(
        profile, input_tokens=np.array([input_tokens]), output_tokens=np.array([output_tokens]), tpot_ms=tpot_ms
    )
    return 1 / one.total()


class Trend:
    """The rule in the back-tester."""

    name = "trend"
    interval_s = 15.0
    search = searching.Search(lean=2.0, generous=0.1, variants=(1.0, 3.0))

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        """Take a setting for each service."""
        self._settings = settings
        self._wants: dict[str, tuple[tuple[float, int], ...]] = {}

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> Trend:
        """Build it from points of its search; the variant is how far back the line looks."""
        return cls({name: Setting(utilisation=item.amount, reach=item.variant) for name, item in choices.items()})

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the scenario begins with."""
        return given.start

    def tick(self, world: world.World) -> None:
        """Look once."""
        for service, setting in sorted(self._settings.items()):
            workload = world.scenario.workloads(service)[0]
            lead_s = float(world.document.pools[workload.pool].lead_time_s)
            seen = line(world.arrivals_by_second(service, int(setting.window_s(lead_s))))
            if seen is None or workload.profile is None:
                continue
            replica_rps = _capacity_of_late(world, service, workload.profile)
            count = wanted(seen, lead_s=lead_s, capacity_rps=replica_rps or math.nan, setting=setting)
            if count is None:
                continue
            past = tuple(item for item in self._wants.get(service, ()) if item[0] >= world.now_s - lead_s)
            self._wants[service] = (*past, (world.now_s, count))
            world.scale_service(service, held(self._wants[service], at=world.now_s, lead_s=lead_s))


def _capacity_of_late(world: world.World, service: str, profile: EngineProfile) -> float | None:
    """Return what a replica serves at the lengths of late, or at the declared ones while nothing has finished."""
    finished = world.finished(service, LENGTHS_S)
    declared = world.document.services[service].workload
    knows = finished.output_tokens.size > 0
    limits = [item.tpot_ms for item in world.scenario.objectives(service).values() if item.tpot_ms is not None]
    return capacity_rps(
        profile,
        input_tokens=float(finished.input_tokens.mean()) if knows else declared.input_tokens.mean,
        output_tokens=float(finished.output_tokens.mean()) if knows else declared.output_tokens.mean,
        tpot_ms=float(min(limits, default=math.inf)),
    )
