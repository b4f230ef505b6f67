"""What constant fleets, and nobody else, make of some traffic."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tenbin_planner.backtest import fixed_fleets, fluid, hull, running, timeline
from tenbin_planner.backtest.policies import fixed

if TYPE_CHECKING:
    from tenbin_planner.backtest import jobs, scenario

POINTS = 360
"""Steps of a timeline, about; a step is a whole number of `STEPS_S`."""
STEPS_S = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
ATTAINMENT_S = 300.0
"""Attainment over time is shown by so many seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """A run over time."""

    fine: timeline.Timeline
    coarse: timeline.Timeline
    """Its attainment is the one to show."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Constant fleets and the fluid bound."""

    fleets: Mapping[str, fixed_fleets.Fleets]
    """By service; empty when constant fleets were not asked for."""
    fluid_usd: float
    course: Course | None = None
    """Of the fleet to beat, where there is one service and it was asked for."""

    @property
    def hulls(self) -> dict[str, hull.Hull]:
        """Hulls by service."""
        return {name: found.hull for name, found in self.fleets.items()}

    @property
    def smallest(self) -> dict[str, int | None]:
        """Replicas of the smallest fleet that reaches the target, by service; None where none does."""
        return {name: found.smallest for name, found in self.fleets.items()}


def to_beat(fleets: fixed_fleets.Fleets) -> int:
    """Return the replicas of the smallest fleet that reaches the target, or of the one that comes nearest."""
    return fleets.smallest or max(fleets.scores, key=lambda count: fleets.scores[count].attainment)


def begin(given: scenario.Scenario, told: jobs.Told) -> scenario.Scenario:
    """Return a scenario with the replicas that are ready at its beginning: what it says, or a warm start."""
    told("", 0.0)
    return given if given.initial is not None else fixed_fleets.warm(given)


def explore(given: scenario.Scenario, seed: int, told: jobs.Told, *, is_fixed: bool, courses: bool) -> Baseline:
    """Try constant fleets."""

    def tell(service: str, tried: int) -> None:
        told(f"{service} · {tried} fleets", min(tried / (2 * fixed_fleets.NEAR + 4), 1.0))

    services = sorted(given.document.services)
    fleets = {
        name: fixed_fleets.explore(
            given,
            name,
            seed=seed,
            progress=lambda tried, name=name: tell("" if len(services) == 1 else name, tried),  # type: ignore[misc]
        )
        for name in services
        if is_fixed
    }
    shown = None
    if courses and len(fleets) == 1:
        ((service, found),) = fleets.items()
        shown = running.run(given, fixed.Fixed({service: to_beat(found)}), seed=seed)
    return Baseline(
        fleets=fleets,
        fluid_usd=sum(fluid.usd(given, name) for name in services),
        course=None if shown is None else course(shown),
    )


def course(found: running.Run) -> Course:
    """Return a run over time, in steps that a picture can show."""
    end_s = found.scenario.end_s
    step_s = next((step for step in STEPS_S if end_s / step <= POINTS), STEPS_S[-1])
    return Course(
        fine=timeline.of(found, step_s=step_s), coarse=timeline.of(found, step_s=max(step_s, attainment_step_s(end_s)))
    )


def attainment_step_s(end_s: float) -> float:
    """Return over how many seconds attainment is shown: five minutes, or one where that would be a few points."""
    return ATTAINMENT_S if end_s >= 6 * ATTAINMENT_S else 60.0
