"""The search for the cheapest setting that reaches a target: bounded, and right about rules that do as they should."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from tenbin_planner.backtest import searching
from tenbin_planner.backtest.searching import Choice, Search, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WHERE = Search(lean=1.0, generous=10_000.0)


def found(
    rule: Callable[[Choice], tuple[float, float]], where: Search = WHERE, *, target: float = 0.99
) -> tuple[Trial, tuple[Trial, ...]]:
    """Search for a rule's attainment and dollars by its choice."""

    def evaluate(choices: Mapping[str, Choice]) -> dict[str, tuple[float, float]]:
        return {service: rule(choice) for service, choice in choices.items()}

    trials = searching.search(where, {"chat": target}, evaluate)["chat"]
    return searching.best(trials, target), trials


def test_it_closes_in_on_the_leanest_amount_that_reaches_the_target() -> None:
    def rule(choice: Choice) -> tuple[float, float]:
        return (0.995 if choice.amount >= 350.0 else 0.9), choice.amount

    chosen, trials = found(rule)
    assert 350.0 <= chosen.choice.amount < 350.0 * 10 ** (1 / 2**5)
    assert len(trials) == 4 + 5


def test_a_rule_that_reaches_nothing_is_given_its_best_attainment() -> None:
    chosen, trials = found(lambda choice: (min(0.5 + choice.amount / 1e5, 0.9), choice.amount))
    assert chosen.attainment == max(trial.attainment for trial in trials)
    assert chosen.choice.amount > 9000.0


def test_where_more_does_not_help_the_best_of_what_was_tried_counts() -> None:
    chosen, _ = found(lambda choice: ((0.995 if 2.0 < choice.amount < 5.0 else 0.5), 10.0))
    assert chosen.attainment == 0.995


def test_every_variant_is_tried_and_the_better_one_refined() -> None:
    def rule(choice: Choice) -> tuple[float, float]:
        return (1.0 if choice.amount >= 50.0 else 0.0), choice.amount * (1 + choice.variant)

    chosen, trials = found(rule, Search(lean=1.0, generous=10_000.0, variants=(1.0, 0.0), points=3, halvings=6))
    assert chosen.choice.variant == 0.0
    assert [sum(trial.choice.variant == variant for trial in trials) for variant in (1.0, 0.0)] == [3, 9]


def test_services_are_searched_side_by_side() -> None:
    runs = 0

    def evaluate(choices: Mapping[str, Choice]) -> dict[str, tuple[float, float]]:
        nonlocal runs
        runs += 1
        least = {"chat": 30.0, "code": 3000.0}
        return {name: (float(choice.amount >= least[name]), choice.amount) for name, choice in choices.items()}

    trials = searching.search(WHERE, {"chat": 0.9, "code": 0.9}, evaluate)
    assert runs == 9
    chosen = {name: searching.best(tried, 0.9).choice.amount for name, tried in trials.items()}
    assert 30.0 <= chosen["chat"] < 40.0
    assert 3000.0 <= chosen["code"] < 4000.0


def test_the_cheapest_that_reaches_the_target_is_best() -> None:
    dear, cheap, short = (
        Trial(choice=Choice(amount=amount), attainment=attainment, usd=usd)
        for amount, attainment, usd in ((1.0, 0.999, 9.0), (2.0, 0.99, 5.0), (3.0, 0.98, 1.0))
    )
    assert searching.best([dear, cheap, short], 0.99) == cheap
    assert searching.best([short], 0.99) == short
    with pytest.raises(ValueError, match=r"^there are no trials; allowed is one or more$"):
        searching.best([], 0.99)


def test_the_class_that_spends_most_of_its_error_budget_binds() -> None:
    targets = {"a": 0.99, "b": 0.9}
    assert searching.binding({"a": 0.97}, targets, 0.99) == pytest.approx(0.97)
    # a misses twice its budget, b once: as if 0.95 were asked for and twice that budget missed.
    assert searching.binding({"a": 0.98, "b": 0.9}, targets, 0.95) == pytest.approx(0.9)
    assert searching.binding({"a": 0.99, "b": 0.9}, targets, 0.95) == pytest.approx(0.95)
    assert searching.binding({}, targets, 0.95) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lean": 0.0}, "lean is 0.0; allowed is a finite number above 0"),
        ({"generous": math.nan}, "generous is nan; allowed is a finite number above 0"),
        (
            {"generous": math.inf, "points": 0},
            "generous is inf; allowed is a finite number above 0; points is 0; allowed is 1 or more",
        ),
        ({"variants": ()}, "variants are empty; allowed is one or more"),
        ({"halvings": -1}, "halvings is -1; allowed is 0 or more"),
    ],
)
def test_a_search_that_finds_nothing_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Search(**{"lean": 1.0, "generous": 2.0, **changes})
