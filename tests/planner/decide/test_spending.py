"""Monthly caps: months as the calendar has them, money counted as it is spent, a pace that holds the cap."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenbin_planner.decide import months, spending
from tenbin_planner.decide.spending import STACK, SpendingMemory
from tenbin_spec.reasons import Reason

HOUR_S, DAY_S = 3600.0, 86_400.0


def moment(year: int, month: int, day: int = 1, hour: int = 0) -> float:
    return datetime.datetime(year, month, day, hour, tzinfo=datetime.UTC).timestamp()


JUNE, JULY = moment(2026, 6), moment(2026, 7)


@given(st.integers(0, int(moment(9999, 12, 31))))
def test_months_are_those_of_the_calendar(at: int) -> None:
    expected = datetime.datetime.fromtimestamp(at, tz=datetime.UTC)
    assert months.month_of(at) == (expected.year, expected.month)
    start_s, end_s = months.borders_s(at)
    assert start_s == expected.replace(day=1, hour=0, minute=0, second=0).timestamp()
    assert start_s <= at < end_s
    assert months.borders_s(end_s)[0] == end_s


@pytest.mark.parametrize(("year", "days"), [(2000, 29), (2024, 29), (2026, 28), (2100, 28)])
def test_february_has_its_leap_days(year: int, days: int) -> None:
    start_s, end_s = months.borders_s(moment(year, 2, 10))
    assert end_s - start_s == days * DAY_S


def watched(*rates: float, step_s: float = HOUR_S, start_s: float = JUNE) -> SpendingMemory:
    """Return the memory of a service that cost so much per hour from one step to the next."""
    memory = spending.spend(SpendingMemory(), {"chat": rates[0] if rates else 0}, at=start_s)
    for number, rate in enumerate(rates):
        memory = spending.spend(memory, {"chat": rate}, at=start_s + (number + 1) * step_s)
    return memory


def allowed(memory: SpendingMemory, cap: str, *, at: float, least: str = "0") -> spending.Allowance:
    return spending.allowance_hourly_usd(memory, "chat", Decimal(cap), at=at, least_hourly_usd=Decimal(least))


def test_money_is_counted_by_service_and_for_the_stack() -> None:
    memory = spending.spend(SpendingMemory(), {"chat": Decimal(2), "code": Decimal(3)}, at=JUNE)
    memory = spending.spend(memory, {"chat": Decimal(2), "code": Decimal(5)}, at=JUNE + HOUR_S)
    assert memory.of("chat").month_usd == pytest.approx(2)
    assert memory.of("code").month_usd == pytest.approx(4)
    assert memory.of(STACK).month_usd == pytest.approx(6)


def test_a_step_over_the_border_counts_in_the_new_month_from_the_border_on() -> None:
    memory = spending.spend(SpendingMemory(), {"chat": 4}, at=JULY - 3 * HOUR_S)
    memory = spending.spend(memory, {"chat": 4}, at=JULY + HOUR_S)
    assert memory.of("chat").month_usd == pytest.approx(4)
    assert memory.since == JULY


def test_a_long_gap_counts_as_a_day() -> None:
    memory = spending.spend(SpendingMemory(), {"chat": 1}, at=JUNE)
    assert spending.spend(memory, {"chat": 1}, at=JUNE + 5 * DAY_S).of("chat").month_usd == pytest.approx(24)


def test_a_clock_that_lags_changes_nothing_and_one_that_was_far_ahead_begins_anew() -> None:
    memory = watched(*[2.0] * 48)
    assert spending.spend(memory, {"chat": 9}, at=JUNE + 47 * HOUR_S) == memory
    assert spending.spend(memory, {"chat": 9}, at=JUNE - 3 * DAY_S).spent == {}


def test_without_a_past_the_even_pace_is_allowed() -> None:
    found = allowed(SpendingMemory(), "720.00", at=JUNE)
    assert found.hourly_usd == Decimal("1.00")
    assert found.reason is Reason.MONTHLY_CAP
    assert found.detail == "0.00 of 720.00 USD spent, 720 h of the month left; 1.00 USD per hour allowed"


def test_time_before_the_first_look_counts_as_spent_evenly() -> None:
    memory = watched(0, start_s=moment(2026, 6, 16))
    assert allowed(memory, "720.00", at=moment(2026, 6, 16, 1)).even_hourly_usd == pytest.approx(Decimal("1.0028"), 3)


def test_a_peak_borrows_from_the_night() -> None:
    memory = watched(*[0.25] * 12)
    found = allowed(memory, "720.00", at=JUNE + 12 * HOUR_S)
    assert found.hourly_usd > 4
    assert found.even_hourly_usd < Decimal("1.02")


def test_a_fleet_that_spent_too_much_may_still_spend_the_even_pace() -> None:
    found = allowed(watched(*[4.0] * 72), "720.00", at=JUNE + 72 * HOUR_S)
    assert found.hourly_usd == found.even_hourly_usd == pytest.approx(Decimal((720 - 288) / 648), abs=Decimal("0.001"))


def test_the_minimum_runs_in_any_case_and_what_it_costs_is_said() -> None:
    memory = watched(*[4.0] * 240)
    found = allowed(memory, "720.00", at=JUNE + 240 * HOUR_S, least="0.80")
    assert found.hourly_usd == Decimal("0.80")
    assert found.reason is Reason.MINIMUM
    assert found.left_usd == 0
    assert found.over_usd == Decimal("384.00")
    assert found.detail == (
        "960.00 of 720.00 USD spent, 480 h of the month left; 0.00 USD per hour would hold the cap,"
        " the minimum costs 0.80; the month ends 384.00 USD over the cap"
    )


def test_a_day_that_is_as_dear_as_the_cap_allows_is_paid_almost_in_full() -> None:
    """Nights of half and days of one and a half of the even pace, from the second day on."""
    memory, wanted_usd = spending.spend(SpendingMemory(), {"chat": 0.5}, at=JUNE), 0.0
    got_usd = 0.0
    for hour in range(20 * 24):
        at = JUNE + hour * HOUR_S
        wanted = 0.5 if hour % 24 < 12 else 1.5
        got = min(wanted, float(allowed(memory, "720.00", at=at).hourly_usd))
        memory = spending.spend(memory, {"chat": got}, at=at + 1)
        memory = spending.spend(memory, {"chat": got}, at=at + HOUR_S)
        if hour >= 24:
            wanted_usd, got_usd = wanted_usd + wanted, got_usd + got
    assert got_usd > 0.95 * wanted_usd


wishes = st.lists(st.floats(0, 60), min_size=1, max_size=40)


@settings(max_examples=12, deadline=None)
@given(wishes, st.integers(0, 29))
def test_who_stays_within_the_allowance_stays_within_the_cap(wanted: list[float], first: int) -> None:
    cap, at = Decimal("720.00"), JUNE + first * DAY_S
    memory, spent_usd = SpendingMemory(), 0.0
    while at < JULY:
        wish = wanted[int((at - JUNE) // (6 * HOUR_S)) % len(wanted)]
        memory = spending.spend(memory, memory.hourly_usd, at=at)
        allowance = allowed(memory, str(cap), at=at)
        assert allowance.hourly_usd >= allowance.even_hourly_usd > 0
        rate = min(wish, float(allowance.hourly_usd))
        memory = dataclasses.replace(memory, hourly_usd={"chat": rate})
        spent_usd += rate
        at += HOUR_S
    assert spent_usd <= float(cap) * (30 - first) / 30 + 0.01


def test_a_month_of_ticks_stays_small() -> None:
    memory = watched(*[3.3333333] * 2000, step_s=1234.5)
    assert len(json.dumps(memory.to_plain())) < 3000


hostile = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0, 5, -1, 10**12, 10**400])
times = hostile | st.floats(JUNE, JULY + 90 * DAY_S)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(times, st.dictionaries(st.sampled_from(["chat", "code"]), hostile)), max_size=6),
    times,
    st.decimals(0, 10**9 - 1, places=2),
    st.decimals(0, 10**6, places=2),
)
def test_whatever_is_seen_the_allowance_is_money_and_memory_survives(
    looks: list[tuple[float, dict[str, float]]], at: float, cap: Decimal, least: Decimal
) -> None:
    memory = SpendingMemory()
    for moment_s, rates in looks:
        memory = spending.spend(memory, rates, at=moment_s)
    assert spending.from_plain(json.loads(json.dumps(memory.to_plain(), allow_nan=False))) == memory
    for payer in ("chat", STACK):
        found = spending.allowance_hourly_usd(memory, payer, cap, at=at, least_hourly_usd=least)
        assert found.hourly_usd.is_finite()
        assert found.hourly_usd >= least
        assert 0 <= found.left_usd <= cap
        assert found.over_usd >= 0


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"at": math.inf, "since": 0, "hourly_usd": {}, "spent": {}},
        {"at": 0, "since": 0, "hourly_usd": {"chat": -1}, "spent": {}},
        {"at": 0, "since": 0, "hourly_usd": {}, "spent": {"chat": {"month_usd": math.nan, "hours": {}}}},
        {"at": 0, "since": 0, "hourly_usd": {}, "spent": {"chat": {}}},
        {"at": 0, "since": 0, "hourly_usd": [], "spent": {}},
    ],
)
def test_what_was_not_written_so_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="memory of money"):
        spending.from_plain(plain)
