"""A search for the cheapest setting that reaches a target, in few and always the same trials.

One parameter, the *amount*, makes a rule buy more, on a logarithmic scale; a second, the *variant*, has a few values.
First amounts evenly apart are tried for each variant. Then, next to the best of these, the amount is halved towards the
leanest that reaches the target. Nothing is taken for granted of a rule: where more does not help, the best of what was
tried counts. Services are searched side by side.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A setting of a rule for one service, as a point of its search."""

    amount: float
    variant: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """Where the settings of a rule are looked for.

    >>> Search(lean=1000.0, generous=10.0).amount(0.5)
    100.0
    """

    lean: float
    """Amount with which the rule buys least, above 0."""
    generous: float
    """Amount with which it buys most, above 0."""
    variants: tuple[float, ...] = (0.0,)
    """Values of the second parameter."""
    points: int = 4
    """Amounts that are tried for each variant."""
    halvings: int = 5
    """Of the distance between two of these, next to the best."""

    def __post_init__(self) -> None:
        """Refuse a search that finds nothing.

        Raises:
            ValueError: naming each number out of its range.
        """
        problems = [
            f"{name} is {amount}; allowed is a finite number above 0"
            for name, amount in (("lean", self.lean), ("generous", self.generous))
            if not 0 < amount < math.inf
        ]
        if not self.variants:
            problems.append("variants are empty; allowed is one or more")
        problems += [
            f"{name} is {number}; allowed is {least} or more"
            for name, number, least in (("points", self.points, 1), ("halvings", self.halvings, 0))
            if number < least
        ]
        if problems:
            raise ValueError("; ".join(problems))

    def amount(self, share: float) -> float:
        """Return the amount at a share of the way from lean, 0, to generous, 1."""
        return float(self.lean * (self.generous / self.lean) ** share)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What a setting came to for one service."""

    choice: Choice
    attainment: float
    """Share of good requests, of the class that binds."""
    usd: float


def binding(shares: Mapping[str, float], targets: Mapping[str, float], target: float) -> float:
    """Return the share of good requests of the class that is furthest from its target, as if it were judged by another.

    1 - (1 - target) * (largest of (1 - share) / (1 - target of the class)): at the target of all when the class that
    spends most of its error budget is at its own; with one class its share.

    Args:
        shares: of good requests, by class.
        targets: by class.
        target: of all requests.
    """
    spent = [(1 - share) / max(1 - targets[name], 1e-12) for name, share in sorted(shares.items())]
    return 1 - (1 - target) * max(spent, default=0.0)


def search(
    where: Search,
    targets: Mapping[str, float],
    evaluate: Callable[[Mapping[str, Choice]], Mapping[str, tuple[float, float]]],
) -> dict[str, tuple[Trial, ...]]:
    """Try settings, halving towards the leanest amount that reaches each service's target.

    Args:
        where: the settings.
        targets: share of good requests to reach, by service.
        evaluate: gives the share of good requests and the dollars of each service for a choice of each.

    Returns:
        Trials by service, in their order.
    """
    trials: dict[str, list[Trial]] = {service: [] for service in targets}

    def attempt(shares: Mapping[str, float], variants: Mapping[str, float]) -> None:
        choices = {
            service: Choice(amount=where.amount(share), variant=variants[service]) for service, share in shares.items()
        }
        for service, (attainment, usd) in evaluate(choices).items():
            trials[service].append(Trial(choice=choices[service], attainment=attainment, usd=usd))

    shares = [(point + 0.5) / where.points for point in range(where.points)]
    for variant in where.variants:
        for share in shares:
            attempt(dict.fromkeys(targets, share), dict.fromkeys(targets, variant))
    leaders = {service: best(found, targets[service]) for service, found in trials.items()}
    variants = {service: leader.choice.variant for service, leader in leaders.items()}
    spans = {service: _beside(where, leader, targets[service], shares) for service, leader in leaders.items()}
    for _ in range(where.halvings):
        middles = {service: (low + high) / 2 for service, (low, high) in spans.items()}
        attempt(middles, variants)
        for service, middle in middles.items():
            low, high = spans[service]
            reaches = trials[service][-1].attainment >= targets[service]
            spans[service] = (low, middle) if reaches else (middle, high)
    return {service: tuple(found) for service, found in trials.items()}


def _beside(where: Search, leader: Trial, target: float, shares: list[float]) -> tuple[float, float]:
    """Return the shares between which to halve: leaner than what reaches the target, else more generous."""
    at = min(shares, key=lambda share: abs(math.log(where.amount(share) / leader.choice.amount)))
    apart = 1 / where.points
    return (max(at - apart, 0.0), at) if leader.attainment >= target else (at, min(at + apart, 1.0))


def best(trials: Iterable[Trial], target: float) -> Trial:
    """Return the cheapest trial that reaches the target, else the one with the best attainment.

    Raises:
        ValueError: without trials.
    """
    found = list(trials)
    if not found:
        raise ValueError("there are no trials; allowed is one or more")
    reaching = [trial for trial in found if trial.attainment >= target]
    if reaching:
        return min(reaching, key=lambda trial: (trial.usd, -trial.attainment))
    return max(found, key=lambda trial: (trial.attainment, -trial.usd))
