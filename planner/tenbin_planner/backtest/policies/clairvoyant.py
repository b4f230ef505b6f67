"""A fleet that knows the trace: about the least that start-up times, drains and whole replicas leave to anybody.

Rule: a schedule of replicas by minute, followed with foresight of lead times and of the ends of answers. A replica is
asked for so that it is ready just before it is needed, and gets its first request then; of all that serve, that whose
answers end first is stopped, and only when it would be empty before its successor had to be asked for. The schedule is
that of the dynamic program of `backtest.schedules`, improved by trial in replays of the trace (`backtest.improving`)
until the target is just reached; where the world comes to more or fewer misses than the replays, it is improved towards
a target so much higher or lower.
Source: a Lagrangian relaxation of the least cost under a share of good requests, and a local search from there. It is a
policy that was found, no bound: a better schedule may exist, it decides once a minute, and interruptions come to it as
a surprise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.backtest import minutes, replays, running, schedules, searching, tuning
from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tenbin_planner.backtest import improving, scenario, world

TRIALS, MORE_TRIALS = 70, 8
"""Trials of changes to a schedule, at first and after each run in the world."""
ROUNDS = 5
"""Runs in the world, at most."""
NEAR = 0.0008
"""How far above its target a share of good requests is taken to have just reached it."""
LOOK_AHEAD = 8
"""Starts that are looked at together."""


class Clairvoyant:
    """The rule in the back-tester."""

    name = "clairvoyant"
    interval_s = 15.0

    def __init__(self, plans: Mapping[str, schedules.Schedule]) -> None:
        """Take a schedule for each service."""
        self._plans = plans
        self._counts: dict[str, NDArray[np.int64]] = {}

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the first minute needs."""
        for service, plan in sorted(self._plans.items()):
            found = schedules.by_workload(given, service, plan.counts)
            self._counts |= found
        first = {name: int(counts[0]) for name, counts in self._counts.items()}
        return {**given.start, **first}

    def tick(self, world: world.World) -> None:
        """Ask for what must begin to start, and once a minute let serve what is needed and stop what is not."""
        for name, counts in sorted(self._counts.items()):
            pool, told = world.scenario.workload(name).pool, world.told(name)
            leads_s = world.next_leads_s(pool, LOOK_AHEAD)
            asked = due(counts, told, from_s=world.now_s, leads_s=leads_s, interval_s=self.interval_s)
            if asked:
                world.scale(name, told + asked)
                for replica in world.replicas[-asked:]:
                    world.mark(replica.name)
            if world.now_s % minutes.STEP_S == 0:
                self._bring(world, name, counts)

    def _bring(self, world: world.World, name: str, counts: NDArray[np.int64]) -> None:
        """Bring those that serve to what the minute needs, as `replays` does."""
        workload, now_s, minute = world.scenario.workload(name), world.now_s, _minute(counts, world.now_s)
        present = [item for item in world.replicas if item.workload is workload and item.is_counted]
        serving = [item for item in present if item.phase(now_s) is Phase.READY]
        kept_back = [item for item in present if item.phase(now_s) is Phase.DRAINING]
        wanted = int(counts[minute])
        for replica in sorted(kept_back, key=lambda item: item.ready_s)[: max(wanted - len(serving), 0)]:
            world.unmark(replica.name)
        if len(serving) <= wanted or len(serving) < len(present):
            return
        lead_s = world.scenario.lead(workload.pool).median_s
        ends_s = replays.expected_ends_s(world.simulation(workload.service), [item.index for item in serving])
        by_end = sorted(zip(ends_s.tolist(), range(len(serving)), strict=True))
        for end_s, place in by_end[: len(serving) - wanted]:
            told = world.told(name)
            if replays.until_s(counts, minute, told) - lead_s <= end_s:
                break
            world.mark(serving[place].name)
            world.scale(name, told - 1)


def _minute(counts: NDArray[np.int64], at_s: float) -> int:
    return min(int(at_s // minutes.STEP_S), counts.size - 1)


def due(counts: NDArray[np.int64], told: int, *, from_s: float, leads_s: list[float], interval_s: float) -> int:
    """Return how many starts must be asked for now, since after an interval one of them would come too late.

    Args:
        counts: replicas that a schedule needs by minute, shape (minutes,); the last goes on.
        told: replicas that there are or will be.
        from_s: the present.
        leads_s: how long the next starts take, one after the other.
        interval_s: until the next decision.
    """
    first = _minute(counts, from_s)
    horizon_s = from_s + interval_s + max(leads_s)
    ahead = counts[first : max(math.ceil(horizon_s / minutes.STEP_S), first + 1)]
    needs_s: list[float] = []
    for place, count in enumerate(np.maximum.accumulate(ahead).tolist()):
        needs_s += [(first + place) * minutes.STEP_S] * (count - told - len(needs_s))
    leads = [*leads_s, *[leads_s[-1]] * max(len(needs_s) - len(leads_s), 0)]
    late = [k for k, need_s in enumerate(needs_s) if need_s < from_s + interval_s + leads[k]]
    return max(late, default=-1) + 1


def tuned(given: scenario.Scenario, *, seed: int = 0) -> tuning.Tuned:
    """Find the schedules that just reach the target in the world.

    Services without requests, or without a workload whose price and profile are known, keep what they begin with.
    """
    services = [name for name in sorted(given.document.services) if len(given.arrivals(name)) and given.workloads(name)]
    problems = {name: schedules.problem(given, name) for name in services}
    attempts = _Attempts(given, seed)
    wanted = {name: given.target(name) for name in services}
    found: dict[str, improving.Improved] = {}
    for name, problem in problems.items():
        counts = problem.solve()[1].counts
        found[name] = problem.improve(counts, target=wanted[name], trials=TRIALS)
    for number in range(ROUNDS):
        choices = {name: searching.Choice(amount=each.miss_usd, variant=float(number)) for name, each in found.items()}
        attempts.make(choices, {name: _schedule(each) for name, each in found.items()})
        open_ = [name for name in services if not attempts.is_near(name, given.target(name))]
        if not open_ or number == ROUNDS - 1:
            break
        for name in open_:
            last = attempts.trials[name][-1].attainment
            wanted[name] = found[name].replay.attainment + given.target(name) + NEAR / 2 - last
            found[name] = problems[name].improve(
                found[name].counts,
                target=min(wanted[name], 1.0),
                trials=MORE_TRIALS,
                miss_usd=found[name].miss_usd,
                seed=number + 1,
            )
    constant = {name: problem.constant for name, problem in problems.items()}
    attempts.make({name: searching.Choice(amount=math.inf) for name in services}, constant)
    return attempts.tuned()


def _schedule(found: improving.Improved) -> schedules.Schedule:
    return schedules.Schedule(counts=found.counts, attainment=found.replay.attainment, usd=found.replay.usd)


class _Attempts:
    """Runs of schedules; an infinite price of a miss stands for the cheapest constant fleet."""

    def __init__(self, given: scenario.Scenario, seed: int) -> None:
        self.trials: dict[str, list[searching.Trial]] = {}
        self._given = given
        self._seed = seed
        self._plans: dict[tuple[str, searching.Choice], schedules.Schedule] = {}
        self._runs: dict[tuple[tuple[str, searching.Choice], ...], running.Run] = {}

    def make(self, choices: Mapping[str, searching.Choice], plans: Mapping[str, schedules.Schedule]) -> None:
        """Run schedules, and note what they came to."""
        self._plans |= {(name, choice): plans[name] for name, choice in choices.items()}
        made = self._run(choices)
        for name, choice in choices.items():
            attainment, usd = tuning.outcome(made, name)
            trial = searching.Trial(choice=choice, attainment=attainment, usd=usd)
            self.trials.setdefault(name, []).append(trial)

    def is_near(self, name: str, target: float) -> bool:
        """Tell whether a service just reached its target in the last run."""
        return target <= self.trials[name][-1].attainment <= target + NEAR

    def tuned(self) -> tuning.Tuned:
        """Return the best of all."""
        best = {name: searching.best(found, self._given.target(name)) for name, found in self.trials.items()}
        choices = {name: trial.choice for name, trial in best.items()}
        trials = {name: tuple(found) for name, found in self.trials.items()}
        return tuning.Tuned(choices=choices, trials=trials, run=self._run(choices))

    def _run(self, choices: Mapping[str, searching.Choice]) -> running.Run:
        key = tuple(sorted(choices.items(), key=lambda item: item[0]))
        if key not in self._runs:
            plans = {name: self._plans[name, choice] for name, choice in choices.items()}
            self._runs[key] = running.run(self._given, Clairvoyant(plans), seed=self._seed)
        return self._runs[key]
