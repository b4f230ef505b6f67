"""The arithmetic of promises: good requests, error budgets, burn rates and classes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.stacks import objectives
from tenbin_spec.objectives import Objective, Slo, budget_left, burn_rate

TIMES = st.floats(min_value=0, max_value=1e9)


@pytest.mark.parametrize(
    ("times", "good"),
    [
        ({"ttft_ms": 1000.0, "tpot_ms": 40.0, "e2e_ms": 5000.0}, True),
        ({"ttft_ms": 1000.1, "tpot_ms": 40.0, "e2e_ms": 5000.0}, False),
        ({"ttft_ms": 10.0, "tpot_ms": 40.1, "e2e_ms": 5000.0}, False),
        ({"ttft_ms": 10.0, "tpot_ms": 4.0, "e2e_ms": 5000.1}, False),
        ({"ttft_ms": None, "tpot_ms": None, "e2e_ms": None}, False),
        ({"ttft_ms": 10.0, "tpot_ms": None, "e2e_ms": 10.0}, True),
    ],
    ids=["at every threshold", "late first token", "slow tokens", "late end", "never answered", "answer of one token"],
)
def test_a_request_is_good_when_it_keeps_every_threshold(times: dict[str, float | None], *, good: bool) -> None:
    objective = Objective.model_validate({"target": "0.99", "ttft_ms": 1000, "tpot_ms": 40, "e2e_ms": 5000})
    assert objective.is_good(**times) is good


@given(objectives(), TIMES, TIMES, TIMES)
def test_faster_is_never_worse(plain: dict[str, object], ttft: float, tpot: float, e2e: float) -> None:
    objective = Objective.model_validate(plain)
    if objective.is_good(ttft_ms=ttft, tpot_ms=tpot, e2e_ms=e2e):
        assert objective.is_good(ttft_ms=ttft / 2, tpot_ms=tpot / 2, e2e_ms=e2e / 2)


def test_error_budget_is_exact() -> None:
    assert Objective.model_validate({"target": "0.999", "ttft_ms": 1}).error_budget == Decimal("0.001")


def test_burn_rate_of_one_spends_the_budget_exactly() -> None:
    objective = Objective.model_validate({"target": "0.99", "ttft_ms": 1})
    assert burn_rate(good=990, total=1000, objective=objective) == pytest.approx(1.0)
    assert burn_rate(good=900, total=1000, objective=objective) == pytest.approx(10.0)
    assert burn_rate(good=0, total=0, objective=objective) is None


def test_what_is_left_of_the_error_budget() -> None:
    objective = Objective.model_validate({"target": "0.99", "ttft_ms": 1})
    shares = [budget_left(good=good, total=1000, objective=objective) for good in (1000, 995, 990, 980)]
    assert shares == pytest.approx([1.0, 0.5, 0.0, -1.0])
    assert budget_left(good=0, total=0, objective=objective) is None


@pytest.mark.parametrize(("good", "total"), [(-1, 5), (6, 5)])
def test_burn_rate_refuses_impossible_counts(good: int, total: int) -> None:
    objective = Objective.model_validate({"target": "0.99", "ttft_ms": 1})
    with pytest.raises(ValueError, match="good must lie between 0 and total"):
        burn_rate(good=good, total=total, objective=objective)


def slo(**more: object) -> Slo:
    classes = {"interactive": {"target": "0.99", "ttft_ms": 1000}, "batch": {"target": "0.9", "e2e_ms": 60000}}
    return Slo.model_validate({"window": "30d", "classes": classes, "default_class": "interactive", **more})


@pytest.mark.parametrize(
    ("choice", "header", "expected"),
    [
        (None, "batch", "batch"),
        (None, None, "interactive"),
        (None, "gold", "interactive"),
        (("interactive",), "batch", "interactive"),
        ((), "batch", "interactive"),
    ],
)
def test_class_of_a_request(choice: tuple[str, ...] | None, header: str | None, expected: str) -> None:
    assert slo(client_choice=choice).resolve_class(header) == expected


def test_two_classes_need_a_default() -> None:
    with pytest.raises(ValidationError, match="default_class is required with more than one class"):
        slo(default_class=None)


def test_a_promise_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        slo().classes["batch"].e2e_ms = 5  # type: ignore[misc]
