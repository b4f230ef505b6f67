"""The price of a miss: rises behind the error budget, falls ahead of it, fades, and knows its own past."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import planning
from tenbin_planner import demand
from tenbin_planner.decide import budget
from tenbin_spec.objectives import Objective

OBJECTIVES = {"interactive": Objective(target="0.99", ttft_ms=1000)}
RENT = 4.0 / 3600
LEAD_S = 60.0


def seen(good: int, total: int) -> demand.ClassObservation:
    item = planning.gateway({"chat": []}).classes["chat", "interactive"]
    return dataclasses.replace(item, cumulative=demand.Attainment(good=good, total=total))


def after(
    *counts: tuple[int, int], best: float = 1.0, every_s: float = 60.0, lead_s: float = LEAD_S
) -> budget.BudgetMemory:
    remembered = budget.BudgetMemory()
    for tick, (good, total) in enumerate(counts):
        at = 1000.0 + every_s * tick
        remembered = budget.learn(
            remembered, [seen(good, total)], OBJECTIVES, {"interactive": best}, at=at, lead_s=lead_s
        )
    return remembered


def price(remembered: budget.BudgetMemory) -> float:
    found = budget.miss_usd(remembered, OBJECTIVES, rent_usd_per_s=RENT, replica_rps=0.5, declared_rps=5.0)
    return found["interactive"]


def test_at_first_a_miss_is_worth_what_some_requests_cost() -> None:
    assert price(budget.BudgetMemory()) == pytest.approx(RENT / 0.5 / (budget.BUDGETS * 0.01))


def test_behind_the_budget_a_miss_is_dearer_and_ahead_of_it_cheaper() -> None:
    even = 10_000 - round(10_000 * 0.01 * budget.part(LEAD_S))
    behind, ahead = after((0, 0), (even - 100, 10_000)), after((0, 0), (10_000, 10_000))
    assert price(ahead) < price(after((0, 0), (even, 10_000))) < price(behind)


def test_the_longer_a_start_takes_the_less_of_the_budget_is_spent_on_purpose() -> None:
    quick, slow = after((0, 0), (9_940, 10_000)), after((0, 0), (9_940, 10_000), lead_s=420.0)
    assert price(quick) < price(slow)
    assert budget.part(60.0) > budget.part(180.0) > budget.part(420.0) >= budget.part(1e9) == budget.LEAST_TIGHT


def test_the_price_stays_within_its_bounds() -> None:
    usual = price(after((0, 0)))
    assert price(after((0, 0), (0, 10**9))) <= usual * budget.DEAREST * 1.01
    assert price(after((0, 0), (10**6, 10**6))) > 0


def test_what_an_empty_replica_misses_too_is_no_debt() -> None:
    remembered = after((0, 0), (9_000, 10_000), best=0.9)
    assert remembered.of("interactive").debt < 0


def test_a_record_that_begins_anew_is_no_new_debt() -> None:
    remembered = after((0, 0), (990, 1000), (10, 10))
    assert remembered.of("interactive").missed == pytest.approx(10, rel=0.01)
    assert remembered.of("interactive").counted == pytest.approx(1010, rel=0.01)


def test_debt_fades() -> None:
    soon, late = (after((0, 0), (0, 1000), (0, 1000), every_s=seconds) for seconds in (60.0, 43_200.0))
    assert late.of("interactive").debt < soon.of("interactive").debt


@given(st.lists(st.tuples(st.integers(-(10**13), 10**13), st.integers(-(10**13), 10**13)), max_size=6))
def test_hostile_counts_never_make_a_price_that_is_none(counts: list[tuple[int, int]]) -> None:
    assert 0 < price(after(*counts)) < float("inf")


def test_it_is_written_and_read_back() -> None:
    remembered = after((0, 0), (900, 1000))
    assert budget.from_plain(json.loads(json.dumps(remembered.to_plain()))) == remembered
    with pytest.raises(ValueError, match="finite"):
        budget.from_plain({"at": "nan", "seconds": 0, "classes": {}})
