"""The runs of which a suite consists, each on its own, and how each is made.

Constant fleets know no lead time and are tried once for each seed; where replicas are lost, for each lead time too.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tenbin_planner.backtest import fixed_fleets, fluid, running, scores, tuning
from tenbin_planner.backtest.policies import clairvoyant, rules, tenbin
from tenbin_planner.backtest.suite import conduct, records
from tenbin_planner.decide import recipe

if TYPE_CHECKING:
    from tenbin_planner.backtest.running import Run
    from tenbin_planner.backtest.scenario import Scenario
    from tenbin_planner.backtest.suite.cells import Cell

PLANNER, FIXED, CLAIRVOYANT = tenbin.Tenbin.name, "fixed", clairvoyant.Clairvoyant.name
EVERY_SEED = (PLANNER, FIXED, "trend", CLAIRVOYANT)
"""Policies that are run with every seed; the others with the first one."""
POLICIES = (*EVERY_SEED, *(name for name in rules.RULES if name not in EVERY_SEED))
PARTS = tuple(field.name for field in dataclasses.fields(recipe.Recipe))
"""Parts of the planner's recipe that can be left out."""
_SECONDS = {
    PLANNER: 17.0,
    FIXED: 2.0,
    "trend": 8.5,
    CLAIRVOYANT: 12.0,
    "hpa": 4.0,
    "keda": 6.0,
    "dynamo": 30.0,
    "latency-hpa": 5.0,
}
"""Seconds that 100,000 requests take, about."""
_AT_LEAST_S = 0.5

Told = Callable[[str, float], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One of them."""

    cell: Cell
    policy: str
    seed: int
    lead_s: int
    with_history: bool = False
    left_out: str | None = None
    """A part of the planner's recipe."""

    @property
    def key(self) -> str:
        """Name of the task, unlike any other's in a suite."""
        more = (*(["history"] if self.with_history else []), *([f"without {self.left_out}"] if self.left_out else []))
        return " ".join((self.policy, self.cell.name, f"{self.lead_s} s", f"seed {self.seed}", *more))

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return _AT_LEAST_S + _SECONDS[self.policy] * self.cell.expected_requests / 100_000

    def digest(self, sources: str) -> str:
        """Return what its record depends on, given that of the sources."""
        return f"{sources[:16]}-{self.cell.digest()}"


def of(
    cells: Sequence[Cell],
    leads_s: Sequence[int],
    *,
    seeds: int,
    policies: Sequence[str],
    ablated: Sequence[str] = (),
) -> list[Task]:
    """Return all tasks of a suite, those that take longest first.

    Args:
        cells: its cells.
        leads_s: lead times, in seconds.
        seeds: how many, from 0 on.
        policies: names of policies.
        ablated: names of cells in which parts of the recipe are left out, with the first seed and the middle lead time.
    """
    found: dict[str, Task] = {}
    for cell in cells:
        for seed in range(seeds):
            for lead_s in leads_s:
                for policy in policies:
                    if policy not in EVERY_SEED and seed:
                        continue
                    at_s = leads_s[0] if policy == FIXED and not cell.loses_replicas else lead_s
                    task = Task(cell=cell, policy=policy, seed=seed, lead_s=at_s)
                    found[task.key] = task
                    if policy == PLANNER and cell.has_history:
                        known = dataclasses.replace(task, with_history=True)
                        found[known.key] = known
        if cell.name in ablated and PLANNER in policies:
            middle = leads_s[len(leads_s) // 2]
            for part in PARTS:
                task = Task(cell=cell, policy=PLANNER, seed=0, lead_s=middle, left_out=part)
                found[task.key] = task
    return sorted(found.values(), key=lambda task: -task.seconds)


def carry_out(task: Task, told: Told, *, folder: pathlib.Path | None = None) -> records.Record:
    """Carry a task out, and return its record; one that fails says so in it, and does not stop the others.

    Args:
        task: which.
        told: hears how far it is.
        folder: where recorded traces lie.
    """
    began = time.perf_counter()
    try:
        found = _explored(task, told, folder) if task.policy == FIXED else _ran(task, told, folder)
    except Exception as error:  # noqa: BLE001 - a suite of an hour does not end with one of its runs
        found = {"error": f"{type(error).__name__}: {error}"}
    return {"key": task.key, "wall_s": round(time.perf_counter() - began, 3), **found}


def _explored(task: Task, told: Told, folder: pathlib.Path | None) -> records.Record:
    given = task.cell.scenario(task.seed, lead_s=task.lead_s, folder=folder)
    fleets = {}
    for service in sorted(given.document.services):
        found = fixed_fleets.explore(
            given, service, seed=task.seed, progress=lambda tried: told(f" · {tried} fleets", min(tried / 16, 1.0))
        )
        fleets[service] = records.plain_fleets(found)
    return {
        "fleets": fleets,
        "fluid_usd": sum(fluid.usd(given, service) for service in sorted(given.document.services)),
        "requests": {service: len(trace) for service, trace in given.traces.items()},
        "sha256": {service: trace.digest() for service, trace in given.traces.items()},
        "targets": {service: given.target(service) for service in sorted(given.document.services)},
    }


def _ran(task: Task, told: Told, folder: pathlib.Path | None) -> records.Record:
    told("", 0.0)
    cold = task.cell.scenario(task.seed, lead_s=task.lead_s, with_history=task.with_history, folder=folder)
    given = fixed_fleets.warm(cold, seed=task.seed)
    run, setting = _run(task, given, told)
    return {
        "score": records.plain_score(scores.score(run)),
        "setting": setting,
        "hasty_starts_s": conduct.hasty_starts(run),
        "spans": None if task.cell.trouble is None else conduct.spans(run, task.cell.trouble),
        "reasons": conduct.reasons(run),
    }


def _run(task: Task, given: Scenario, told: Told) -> tuple[Run, dict[str, dict[str, float]] | None]:
    if task.policy == PLANNER:
        used = recipe.FULL if task.left_out is None else dataclasses.replace(recipe.FULL, **{task.left_out: False})
        policy = tenbin.Tenbin(given.interval_s, used)
        return running.run(given, policy, seed=task.seed, progress=lambda at, end: told("", at / end)), None
    if task.policy == CLAIRVOYANT:
        return clairvoyant.tuned(given, seed=task.seed).run, None
    tuned = tuning.tune(given, rules.RULES[task.policy], seed=task.seed)
    choices = {name: {"amount": item.amount, "variant": item.variant} for name, item in tuned.choices.items()}
    return tuned.run, choices
