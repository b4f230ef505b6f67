"""The nearest objective that is kept: shares and quantiles that can be told by hand, and their words."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from tenbin_planner.decide import feasible, lookahead, playing
from tenbin_planner.model.arrivals import Arrivals
from tenbin_planner.model.results import FleetResult, Outcome
from tenbin_spec.objectives import Objective

HUNDRED = 100
CHAT = {"chat": Objective(target="0.90", ttft_ms=500)}


class Told:
    """A search whose results are known beforehand."""

    def __init__(self, *played: playing.Played) -> None:
        self.played = list(played)

    def results(self, _count: int) -> list[playing.Played]:
        return self.played


def played(ttft_ms: Any, *, weight: float = 1.0, present: int = 0, **changes: Any) -> playing.Played:
    """Return answers with these times to first token, 100 ms for ten tokens after it."""
    times = np.asarray(ttft_ms, dtype=np.float64)
    plain: dict[str, Any] = {
        "outcome": np.full(times.size, Outcome.FINISHED, dtype=np.uint8),
        "classes": "chat",
        "tpot_ms": np.full(times.size, 10.0),
        "stands_for": np.ones(times.size),
        "output_tokens": np.full(times.size, 11),
    } | changes
    arrivals = Arrivals.of(np.arange(times.size), np.full(times.size, 5), plain["output_tokens"], plain["classes"])
    result = FleetResult(
        arrivals=arrivals,
        outcome=plain["outcome"],
        replica=np.zeros(times.size, dtype=np.int64),
        ttft_ms=times,
        tpot_ms=plain["tpot_ms"],
        e2e_ms=times + 100.0,
        preemptions=0,
        events=0,
        extrapolated=False,
    )
    return playing.Played(weight=weight, result=result, present=present, stands_for=plain["stands_for"])


def nearest(*futures: playing.Played, objectives: dict[str, Objective] = CHAT) -> tuple[feasible.Nearest, ...]:
    return feasible.nearest(cast("lookahead.Search", Told(*futures)), 1, objectives)


RISING = np.arange(1, HUNDRED + 1) * 10.0
"""From 10 ms to a second."""


def test_the_threshold_that_the_target_would_keep_is_its_quantile() -> None:
    (found,) = nearest(played(RISING))
    assert found.share == pytest.approx(0.5)
    assert found.thresholds == {"ttft_ms": 900.0}
    assert not found.is_kept
    assert str(found) == "chat 0.500 of requests within the thresholds, or 0.9 within ttft_ms 900"


def test_an_objective_that_is_kept_has_no_wider_thresholds() -> None:
    (found,) = nearest(played(RISING / 10))
    assert found.is_kept
    assert found.thresholds == {}
    assert str(found) == "chat 1.000 of requests within the thresholds"


def test_each_threshold_is_widened_on_its_own() -> None:
    objectives = {"chat": Objective(target="0.90", ttft_ms=2000, tpot_ms=20, e2e_ms=600)}
    (found,) = nearest(played(RISING, tpot_ms=np.linspace(10, 50, HUNDRED)), objectives=objectives)
    assert set(found.thresholds) == {"tpot_ms", "e2e_ms"}
    assert found.thresholds["e2e_ms"] == 1000.0
    assert found.thresholds["tpot_ms"] == pytest.approx(46, abs=0.5)


def test_what_never_ends_keeps_no_threshold() -> None:
    outcome = np.where(np.arange(HUNDRED) < 80, Outcome.FINISHED, Outcome.FAILED).astype(np.uint8)
    (found,) = nearest(played(np.where(outcome == Outcome.FINISHED, 100.0, np.nan), outcome=outcome))
    assert found.share == pytest.approx(0.8)
    assert str(found).endswith("or 0.9 within no ttft_ms")


def test_an_answer_of_one_token_has_no_time_per_token_to_miss() -> None:
    objectives = {"chat": Objective(target="0.90", tpot_ms=20)}
    single = played(RISING, tpot_ms=np.full(HUNDRED, np.nan), output_tokens=np.ones(HUNDRED, dtype=np.int64))
    (found,) = nearest(single, objectives=objectives)
    assert found.is_kept
    assert found.thresholds == {}


def test_futures_count_by_their_weight_and_requests_by_what_they_stand_for() -> None:
    good, bad = np.full(HUNDRED, 100.0), np.full(HUNDRED, 1000.0)
    assert nearest(played(good, weight=0.75), played(bad, weight=0.25))[0].share == pytest.approx(0.75)
    stands_for = np.where(np.arange(HUNDRED) < 50, 1.0, 4.0)
    (found,) = nearest(played(np.where(np.arange(HUNDRED) < 50, 100.0, 1000.0), stands_for=stands_for))
    assert found.share == pytest.approx(0.2)


def test_requests_in_flight_are_not_judged() -> None:
    (found,) = nearest(played(np.where(np.arange(HUNDRED) < 40, 5000.0, 100.0), present=40))
    assert found.share == 1.0


def test_classes_are_told_one_by_one_and_few_requests_tell_nothing() -> None:
    objectives = dict.fromkeys(("batch", "chat", "rare"), CHAT["chat"])
    classes = ["batch"] * 100 + ["chat"] * 100 + ["rare"] * (feasible.LEAST_REQUESTS - 1)
    times = np.where(np.arange(len(classes)) < 100, 5000.0, 100.0)
    found = nearest(played(times, classes=classes), objectives=objectives)
    assert [(item.class_name, item.share) for item in found] == [("batch", 0.0), ("chat", 1.0)]
