"""Kubernetes' autoscaler: recommendations, stabilization and rate limits by hand, and in a world."""

from __future__ import annotations

import math

import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import faults, running
from tenbin_planner.backtest.policies import hpa

ANYTHING = hpa.Behavior(
    up=hpa.Limit(period_s=15, percent=1e6), down=hpa.Limit(period_s=15, percent=100), down_window_s=0
)


@pytest.mark.parametrize(
    ("readings", "unready", "current", "wanted"),
    [
        ([20.0, 20.0], 0, 2, 4),
        ([10.0, 12.0], 0, 2, 2),  # a ratio of 1.1 is within the tolerance
        ([10.0, 12.1], 0, 2, 3),
        ([9.0, 9.0, 9.0], 0, 3, 3),
        ([8.0, 8.0, 8.0], 0, 3, 3),  # 2.4, rounded up
        ([6.0, 6.0, 6.0], 0, 3, 2),
        ([0.0, 0.0], 0, 2, 0),
        # Pods that do not serve yet count as idle when more are wanted, and not at all when fewer are.
        ([40.0], 1, 2, 4),
        ([40.0], 3, 4, 4),  # 40 over four pods is the target
        ([15.0], 1, 2, 2),  # 15 over two pods would call for fewer: no reversal
        ([5.0, 5.0], 2, 4, 1),
        # Pods without a number count as at the target when fewer are wanted, as idle when more are.
        ([2.0, None], 0, 2, 2),  # (2 + 10) / 20 = 0.6, of two pods 1.2, rounded up
        ([0.0, None, 0.0], 0, 3, 1),
        ([30.0, math.nan], 0, 2, 3),
        ([18.0, math.inf], 0, 2, 2),  # 18 over two pods is within the tolerance
    ],
)
def test_recommendation_from_pods(readings: list[float | None], unready: int, current: int, wanted: int) -> None:
    assert hpa.wanted_by_pods(readings, unready=unready, current=current, target=10.0) == wanted


@pytest.mark.parametrize(("readings", "current"), [([], 3), ([None, math.nan], 2), ([50.0], 0)])
def test_without_numbers_or_replicas_nothing_is_recommended(readings: list[float | None], current: int) -> None:
    assert hpa.wanted_by_pods(readings, unready=1, current=current, target=10.0) is None


def test_recommendation_from_a_total() -> None:
    def wanted(total: float, current: int) -> int | None:
        return hpa.wanted_by_total(total, current=current, target=10.0)

    assert [wanted(total, 3) for total in (0.0, 27.0, 30.0, 33.0, 34.0, 95.0)] == [0, 3, 3, 3, 4, 10]
    assert [wanted(math.nan, 3), wanted(math.inf, 3), wanted(30.0, 0)] == [None, None, None]


def settled(wants: list[tuple[float, int]], *, current: int, behavior: hpa.Behavior, most: int = 100) -> list[int]:
    told, memory = [], hpa.Memory()
    for at, wanted in wants:
        current, memory = hpa.settle(
            wanted, current=current, least=1, most=most, at=at, behavior=behavior, memory=memory
        )
        told.append(current)
    return told


def test_the_highest_recommendation_of_the_window_counts_for_shrinking() -> None:
    wants = [(0.0, 8), (15.0, 2), (299.0, 3), (300.0, 2), (316.0, 2), (600.0, 1), (615.0, 1)]
    assert settled(wants, current=8, behavior=hpa.Behavior()) == [8, 8, 8, 3, 3, 2, 2]


def test_the_lowest_recommendation_of_the_window_counts_for_growing() -> None:
    behavior = hpa.Behavior(up=hpa.Limit(period_s=15, percent=1e6), up_window_s=30)
    assert settled([(0.0, 2), (15.0, 9), (29.0, 9), (30.0, 9)], current=2, behavior=behavior) == [2, 2, 2, 9]


def test_it_grows_by_the_larger_of_four_pods_and_double_in_each_period() -> None:
    wants = [(0.0, 50), (5.0, 50), (15.0, 50), (30.0, 50), (45.0, 50)]
    assert settled(wants, current=1, behavior=hpa.Behavior()) == [5, 5, 10, 20, 40]


def test_it_shrinks_by_a_pod_in_each_period_where_told_so() -> None:
    behavior = hpa.Behavior(down=hpa.Limit(period_s=120, pods=1), down_window_s=0)
    wants = [(at, 2) for at in (0.0, 60.0, 120.0, 180.0, 240.0)]
    assert settled(wants, current=6, behavior=behavior) == [5, 5, 4, 4, 3]


def test_bounds_are_kept() -> None:
    assert settled([(0.0, 0), (15.0, 90)], current=3, behavior=ANYTHING, most=7) == [1, 7]


def counts(run: running.Run) -> list[int]:
    """Replicas of each ten seconds that were asked for and not given up."""
    return [
        sum(item.asked_s <= at < item.removed_s for item in run.replicas)
        for at in range(5, int(run.scenario.end_s), 10)
    ]


def test_in_a_world_it_follows_concurrency_up_at_once_and_down_after_the_window() -> None:
    busy = backtests.every(1 / 6, 60)  # between six and seven in flight, since each takes little more than a second
    given = backtests.scenario(busy, duration_s=500.0)
    seen = counts(running.run(given, hpa.Hpa({SERVICE: hpa.Setting(share=0.25)})))
    assert seen[0] == 1
    assert seen[3] == 4  # more than 6 / (0.25 of 8 slots)
    assert seen[30] == 4  # the last call for four is less than 300 s old
    assert seen[-1] == 1


def test_without_metrics_counts_stay() -> None:
    given = backtests.scenario(
        backtests.every(0.125, 60), initial={WORKLOAD: 2}, faults=(faults.Blind(at_s=0.0, for_s=60.0),)
    )
    assert set(counts(running.run(given, hpa.Hpa({SERVICE: hpa.Setting(share=0.1)})))) == {2}


def test_a_point_of_the_search_is_a_setting() -> None:
    built = hpa.Hpa.of({SERVICE: hpa.searching.Choice(amount=0.5)})
    assert built._settings == {SERVICE: hpa.Setting(share=0.5)}
