"""The best that a rule can do: its parameters chosen in hindsight, on the very trace and seed on which it is judged.

Nobody who sets up a rule has this knowledge, so what a tuned rule reaches is an upper bound of what it is worth. Of the
settings tried, the cheapest that reaches the target counts, else the one with the best attainment.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from tenbin_planner.backtest import running, searching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_planner.backtest import policies, scenario


class Rule(Protocol):
    """A policy with parameters."""

    search: searching.Search

    @classmethod
    def of(cls, choices: Mapping[str, searching.Choice]) -> policies.Policy:
        """Build the policy from a choice for each service."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuned:
    """A rule in its best setting."""

    choices: Mapping[str, searching.Choice]
    """By service."""
    trials: Mapping[str, tuple[searching.Trial, ...]]
    """All that were made, by service, in their order."""
    run: running.Run
    """What the best setting came to."""


def tune(given: scenario.Scenario, rule: Rule | type[Rule], *, seed: int = 0) -> Tuned:
    """Choose a rule's parameters in hindsight, for each service that has a workload with a price and a profile.

    Args:
        given: the scenario, on whose own trace the settings are judged.
        rule: class of the policy.
        seed: of the world.
    """
    runs: dict[tuple[tuple[str, searching.Choice], ...], running.Run] = {}

    def run(choices: Mapping[str, searching.Choice]) -> running.Run:
        key = tuple(sorted(choices.items(), key=lambda item: item[0]))
        if key not in runs:
            runs[key] = running.run(given, rule.of(choices), seed=seed)
        return runs[key]

    def evaluate(choices: Mapping[str, searching.Choice]) -> dict[str, tuple[float, float]]:
        made = run(choices)
        return {name: outcome(made, name) for name in choices}

    services = [name for name in sorted(given.document.services) if given.workloads(name)]
    targets = {service: given.target(service) for service in services}
    trials = searching.search(rule.search, targets, evaluate)
    choices = {service: searching.best(found, targets[service]).choice for service, found in trials.items()}
    return Tuned(choices=choices, trials=trials, run=run(choices))


def outcome(made: running.Run, service: str) -> tuple[float, float]:
    """Return what a run came to for a service: share of good requests of the class that binds, and dollars."""
    objectives = made.scenario.objectives(service)
    targets = {name: float(objective.target) for name, objective in objectives.items()}
    shares = made.results[service].attainment(objectives)
    share = searching.binding(shares, targets, made.scenario.target(service))
    return share, float(made.bill.usd_by_service.get(service, 0))
