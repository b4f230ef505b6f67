"""Steps and targets beside an agreed objective."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal

from hypothesis import given
from support import stacks
from tenbin_planner.menu import ladder
from tenbin_spec.objectives import Objective


def test_all_thresholds_move_together_and_the_agreed_step_is_the_agreement() -> None:
    agreed = Objective(target=Decimal("0.97"), ttft_ms=1000, tpot_ms=60, e2e_ms=20_000)
    found = {step.name.value: step.thresholds_ms for step in ladder.steps(agreed)}
    assert found == {
        "fastest": {"ttft_ms": 250, "tpot_ms": 30, "e2e_ms": 10_000},
        "faster": {"ttft_ms": 500, "tpot_ms": 45, "e2e_ms": 15_000},
        "agreed": {"ttft_ms": 1000, "tpot_ms": 60, "e2e_ms": 20_000},
        "slower": {"ttft_ms": 2000, "tpot_ms": 90, "e2e_ms": 30_000},
        "slowest": {"ttft_ms": 4000, "tpot_ms": 120, "e2e_ms": 40_000},
    }
    assert ladder.step(agreed, ladder.StepName.AGREED).objective == agreed


def test_a_threshold_that_is_not_agreed_is_not_offered() -> None:
    assert all(set(step.thresholds_ms) == {"e2e_ms"} for step in ladder.steps(Objective(target="0.9", e2e_ms=100)))


def test_the_agreed_target_is_among_the_targets() -> None:
    assert ladder.targets(Objective(target="0.97", ttft_ms=1)) == tuple(
        map(Decimal, ("0.9", "0.95", "0.97", "0.99", "0.995", "0.999"))
    )
    assert ladder.targets(Objective(target="0.990", ttft_ms=1)) == ladder.TARGETS


def test_equal_factors_are_equal_distances() -> None:
    logs = [step.log_latency for step in ladder.steps(Objective(target="0.9", ttft_ms=1000))]
    assert all(math.isclose(after - before, math.log(2)) for before, after in itertools.pairwise(logs))


@given(stacks.objectives())
def test_no_threshold_falls_from_step_to_step_and_each_is_allowed(plain: dict[str, object]) -> None:
    for before, after in itertools.pairwise(ladder.steps(Objective.model_validate(plain))):
        assert all(before.thresholds_ms[name] <= value for name, value in after.thresholds_ms.items())
