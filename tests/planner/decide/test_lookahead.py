"""Fleets judged by simulated futures: the search finds what trying all finds, and says what it costs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from support.ahead import demand
from tenbin_planner.decide import futures, lookahead
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective

PROFILE = catalogue.profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"]
CHAT = Objective(target="0.99", ttft_ms=1500, tpot_ms=80)
TIGHT = Objective(target="0.99", ttft_ms=600, tpot_ms=60)
LEAD_S = 60.0


def setting(rate: float, *, ready: int = 3, starting_s: tuple[float, ...] = (), **changes: Any) -> lookahead.Setting:
    drawn = futures.draw(demand(rate, horizon_s=200.0))
    group = lookahead.Group(
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
    risky = dataclasses.replace(made.groups[0], lost=lambda count, _: count - 1)
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
