"""KEDA: triggers by hand, polling, and a world."""

from __future__ import annotations

import math

import pytest
from support import backtests
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import running
from tenbin_planner.backtest.policies import keda
from tenbin_planner.backtest.world import World


@pytest.mark.parametrize(
    ("running_now", "waiting", "current", "wanted"),
    [
        (40.0, 0.0, 3, 5),  # 40 / 8
        (40.0, 9.0, 3, 9),  # queue 9 / 1 above 49 / 8
        (24.0, 0.0, 3, 3),
        (25.0, 0.0, 3, 3),  # within 10 % of 24
        (0.0, 0.0, 3, 0),
        (math.nan, 5.0, 3, 5),
        (math.nan, 1.0, 3, 3),  # a trigger that failed lets nothing shrink
        (5.0, math.nan, 3, None),
        (math.nan, math.nan, 3, None),
        (40.0, 9.0, 0, None),
    ],
)
def test_the_larger_trigger_counts(running_now: float, waiting: float, current: int, wanted: int | None) -> None:
    reading = keda.Reading(at=0.0, running=running_now, waiting=waiting)
    assert keda.wanted(reading, current=current, concurrency=8.0, queue=1.0) == wanted


def test_metrics_are_read_each_thirty_seconds() -> None:
    reading = keda.Reading(at=100.0, running=0.0, waiting=0.0)
    assert [keda.is_due(reading, at=at) for at in (100.0, 129.0, 130.0, 99.0)] == [False, False, True, True]
    assert keda.is_due(None, at=0.0)


def test_between_two_polls_it_acts_on_the_old_reading() -> None:
    given = backtests.scenario(backtests.every(1 / 6, 120), initial={WORKLOAD: 1})
    world, policy = World(given, given.start), keda.Keda({SERVICE: keda.Setting(share=0.25, queue=100.0)})
    told = []
    for at in (0.0, 15.0, 30.0, 45.0):
        world.advance(at)
        policy.tick(world)
        told.append(world.told(WORKLOAD))
    assert told == [1, 1, 4, 4]  # idle at 0; more than six in flight at 30


def test_it_never_goes_to_zero_nor_above_the_most() -> None:
    given = backtests.scenario(backtests.every(0.125, 60), duration_s=500.0, agreed={"max_replicas": 3})
    made = running.run(given, keda.Keda({SERVICE: keda.Setting(share=0.01, queue=1.0)}))
    alive = [sum(item.asked_s <= at < item.removed_s for item in made.replicas) for at in range(500)]
    assert (min(alive), max(alive)) == (1, 3)


def test_a_point_of_the_search_is_a_setting() -> None:
    built = keda.Keda.of({SERVICE: keda.searching.Choice(amount=0.5, variant=8.0)})
    assert built._settings == {SERVICE: keda.Setting(share=0.5, queue=8.0)}
