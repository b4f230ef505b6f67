"""A fleet that knows the trace: the least that start-up times and whole replicas leave to anybody.

Rule: the dynamic program of `backtest.schedules` over minutes, replicas and requests in flight, with what a start costs
before it serves, and a price of a miss such that the target is just reached; each start is asked for a lead time before
it is needed. Where the world is rougher than the program thinks, the price rises, and then the fleet, until the
target is reached in it.
Source: a Lagrangian relaxation of the least cost under a share of good requests; it bounds nothing strictly, since the
program knows a minute by its requests in flight only, and decides once a minute.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenbin_planner.backtest import minutes, running, schedules, searching, tuning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest import scenario, world

DEARER = ((1.0, 0), (1.03, 0), (1.1, 0), (1.3, 0), (2.0, 0), (4.0, 0), (4.0, 1), (4.0, 2), (4.0, 4))
"""Multiples of the price of a miss, and replicas that are added to every minute, which are tried in the world until one
reaches the target."""


class Clairvoyant:
    """The rule in the back-tester."""

    name = "clairvoyant"
    interval_s = 15.0

    def __init__(self, plans: Mapping[str, schedules.Schedule]) -> None:
        """Take a schedule for each service."""
        self._plans = plans
        self._counts: dict[str, list[int]] = {}

    def start(self, given: scenario.Scenario) -> Mapping[str, int]:
        """Begin with what the first minute needs."""
        for service, plan in sorted(self._plans.items()):
            found = schedules.by_workload(given, service, plan.counts)
            self._counts |= {name: counts.tolist() for name, counts in found.items()}
        first = {name: counts[0] for name, counts in self._counts.items()}
        return {**given.start, **first}

    def tick(self, world: world.World) -> None:
        """Ask for what is needed now and until a replica that is asked for now would serve."""
        for name, counts in sorted(self._counts.items()):
            ahead_s = world.scenario.lead(world.scenario.workload(name).pool).p95_s + self.interval_s
            wanted = needed(counts, from_s=world.now_s, to_s=world.now_s + ahead_s)
            if wanted != world.told(name):
                world.scale(name, wanted)


def needed(counts: list[int], *, from_s: float, to_s: float) -> int:
    """Return the most replicas that the minutes from an instant until before another need; the last one goes on."""
    first = min(int(from_s // minutes.STEP_S), len(counts) - 1)
    last = min(math.ceil(to_s / minutes.STEP_S), len(counts))
    return max(counts[first : max(last, first + 1)])


def tuned(given: scenario.Scenario, *, seed: int = 0) -> tuning.Tuned:
    """Find the schedules that reach the target in the world.

    Services without requests, or without a workload whose price and profile are known, keep what they begin with.
    """
    services = [name for name in sorted(given.document.services) if len(given.arrivals(name)) and given.workloads(name)]
    attempts = _Attempts(given, {name: schedules.problem(given, name) for name in services}, seed)
    prices = {name: problem.solve()[0] for name, problem in attempts.problems.items()}
    steps = dict.fromkeys(services, 0)
    for _ in DEARER:
        attempts.make({name: _choice(prices[name], DEARER[step]) for name, step in steps.items()})
        short = [name for name in services if attempts.trials[name][-1].attainment < given.target(name)]
        if not short:
            break
        for name in short:
            steps[name] = min(steps[name] + 1, len(DEARER) - 1)
    attempts.make({name: searching.Choice(amount=math.inf) for name in services})
    choices = {name: searching.best(found, given.target(name)).choice for name, found in attempts.trials.items()}
    trials = {name: tuple(found) for name, found in attempts.trials.items()}
    return tuning.Tuned(choices=choices, trials=trials, run=attempts.run(choices))


def _choice(price: float, step: tuple[float, int]) -> searching.Choice:
    factor, more = step
    return searching.Choice(amount=price * factor, variant=more)


class _Attempts:
    """Runs of schedules, each made once; an infinite price of a miss stands for the cheapest constant fleet."""

    def __init__(self, given: scenario.Scenario, problems: Mapping[str, schedules.Problem], seed: int) -> None:
        self.problems = problems
        self.trials: dict[str, list[searching.Trial]] = {name: [] for name in problems}
        self._given = given
        self._seed = seed
        self._runs: dict[tuple[tuple[str, float, float], ...], running.Run] = {}

    def run(self, choices: Mapping[str, searching.Choice]) -> running.Run:
        """Return the run of a choice of schedules."""
        key = tuple(sorted((name, choice.amount, choice.variant) for name, choice in choices.items()))
        if key not in self._runs:
            plans = {name: self._plan(name, choice) for name, choice in choices.items()}
            self._runs[key] = running.run(self._given, Clairvoyant(plans), seed=self._seed)
        return self._runs[key]

    def make(self, choices: Mapping[str, searching.Choice]) -> None:
        """Run a choice, and note what it came to."""
        made = self.run(choices)
        for name, choice in choices.items():
            attainment, usd = tuning.outcome(made, name)
            self.trials[name].append(searching.Trial(choice=choice, attainment=attainment, usd=usd))

    def _plan(self, name: str, choice: searching.Choice) -> schedules.Schedule:
        problem = self.problems[name]
        if choice.amount == math.inf:
            return problem.constant
        return problem.schedule(choice.amount, more=int(choice.variant))
