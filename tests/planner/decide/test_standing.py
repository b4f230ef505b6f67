"""What was judged stands while nothing that matters has moved, and no longer."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tenbin_planner.decide import lookahead
from tenbin_planner.decide.standing import LONGEST_S, STILL, Standing, View

VIEW = View(
    level_rps=10.0,
    ahead_rps=12.0,
    output_tokens=100.0,
    in_flight=400,
    waiting=0,
    fleet=(("w", 4, 1, 0),),
    miss_usd=0.001,
)
JUDGED = lookahead.Judged(
    count=5,
    misses=1.0,
    requests=100.0,
    usd=1.0,
    saved_misses=None,
    judged=2,
    miss_usd=0.001,
    horizon_s=60.0,
    weighed=(),
    is_spare=False,
)
STANDING = Standing(at=1000.0, view=VIEW, judged=JUDGED)


def test_it_stands_for_a_while() -> None:
    assert STANDING.holds(VIEW, 1000.0)
    assert STANDING.holds(VIEW, 1000.0 + LONGEST_S)
    assert not STANDING.holds(VIEW, 1001.0 + LONGEST_S)
    assert not STANDING.holds(VIEW, 999.0)


@pytest.mark.parametrize("field", ["level_rps", "ahead_rps", "output_tokens", "miss_usd", "in_flight"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_number_that_moved_is_judged_anew(field: str, sign: int) -> None:
    for share, holds in ((0.5 * STILL, True), (20 * STILL, False)):
        moved: Any = getattr(VIEW, field) * (1 + sign * share)
        assert STANDING.holds(dataclasses.replace(VIEW, **{field: moved}), 1010.0) is holds


@pytest.mark.parametrize("changes", [{"waiting": 1}, {"fleet": (("w", 3, 1, 0),)}, {"fleet": (("w", 4, 1, 1),)}])
def test_a_queue_or_another_fleet_is_judged_anew(changes: dict[str, Any]) -> None:
    assert not STANDING.holds(dataclasses.replace(VIEW, **changes), 1010.0)


def test_a_queue_that_was_there_is_judged_anew_though_it_is_the_same() -> None:
    queued = dataclasses.replace(VIEW, waiting=7)
    assert not dataclasses.replace(STANDING, view=queued).holds(queued, 1001.0)
