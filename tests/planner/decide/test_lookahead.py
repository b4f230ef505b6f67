"""Fleets judged by simulated futures: the search finds what trying all finds, and says what it costs."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from support.ahead import demand
from tenbin_planner.decide import futures, lookahead, playing
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective

PROFILE = catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"]
CHAT = Objective(target="0.99", ttft_ms=1500, tpot_ms=80)
TIGHT = Objective(target="0.99", ttft_ms=600, tpot_ms=60)
LEAD_S = 60.0


def setting(rate: float, *, ready: int = 3, starting_s: tuple[float, ...] = (), **changes: Any) -> lookahead.Setting:
    drawn = futures.draw(demand(rate, horizon_s=200.0))
    group = playing.Group(
        name="w",
        profile=PROFILE,
        usd_per_s=1.0 / 3600,
        ready=ready,
        starting_s=starting_s,
        lead_s=(LEAD_S,) * len(drawn),
    )
    made = lookahead.Setting(
        futures=drawn,
        groups=(group,),
        objectives={"batch": CHAT, "chat": CHAT},
        miss_usd={"batch": 0.002, "chat": 0.002},
        horizon_s=200.0,
        drain_s=15.0,
    )
    return dataclasses.replace(made, **changes)


def search(made: lookahead.Setting) -> lookahead.Search:
    return lookahead.Search(made, lambda count: {"w": count})


def value(made: lookahead.Setting, count: int) -> float:
    """Judge one fleet with nothing left out."""
    found = search(made)
    worth = 0.0
    for item in found.results(count):
        bad = ~item.result.good(made.objectives)[item.present :]
        classes = item.result.arrivals.class_index[item.present :][bad]
        worth += item.weight * sum(made.miss_usd[item.result.arrivals.classes[index]] for index in classes.tolist())
    return found.usd(count) + worth


@pytest.mark.parametrize(("rate", "ready"), [(0.5, 3), (2.0, 1), (4.0, 2), (6.0, 4), (9.0, 1), (12.0, 5)])
def test_what_is_chosen_is_worth_more_than_its_neighbours(rate: float, ready: int) -> None:
    made = setting(rate, ready=ready)
    found = search(made).best(ready, least=1, most=8)
    chosen = value(made, found.count)
    assert chosen <= value(made, ready) + 1e-9
    if found.count > ready:
        assert chosen <= value(made, found.count - 1) + 1e-9


def test_an_overload_is_climbed_out_of_in_one_decision() -> None:
    found = search(setting(25.0, ready=1)).best(1, least=1, most=16)
    assert found.count >= 5
    assert found.saved_misses is not None
    assert found.saved_misses > 0


def test_bounds_are_kept() -> None:
    assert search(setting(4.0, ready=1)).best(1, least=1, most=2).count == 2
    assert search(setting(0.2, ready=6)).best(6, least=4, most=8).count >= 4


def test_a_replica_that_does_not_serve_yet_goes_more_readily_than_one_that_does() -> None:
    starting = setting(1.0, ready=2, starting_s=(50.0,))
    running = setting(1.0, ready=3)
    saved = [search(made).usd(3) - search(made).usd(2) for made in (starting, running)]
    assert saved[0] == pytest.approx(200.0 / 3600)
    assert saved[1] == pytest.approx((200.0 - running.stop_s) / 3600)


def test_who_has_paid_in_vain_need_not_wait_any_longer() -> None:
    fresh, spare = setting(1.0), setting(1.0, spare_s=10_000.0)
    assert fresh.stop_s > spare.stop_s == spare.drain_s


@pytest.mark.parametrize("rate", [4.0, 9.0])
def test_dearer_misses_never_have_fewer_replicas(rate: float) -> None:
    counts = []
    for usd in (0.0001, 0.001, 0.01, 0.1):
        made = setting(rate, ready=2, miss_usd={"batch": usd, "chat": usd})
        counts.append(search(made).best(2, least=1, most=12).count)
    assert counts == sorted(counts)


def test_spot_replicas_that_are_lost_serve_no_more() -> None:
    made = setting(9.0, ready=4)
    risky = dataclasses.replace(made.groups[0], losses=lambda count: np.eye(count + 1)[count - 1])
    both = (made, dataclasses.replace(made, groups=(risky,)))
    misses = [search(each).best(4, least=4, most=4).misses for each in both]
    assert misses[1] > misses[0]


@pytest.mark.parametrize("rate", [60.0, 100.0])
def test_a_few_replicas_stand_for_a_large_fleet(rate: float) -> None:
    made = setting(rate, ready=24, objectives={"batch": CHAT, "chat": TIGHT})
    small = search(made).results(24)
    whole = [fleet.simulate(item.arrivals, fleet.fixed(PROFILE, 24)) for item in made.futures]
    kept_by_few = sum(item.weight * np.mean(item.result.good(made.objectives)[item.present :]) for item in small)
    kept_by_all = sum(
        future.weight * np.mean(result.good(made.objectives))
        for future, result in zip(made.futures, whole, strict=True)
    )
    assert len(small[0].result.arrivals) < len(whole[0].arrivals) / 2
    assert kept_by_few == pytest.approx(kept_by_all, abs=0.03)


@pytest.mark.parametrize("usd", [0.0005, 0.01])
@pytest.mark.parametrize(("rate", "ready"), [(1.5, 6), (5.0, 6), (5.0, 2), (8.0, 3), (12.0, 9), (18.0, 1)])
def test_the_search_finds_what_trying_all_finds(rate: float, ready: int, usd: float) -> None:
    made = setting(rate, ready=ready, miss_usd={"batch": usd, "chat": usd})
    values = {count: value(made, count) for count in range(1, 13)}
    found = search(made).best(ready, least=1, most=12)
    rent_usd = made.horizon_s * min(group.usd_per_s for group in made.groups)
    spared = 0.0 if found.count != ready else lookahead.NOISE * rent_usd
    assert values[found.count] <= min(values.values()) * (1 + 1e-6) + spared
    assert found.judged <= 9


@pytest.mark.parametrize("rate", np.arange(4.0, 12.0, 0.5))
def test_a_change_is_worth_more_than_a_part_of_a_replicas_rent(rate: float) -> None:
    made = setting(float(rate), ready=6)
    rent_usd = made.horizon_s * min(group.usd_per_s for group in made.groups)
    found = search(made).best(6, least=1, most=12)
    assert found.count == 6 or value(made, 6) - value(made, found.count) >= lookahead.NOISE * rent_usd


def test_a_fleet_far_too_large_shrinks_in_one_decision_with_few_fleets_judged() -> None:
    found = search(setting(1.0, ready=60, spare_s=10_000.0)).best(60, least=1, most=60)
    assert found.count <= 3
    assert found.judged <= 16


def test_a_starting_replica_is_cancelled_where_a_ready_one_is_not_stopped() -> None:
    assert search(setting(6.0, ready=3, starting_s=(50.0, 50.0, 50.0))).best(6, least=1, most=8).count < 6
    steady = [search(setting(6.0, ready=6, drain_s=seconds)).best(6, least=1, most=8).count for seconds in (5.0, 200.0)]
    assert steady[1] == 6  # what a stop saves goes into its drain


def test_what_one_fleet_comes_to_does_not_depend_on_what_was_judged_before() -> None:
    made = setting(8.0, ready=3)
    fresh, used = search(made), search(made)
    used.best(3, least=1, most=12)
    for count in range(1, 9):
        one, other = fresh.judged(count, 3), used.judged(count, 3)
        assert (one.misses, one.usd) == (other.misses, other.usd)


def test_more_replicas_never_miss_more_on_the_same_luck() -> None:
    found = search(setting(9.0, ready=1))
    misses = [found.judged(count, 1).misses for count in range(1, 9)]
    for fewer, more in itertools.pairwise(misses):
        assert more <= 1.02 * fewer + 1.0


def shares(made: lookahead.Setting, count: int) -> tuple[float, float, float]:
    """Return the share of misses, and the 95th percentiles of TTFT and TPOT of the median future."""
    played = search(made).results(count)
    missed = sum(
        item.weight
        * np.average(~item.result.good(made.objectives)[item.present :], weights=item.stands_for[item.present :])
        for item in played
    )
    usual = played[5].result
    return float(missed), *(float(np.nanquantile(times, 0.95)) for times in (usual.ttft_ms, usual.tpot_ms))


def test_few_stand_for_many_from_light_load_to_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    for per_replica in (1.0, 2.2, 2.8, 4.0):
        made = setting(per_replica * 40, ready=40, objectives={"batch": CHAT, "chat": TIGHT})
        few = shares(made, 40)
        with monkeypatch.context() as patched:
            patched.setattr(playing, "EXACT", 1000)
            all_of_them = shares(made, 40)
        assert few[0] == pytest.approx(all_of_them[0], abs=0.03)
        if all_of_them[0] < 0.5:  # in an overload times grow without end
            assert few[1:] == pytest.approx(all_of_them[1:], rel=0.1)


@pytest.mark.parametrize(("ready", "count"), [(2, 17), (4, 20), (12, 30), (30, 24)])
def test_few_stand_for_many_while_the_fleet_changes(monkeypatch: pytest.MonkeyPatch, ready: int, count: int) -> None:
    made = setting(2.0 * count, ready=ready, starting_s=(10.0,) * min(3, max(0, count - ready)))
    few = shares(made, count)[0]
    monkeypatch.setattr(playing, "EXACT", 1000)
    assert few == pytest.approx(shares(made, count)[0], abs=0.05)


def test_a_share_of_the_requests_tells_what_all_of_them_do(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = setting(80.0, ready=32)
    drawn = futures.draw(demand(80.0, horizon_s=200.0, share=playing.share_for(32)))
    part = dataclasses.replace(whole, futures=drawn)
    assert search(part).requests == pytest.approx(search(whole).requests, rel=0.02)
    assert shares(part, 32)[0] == pytest.approx(shares(whole, 32)[0], abs=0.03)
    monkeypatch.setattr(futures, "MOST_REQUESTS", 4000)
    drawn = futures.draw(demand(80.0, horizon_s=200.0))
    assert all(item.share < 0.6 for item in drawn)
    for count in (8, 24, 32):
        cut = shares(dataclasses.replace(whole, futures=drawn), count)[0]
        assert cut == pytest.approx(shares(whole, count)[0], abs=0.05)


def test_a_large_fleet_of_two_kinds_is_represented_by_both() -> None:
    slow = PROFILE.model_copy(
        update={"forward": PROFILE.forward.model_copy(update={"per_prefill_context_ms": 0.5}), "name": "slow"}
    )
    made = setting(60.0, ready=12)
    other = dataclasses.replace(made.groups[0], name="x", profile=slow)
    both = dataclasses.replace(made, groups=(made.groups[0], other))
    found = lookahead.Search(both, lambda count: {"w": count // 2, "x": count - count // 2})
    used = {int(index) for item in found.results(24) for index in item.result.replica}
    assert max(used) == playing.SMALL - 1
    alone = dataclasses.replace(made, groups=(dataclasses.replace(made.groups[0], ready=24),))
    assert found.judged(24, 24).misses > search(alone).judged(24, 24).misses


def test_no_replica_misses_all_and_costs_nothing() -> None:
    found = search(setting(3.0, ready=0)).judged(0, 0)
    assert found.usd == 0
    assert found.misses == pytest.approx(found.requests)


def test_losses_count_by_their_chance_however_rare_they_are() -> None:
    made = setting(9.0, ready=4)

    def misses(chance: float) -> float:
        def losses(count: int) -> np.ndarray:
            return np.append(1 - chance, np.append(np.zeros(count - 1), chance))

        risky = dataclasses.replace(made.groups[0], losses=losses)
        return search(dataclasses.replace(made, groups=(risky,))).judged(4, 4).misses

    calm, rare, often = misses(0.0), misses(0.001), misses(0.1)
    assert calm == search(made).judged(4, 4).misses
    assert often - calm == pytest.approx(100 * (rare - calm))
    assert often > calm + 0.1 * 100


def test_lead_times_of_all_futures_are_as_late_as_the_law_of_leads() -> None:
    lateness = np.array([item.lateness for item in setting(1.0).futures])
    weights = np.array([item.weight for item in setting(1.0).futures])
    assert weights @ lateness == pytest.approx(0.5)
    for share in (0.25, 0.5, 0.75):
        assert weights[lateness < share].sum() == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("limit", [2000, 6000])
def test_a_fleet_whose_only_replica_stops_before_the_next_serves_loses_no_request(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    whole = setting(60.0, ready=1)
    whole = dataclasses.replace(
        whole, groups=(whole.groups[0], dataclasses.replace(whole.groups[0], name="x", ready=0))
    )
    monkeypatch.setattr(futures, "MOST_REQUESTS", limit)
    some = dataclasses.replace(whole, futures=futures.draw(demand(60.0, horizon_s=200.0)))
    misses = [lookahead.Search(made, lambda count: {"w": 0, "x": count}).judged(1, 1).misses for made in (whole, some)]
    assert misses[1] == pytest.approx(misses[0], rel=0.1)
