"""Scores, by hand."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import fixed_fleets, running, scores, timeline
from tenbin_planner.backtest.hull import Hull, Point
from tenbin_planner.backtest.policies.fixed import Fixed
from tenbin_spec.objectives import Objective


def overloaded() -> running.Run:
    """Ten quiet minutes, save for a burst in the fourth: 40 at once, of which a replica takes eight at a time.

    One after the other takes 100 prompts of 20 ms at most, and 1.01 s for an answer: the first eight are good.
    """
    quiet = np.arange(0.5, 600, 1.0)
    requests = backtests.trace(np.sort(np.concatenate([quiet, np.full(40, 200.0)])))
    return running.run(backtests.scenario(requests), Fixed({SERVICE: 1}))


def test_shares_count_by_the_minute_of_arrival() -> None:
    found = scores.score(overloaded())
    missed = round((1 - found.attainment) * 640)
    assert 25 <= missed <= 45
    assert found.attainment_by_class == {"service/default": found.attainment}
    assert found.worst_5min_attainment == pytest.approx((340 - missed) / 340)
    assert found.minutes_below_target == 1
    assert (found.requests, found.shed, found.failed, found.replica_changes) == (640, 0, 0, 0)
    assert not found.is_target_met


def test_tokens_and_money() -> None:
    found = scores.score(overloaded())
    assert found.usd == Decimal("0.600")
    assert found.output_tokens == 64_000
    assert found.good_tokens == round(found.attainment * 64_000)
    row = scores.row(found, lead_time_s=30)
    assert row["usd_per_million_output_tokens"] == 9.375
    assert row["usd_per_million_good_tokens"] == pytest.approx(600_000 / found.good_tokens, abs=1e-6)
    assert (row["gpu_hours"], row["peak_hourly_usd"]) == (pytest.approx(600 / 3600, abs=1e-6), 3.6)
    assert (row["fixed_usd_at_same_attainment"], row["captured_saving"]) == (None, None)


def test_shed_requests_are_missed() -> None:
    requests = backtests.trace([1.0] * 20)
    given = backtests.scenario(
        requests, agreed={"objectives": {"": Objective(target=Decimal("0.5"), e2e_ms=60_000)}}, max_queued=10
    )
    found = scores.score(running.run(given, Fixed({SERVICE: 1})))
    assert (found.shed, found.attainment, found.is_target_met) == (10, 0.5, True)


def test_each_class_has_its_own_target() -> None:
    requests = backtests.trace([1.0, 2.0, 2.0, 3.0], classes=("fast", "slow"), class_index=[0, 1, 1, 0])
    objectives = {
        "fast": Objective(target=Decimal("0.9"), e2e_ms=5),
        "slow": Objective(target=Decimal("0.9"), e2e_ms=5000),
    }
    found = scores.score(
        running.run(backtests.scenario(requests, agreed={"objectives": objectives}), Fixed({SERVICE: 1}))
    )
    assert found.attainment_by_class == {"service/fast": 0.0, "service/slow": 1.0}
    assert (found.attainment, found.minutes_below_target, found.is_target_met) == (0.5, 1, False)


HULL = {SERVICE: Hull.of([Point(0.9, Decimal(90), 9), Point(0.98, Decimal(100), 10), Point(1.0, Decimal(140), 14)])}


def reached(attainment: float, usd: int, **changes: Any) -> scores.Score:
    plain = scores.score(running.run(backtests.scenario(backtests.every(1, 60)), Fixed({SERVICE: 1})))
    by_service = {SERVICE: attainment}
    return dataclasses.replace(
        plain, attainment=attainment, attainment_by_service=by_service, usd=Decimal(usd), **changes
    )


def test_savings_are_told_beside_constant_fleets_and_a_clairvoyant() -> None:
    found, clairvoyant = reached(0.99, 90), reached(0.98, 70)
    row = scores.row(found, lead_time_s=30, hulls=HULL, clairvoyant=clairvoyant)
    assert row["fixed_usd_at_same_attainment"] == 120.0
    assert row["captured_saving"] == pytest.approx((120 - 90) / (120 - 70))


@pytest.mark.parametrize(
    ("found", "clairvoyant", "hulls"),
    [
        pytest.param(reached(0.99, 90), None, HULL, id="no clairvoyant"),
        pytest.param(reached(0.99, 90), reached(0.98, 70), {}, id="no constant fleets"),
        pytest.param(reached(0.99, 90), reached(0.98, 93), HULL, id="a clairvoyant that saves little"),
        pytest.param(
            reached(0.9, 90), reached(0.9, 70), {SERVICE: Hull.of([Point(0.95, Decimal(99), 5)])}, id="a small fleet"
        ),
        pytest.param(
            reached(0.99, 90), reached(0.8, 70), {SERVICE: Hull.of([Point(0.95, Decimal(99), 9)])}, id="out of reach"
        ),
    ],
)
def test_elsewhere_no_saving_is_told(
    found: scores.Score, clairvoyant: scores.Score | None, hulls: dict[str, Hull]
) -> None:
    assert scores.captured_saving(found, hulls, clairvoyant) is None


def test_a_timeline_shows_what_was_there_when() -> None:
    made = overloaded()
    found = timeline.of(made, step_s=100.0)
    assert found.at_s.tolist() == [0, 100, 200, 300, 400, 500]
    assert found.rate[SERVICE].tolist() == [1, 1, 1.4, 1, 1, 1]
    assert found.attainment[SERVICE][[0, 5]].tolist() == [1.0, 1.0]
    assert found.attainment[SERVICE][2] < 0.8
    assert found.in_flight[SERVICE].tolist() == [0, 1, 1, 1, 1, 1]
    assert found.replicas[WORKLOAD]["ready"].tolist() == [1] * 6
    assert found.hourly_usd.tolist() == [pytest.approx(3.6)] * 6
    with pytest.raises(ValueError, match=r"^step_s is 0; allowed is a finite number above 0$"):
        timeline.of(made, step_s=0)


def test_constant_fleets_around_the_target_are_tried() -> None:
    # Eight answers at once for a second each: 20 requests per second need three replicas.
    given = backtests.scenario(backtests.every(0.05, 120), duration_s=120.0)
    found = fixed_fleets.explore(given, SERVICE)
    assert found.smallest == 3
    assert list(found.scores) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.scores[3].usd == Decimal("0.36")
    assert found.hull.replicas_at(found.scores[3].attainment) == 3
    assert fixed_fleets.warm(given).start == {WORKLOAD: 3}


def test_no_constant_fleet_may_reach_the_target() -> None:
    given = backtests.scenario(backtests.every(0.02, 60), agreed={"max_replicas": 2})
    found = fixed_fleets.explore(given, SERVICE)
    assert (found.smallest, list(found.scores)) == (None, [1, 2])
