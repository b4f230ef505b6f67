"""Improving schedules by trial, on costs that are known: each minute wants a number of replicas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenbin_planner.backtest import improving, replays

REQUESTS = 100.0
"""Of each minute; those miss for which there is no replica."""


class Fleet:
    """A service of which each missing replica of a minute costs a fifth of its requests."""

    def __init__(self, seed: int, size: int = 200) -> None:
        rng = np.random.default_rng(seed)
        self.wanted = rng.integers(1, 6, size // 10).repeat(10)
        self.plays = 0

    def play(self, counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> replays.Replay:
        self.plays += 1
        missed = REQUESTS * np.clip((self.wanted - counts) / 5, 0, 1)
        return replays.Replay(
            attainment=1 - float(missed.sum()) / (REQUESTS * counts.size),
            usd=float(counts.sum()),
            usd_by_minute=counts.astype(np.float64),
            missed=missed,
        )


LIMITS = improving.Limits(least=1, most=8, before=1, after=2)


def improve(fleet: Fleet, start: int = 5, *, trials: int = 60, target: float = 0.99) -> improving.Improved:
    counts = np.full(fleet.wanted.size, start)
    return improving.improve(fleet.play, counts, LIMITS, miss_usd=0.1, target=target, trials=trials)


@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_it_comes_near_the_least_that_reaches_the_target(seed: int) -> None:
    fleet = Fleet(seed)
    found = improve(fleet, trials=150)
    assert found.replay.attainment >= 0.99
    assert found.replay.usd <= 1.1 * fleet.wanted.sum()


@pytest.mark.parametrize("start", [1, 5, 8])
def test_it_is_never_worse_than_where_it_began(start: int) -> None:
    fleet = Fleet(1)
    began = fleet.play(np.full(fleet.wanted.size, start))
    found = improve(fleet, start).replay
    if began.attainment >= 0.99:
        assert found.attainment >= 0.99
        assert found.usd <= began.usd
    else:
        assert found.attainment >= began.attainment


def test_it_keeps_within_limits() -> None:
    fleet = Fleet(2)
    fleet.wanted *= 3
    found = improve(fleet, trials=100)
    assert found.counts.min() >= LIMITS.least
    assert found.counts.max() <= LIMITS.most


def test_the_same_gives_the_same() -> None:
    first, second = improve(Fleet(3)), improve(Fleet(3))
    assert (first.counts == second.counts).all()
    assert (first.miss_usd, first.replay.usd) == (second.miss_usd, second.replay.usd)


def test_a_higher_target_costs_more() -> None:
    assert improve(Fleet(4), target=0.999).replay.usd > improve(Fleet(4), target=0.9).replay.usd


def test_without_trials_it_is_what_it_was() -> None:
    fleet = Fleet(5)
    found = improve(fleet, trials=0)
    assert (found.counts == 5).all()
    assert fleet.plays == 1
