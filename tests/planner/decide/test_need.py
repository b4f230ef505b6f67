"""Rates that a fleet must carry: forecast and backlog."""

from __future__ import annotations

import numpy as np
import pytest
from tenbin_planner.decide import need, outlook
from tenbin_planner.decide.outlook import outlooks

STEP_S = 0.1


def needed(
    level: float, trend: float = 0.0, *, backlog: int = 0, supplies: tuple[need.Supply, ...] = ()
) -> need.Needed:
    middles = (np.arange(1000) + 0.5) * STEP_S
    known = outlook.Outlook(
        at=0.0,
        step_s=STEP_S,
        centre=level + trend * middles,
        spread=np.zeros(middles.size),
        added=0.0,
        dispersion=1.0,
        table=np.zeros((middles.size, outlooks.Z.size)),
        coverage=(),
    )
    return need.needed(known, lead_s=20.0, drain_s=10.0, backlog=backlog, supplies=supplies)


def supply(bound_rps: float, *, from_s: float = 0.0) -> need.Supply:
    return need.Supply(from_s=from_s, bound_rps=bound_rps)


def test_a_rising_rate_is_bought_for_a_lead_time_ahead() -> None:
    found = needed(10, 0.5, supplies=(supply(100),))
    assert (found.at_lead, found.until_lead) == (20.0, 20.0)


def test_a_falling_rate_is_kept_for_as_it_is_now() -> None:
    found = needed(20, -0.5, supplies=(supply(100),))
    assert found.at_lead == pytest.approx(10.0)
    assert found.until_lead == pytest.approx(20.0, abs=0.05)


def test_a_backlog_that_the_fleet_absorbs_before_help_could_come_buys_nothing() -> None:
    assert needed(10, backlog=30, supplies=(supply(12),)).at_lead == 10.0  # 2/s of room work off 40 in 20 s


def test_what_still_waits_after_the_lead_time_is_worked_off_in_the_drain_time() -> None:
    found = needed(10, backlog=60, supplies=(supply(12),))  # 60 - 2/s * 20 s = 20 left, over 10 s
    assert found.backlog_at_lead == pytest.approx(20)
    assert found.at_lead == pytest.approx(12)
    assert found.backlog_rps == pytest.approx(2)


def test_too_little_supply_makes_a_backlog_of_the_forecast() -> None:
    found = needed(10, supplies=(supply(7),))
    assert found.backlog_at_lead == pytest.approx(60)


def test_starting_replicas_work_off_from_when_they_serve() -> None:
    found = needed(10, supplies=(supply(7), supply(7, from_s=10.0)))  # -3/s for 10 s, then +4/s for 10 s
    assert found.backlog_at_lead == 0


def test_without_any_supply_all_that_comes_waits() -> None:
    assert needed(10).backlog_at_lead == pytest.approx(200)
