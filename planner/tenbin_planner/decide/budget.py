"""The error budget and its pace: what a missed request is worth now.

    price of a miss = max(cost of a request / (BUDGETS * error budget),
                          rent of a replica / (usual requests * REPLICA_BUDGETS * error budget))
                      * exp(GAIN * debt / (error budget * requests of PACE))

The first factor is what serving a request costs over `BUDGETS` error budgets, at 99 % about nine requests: the part of
a fleet that is seldom needed then earns its rent by what it saves, whatever the fleet's size. A fleet of few weighs
whole replicas, so there one replica's rent counts. The second factor makes a miss dearer while more was missed than the
budget allows, and cheaper while less was: the price at which the least money holds the target is not known beforehand,
so it is found by feedback (dual ascent on the Lagrangian of cost under a share of good requests).

The debt is counted in requests, beside a part of the budget so that chance leaves the target kept, and fades with
`FADING_S`: what was saved long ago may not be spent now, since the window's rest is not known.

    part = TIGHT - lead time / RESERVE_S

A burst misses until replicas asked for serve, whatever a miss is worth by then. The longer a start takes, the more of
the budget such bursts use, and the less is left to be spent on purpose.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tenbin_planner.decide.plain import finite

if TYPE_CHECKING:
    from tenbin_spec.objectives import Objective

    from tenbin_planner.demand import ClassObservation

BUDGETS = 11.0
REPLICA_BUDGETS = 2.5
"""In a fleet of few, one replica earns its rent by saving so many error budgets of the usual demand."""
PACE_S = 3 * 3600.0
GAIN = 3.0
TIGHT, LEAST_TIGHT = 0.79, 0.45
RESERVE_S = 1440.0
FADING_S = 86_400.0
CHEAPEST, DEAREST = 0.25, 3.0
"""Bounds of the second factor."""
DECLARED_S = 3600.0
"""The declared rate counts like so many seconds of observation."""
MOST = 1e11
"""Requests of a record; counts beyond are not believed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassBudget:
    """What is remembered of a class."""

    good: int = 0
    total: int = 0
    """The record's counts when it was last looked at; it begins anew when the planner does."""
    debt: float = 0.0
    """Requests that missed beyond what the budget allows, faded."""
    missed: float = 0.0
    counted: float = 0.0
    """Requests that missed, and all that count, faded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetMemory:
    """What is remembered of a service's budget."""

    at: float = 0.0
    seconds: float = 0.0
    """Time looked at, faded."""
    classes: Mapping[str, ClassBudget] = dataclasses.field(default_factory=dict)

    def of(self, name: str) -> ClassBudget:
        """Return what is remembered of a class."""
        return self.classes.get(name, ClassBudget())

    def to_plain(self) -> dict[str, Any]:
        """Write as plain data for JSON."""
        return {
            "at": self.at,
            "seconds": self.seconds,
            "classes": {name: dataclasses.asdict(item) for name, item in sorted(self.classes.items())},
        }


def from_plain(plain: Mapping[str, Any]) -> BudgetMemory:
    """Read what `BudgetMemory.to_plain` wrote.

    Raises:
        ValueError: for a number that is none.
        KeyError: for a field that is missing.
    """
    return BudgetMemory(
        at=finite(plain["at"]),
        seconds=finite(plain["seconds"]),
        classes={
            str(name): ClassBudget(
                good=int(finite(item["good"])),
                total=int(finite(item["total"])),
                debt=finite(item["debt"]),
                missed=finite(item["missed"]),
                counted=finite(item["counted"]),
            )
            for name, item in plain["classes"].items()
        },
    )


def learn(
    memory: BudgetMemory,
    seen: Iterable[ClassObservation],
    objectives: Mapping[str, Objective],
    best: Mapping[str, float],
    *,
    at: float,
    lead_s: float,
) -> BudgetMemory:
    """Take note of what was answered since the last time.

    Args:
        memory: of the time before.
        seen: classes of the service; those without an objective are left out.
        objectives: by class.
        best: share of good requests that an almost empty replica reaches, by class; 1 where missing. What is missed
            even there is no debt that replicas could pay.
        at: now, in seconds.
        lead_s: until a start serves, in seconds.
    """
    passed_s = min(max(0.0, at - memory.at), FADING_S) if memory.at else 0.0
    fade = math.exp(-passed_s / FADING_S)
    classes = {name: _faded(item, fade) for name, item in memory.classes.items() if name in objectives}
    for item in seen:
        good, total = item.cumulative.good, item.cumulative.total
        if item.class_name not in objectives or not 0 <= good <= total <= MOST:
            continue
        before = classes.get(item.class_name, ClassBudget())
        begun_anew = total < before.total or good < before.good
        more = total if begun_anew else total - before.total
        missed = more - (good if begun_anew else good - before.good)
        allowed = part(lead_s) * float(objectives[item.class_name].error_budget) + 1.0 - best.get(item.class_name, 1.0)
        classes[item.class_name] = ClassBudget(
            good=good,
            total=total,
            debt=before.debt + max(0, missed) - allowed * more,
            missed=before.missed + max(0, missed),
            counted=before.counted + more,
        )
    seconds = memory.seconds * fade + passed_s
    return BudgetMemory(at=at, seconds=seconds, classes=dict(sorted(classes.items())))


def part(lead_s: float) -> float:
    """Return the part of the error budget that is spent on purpose, for a lead time in seconds."""
    return max(LEAST_TIGHT, TIGHT - lead_s / RESERVE_S)


def usual_rps(memory: BudgetMemory, declared_rps: float) -> float:
    """Return the requests per second that a service usually has: the declared ones, and what was seen."""
    counted = sum(item.counted for item in memory.classes.values())
    return max((declared_rps * DECLARED_S + counted) / (DECLARED_S + memory.seconds), 1e-6)


def pace(memory: BudgetMemory, name: str, objective: Objective, rps: float) -> float:
    """Return by how much a miss of a class is dearer than usual; 1 when as much was missed as the budget allows.

    Args:
        memory: of the budget.
        name: of the class.
        objective: of the class.
        rps: requests per second that are usual.
    """
    scale = float(objective.error_budget) * rps * PACE_S
    exponent = GAIN * memory.of(name).debt / max(scale, 1.0)
    return min(max(math.exp(min(max(exponent, -50.0), 50.0)), CHEAPEST), DEAREST)


def miss_usd(
    memory: BudgetMemory,
    objectives: Mapping[str, Objective],
    *,
    rent_usd_per_s: float,
    replica_rps: float,
    declared_rps: float,
    is_paced: bool = True,
) -> dict[str, float]:
    """Return the price of a missed request by class, in dollars.

    Args:
        memory: of the budget.
        objectives: by class.
        rent_usd_per_s: of one replica of the cheapest pool.
        replica_rps: requests per second that it serves within the objectives.
        declared_rps: requests per second that were declared.
        is_paced: whether debt counts.
    """
    rps = usual_rps(memory, declared_rps)
    return {
        name: rent_usd_per_s
        / float(objective.error_budget)
        * max(1 / (max(replica_rps, 1e-9) * BUDGETS), 1 / (rps * REPLICA_BUDGETS))
        * (pace(memory, name, objective, rps) if is_paced else 1.0)
        for name, objective in objectives.items()
    }


def _faded(item: ClassBudget, fade: float) -> ClassBudget:
    return dataclasses.replace(item, debt=item.debt * fade, missed=item.missed * fade, counted=item.counted * fade)
