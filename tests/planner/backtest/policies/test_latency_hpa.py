"""llm-d's recipe: signal, marks and the credit for what is starting, by hand, and in a world."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import running
from tenbin_planner.backtest.policies import latency_hpa
from tenbin_spec.objectives import Objective

OWN = latency_hpa.Setting()


def test_the_signal_is_the_worst_ratio_and_clamped() -> None:
    assert latency_hpa.signal([0.4, 0.9]) == 0.9
    assert latency_hpa.signal([0.4, 7.0]) == 2.0
    assert latency_hpa.signal([math.nan, 0.3]) == 0.3
    assert latency_hpa.signal([math.nan, math.nan]) is None
    assert latency_hpa.signal([]) is None


def test_the_signal_is_averaged_over_45_seconds() -> None:
    signals = [(0.0, 2.0), (15.0, 1.0), (30.0, 0.5), (45.0, 0.0)]
    assert latency_hpa.mean(signals, at=45.0) == pytest.approx(0.5)
    assert latency_hpa.mean(signals, at=200.0) is None


@pytest.mark.parametrize(
    ("level", "provisioned", "ready", "wanted"),
    [
        (0.55, 4, 4, 4),
        (0.60, 4, 4, 5),
        (1.10, 4, 4, 8),
        (2.00, 4, 4, 15),  # 4 + ceil(4 * (2 / 0.55 - 1))
        (1.10, 4, 2, 4),  # half are ready: 0.55 is not above the mark
        (2.00, 4, 2, 8),
        (0.50, 4, 4, 4),
        (0.40, 4, 4, 4),
        (0.39, 4, 4, 4),  # less than a whole replica
        (0.20, 4, 4, 2),
        (0.00, 4, 4, 0),
        (0.20, 4, 1, 2),  # the credit is for growing only
        (2.00, 4, 0, 4),
        (2.00, 3, 9, 11),
        (None, 4, 4, None),
        (math.nan, 4, 4, None),
        (1.0, 0, 0, None),
    ],
)
def test_recommendation(level: float | None, provisioned: int, ready: int, wanted: int | None) -> None:
    assert latency_hpa.wanted(level, provisioned=provisioned, ready=ready, setting=OWN) == wanted


def test_the_tightest_thresholds_count() -> None:
    objectives = [
        Objective(target=Decimal("0.9"), ttft_ms=1000, tpot_ms=40),
        Objective(target=Decimal("0.9"), ttft_ms=500, e2e_ms=9000),
    ]
    assert latency_hpa.tightest(objectives) == {"ttft_ms": 500.0, "tpot_ms": 40.0, "e2e_ms": 9000.0}
    assert latency_hpa.tightest([]) == {}


def test_percentiles_are_of_numbers_only() -> None:
    assert latency_hpa.percentile(np.array([10.0, math.nan, 20.0])) == 19.0
    assert math.isnan(latency_hpa.percentile(np.array([math.nan])))
    assert math.isnan(latency_hpa.percentile(np.array([])))


def test_in_a_world_it_grows_when_latencies_approach_their_threshold_and_shrinks_slowly() -> None:
    # Sixteen requests per second are twice what one replica's eight slots do in a second each.
    given = backtests.scenario(backtests.every(1 / 16, 120), duration_s=900.0)
    made = running.run(given, latency_hpa.LatencyHpa({SERVICE: OWN}))
    alive = [sum(item.asked_s <= at < item.removed_s for item in made.replicas) for at in range(900)]
    assert alive[20] == 1  # the window of 30 s
    assert max(alive) >= 3
    assert alive[-1] == max(alive)  # no traffic, no signal, no move


def test_in_a_world_it_gives_up_a_replica_in_two_minutes_after_three() -> None:
    given = backtests.scenario(backtests.every(1.0, 900), initial={WORKLOAD: 6}, duration_s=900.0)
    made = running.run(given, latency_hpa.LatencyHpa({SERVICE: OWN}))
    removed = sorted(item.removed_s for item in made.replicas if item.removed_s < math.inf)
    assert removed[0] >= 180.0
    assert np.diff(removed).min() == 120.0
    assert len(removed) == 5


def test_an_end_to_end_threshold_alone_is_followed() -> None:
    objectives = {"": Objective(target=Decimal("0.95"), e2e_ms=1200)}
    given = backtests.scenario(backtests.every(1 / 16, 120), agreed={"objectives": objectives})
    made = running.run(given, latency_hpa.LatencyHpa({SERVICE: OWN}))
    assert len(made.replicas) > 1


def test_a_point_of_the_search_keeps_the_ratio_of_the_marks() -> None:
    built = latency_hpa.LatencyHpa.of({SERVICE: latency_hpa.searching.Choice(amount=1.1)})
    assert built._settings[SERVICE].down == pytest.approx(0.8)
