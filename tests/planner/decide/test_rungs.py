"""The ladder of fleets: cheapest first up, dearest first down, closed pools left alone, a floor off spot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.planning import TEN_PER_REPLICA
from tenbin_planner.decide.options import Option
from tenbin_planner.decide.rungs import Ladder
from tenbin_spec.reasons import Reason


def option(name: str, usd: str, **changes: Any) -> Option:
    plain: dict[str, Any] = {
        "name": name,
        "pool": name,
        "accelerators": 1,
        "hourly_usd": Decimal(usd),
        "capacity": TEN_PER_REPLICA,
        "max_replicas": 4,
        "closed": None,
        "floor": 0,
        "current": 0,
        "ready": 0,
    }
    return Option(**{**plain, **changes})


SPOT, FIRM = option("spot", "0.4", is_spot=True, current=2, ready=2), option("firm", "1.0", current=1, ready=1)


def test_growing_fills_the_cheapest_pool_first() -> None:
    ladder = Ladder(options=(FIRM, SPOT), least_firm=0)
    assert [ladder.rung(count) for count in (4, 6)] == [{"firm": 1, "spot": 3}, {"firm": 2, "spot": 4}]


def test_shrinking_empties_the_dearest_pool_first() -> None:
    assert Ladder(options=(FIRM, SPOT), least_firm=0).rung(1) == {"firm": 0, "spot": 1}


def test_the_floor_off_spot_stays_and_is_filled_first() -> None:
    assert Ladder(options=(FIRM, SPOT), least_firm=1).rung(1) == {"firm": 1, "spot": 0}
    assert Ladder(options=(FIRM, SPOT), least_firm=3).rung(5) == {"firm": 3, "spot": 2}


def test_a_closed_pool_gets_nothing_more() -> None:
    closed = option("spot", "0.4", is_spot=True, current=2, ready=2, closed=Reason.STUCK_PENDING)
    ladder = Ladder(options=(FIRM, closed), least_firm=0)
    assert ladder.rung(5) == {"firm": 3, "spot": 2}
    assert ladder.most == 6


@given(st.integers(0, 12), st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_a_rung_has_so_many_replicas_as_there_can_be(count: int, spot: int, firm: int, least_firm: int) -> None:
    options = (
        option("spot", "0.4", is_spot=True, current=spot, ready=spot),
        option("firm", "1.0", current=firm, ready=firm),
    )
    ladder = Ladder(options=options, least_firm=least_firm)
    assert sum(ladder.rung(count).values()) == min(count, ladder.most)
    assert all(0 <= n <= 4 for n in ladder.rung(count).values())


def test_no_rung_is_below_what_a_person_has_set() -> None:
    options = option("cheap", "1", current=2), option("dear", "5", floor=1)
    found = Ladder(options=options, least_firm=0)
    assert found.least == 1
    assert found.rung(0) == {"cheap": 0, "dear": 1}
    assert found.rung(2) == {"cheap": 1, "dear": 1}
    assert found.rung(4) == {"cheap": 3, "dear": 1}
