"""The menu of a small service, by the real simulator."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import stacks
from tenbin_planner import traces
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.menu import demand, offers
from tenbin_planner.menu.ladder import StepName
from tenbin_planner.model import fleet
from tenbin_spec.document import Document, document_of


@pytest.fixture(scope="module", autouse=True)
def _few_requests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demand, "REQUESTS", 8_000)
        yield


def document(**replacements: Any) -> Document:
    return document_of(stacks.stack(**replacements), "dev")


def menu(agreed: Document | None = None, *, trace: traces.Trace | None = None, **options: Any) -> offers.Menu:
    loaded = {} if trace is None else {"chat": trace}
    return offers.of(Scenario(name="dev", document=agreed or document(), traces=loaded), "chat", **options)


def slo(**classes: dict[str, Any]) -> dict[str, Any]:
    return {"window": "30d", "classes": classes, "default_class": next(iter(classes))}


def price(offer: offers.Offer) -> Decimal | float:
    return math.inf if offer.hourly_usd is None else offer.hourly_usd


def assert_monotone(found: offers.Menu) -> None:
    for step in found.steps:
        row = [price(found.at(step.name, target)) for target in found.targets]
        assert row == sorted(row)
    for target in found.targets:
        column = [price(offer) for offer in found.column(target)]
        assert column == sorted(column, reverse=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(100, 4000),
    st.integers(30, 150),
    st.sampled_from(["0.8", "0.9", "0.97", "0.99", "0.9995"]),
    st.floats(1, 40),
    st.integers(1, 12),
)
def test_a_more_demanding_slo_is_never_cheaper(
    ttft_ms: int, tpot_ms: int, target: str, peak: float, replicas: int
) -> None:
    agreed = document(
        services__chat__slo=slo(
            a={"target": target, "ttft_ms": ttft_ms, "tpot_ms": tpot_ms}, b={"target": "0.9", "e2e_ms": 60_000}
        ),
        services__chat__workload__requests_per_second={"expected": 1.0, "peak": peak},
        services__chat__replicas={"min": 0, "max": replicas},
    )
    assert_monotone(menu(agreed))


def test_nor_is_it_on_a_recorded_trace() -> None:
    trace = traces.load("generate:step,before=4,after=16,at_s=120,minutes=5,input=300/900,output=60/160,seed=2")
    assert_monotone(menu(trace=trace))


def test_more_load_is_never_cheaper() -> None:
    found = []
    for peak in (4.0, 8.0, 12.0, 16.0, 20.0):
        agreed = document(services__chat__workload__requests_per_second={"expected": 1.0, "peak": peak})
        found.append(price(menu(agreed).agreed))
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_the_fleet_is_the_smallest_that_keeps_the_objective_in_the_simulator() -> None:
    agreed = document()
    found = menu(agreed).agreed
    profile = agreed.workloads[0].profile
    assert profile is not None
    assert found.fleet is not None
    requests = demand.Demand.declared(agreed.services["chat"], longest=8192)
    good = []
    for replicas in (found.fleet.replicas - 1, found.fleet.replicas):
        result = fleet.simulate(requests.arrivals, fleet.fixed(profile, replicas))
        good.append(float(result.good({"": found.step.objective})[requests.warm_up :].mean()))
    assert good[0] < 0.99 <= good[1] == found.share


def test_cheap_pools_are_filled_first_and_the_bill_is_theirs() -> None:
    found = menu().at(StepName.FASTER, Decimal("0.99"))
    assert found.fleet is not None
    spot, firm = found.fleet.by_pool["l4-spot"], found.fleet.by_pool["l4"]
    assert spot == 2
    assert found.hourly_usd == 2 * Decimal("0.36") + firm * Decimal("0.8048")
    assert found.monthly_usd == found.hourly_usd * 730
    tokens = Decimal(3 * 60 * 3600)
    assert found.million_usd == (found.hourly_usd * 1_000_000 / tokens).quantize(Decimal("0.0001"))


def test_what_no_fleet_keeps_has_a_share_and_no_price() -> None:
    found = menu().at(StepName.FASTEST, Decimal("0.999"))
    assert (found.fleet, found.hourly_usd, found.monthly_usd, found.million_usd) == (None, None, None, None)
    assert 0.5 < found.share < 0.999
    assert found.largest == 6


def test_a_fleet_that_falls_behind_for_ever_is_none() -> None:
    agreed = document(
        services__chat__slo=slo(a={"target": "0.01", "e2e_ms": 86_400_000}),
        services__chat__replicas={"min": 1, "max": 2},
        services__chat__workload__requests_per_second={"expected": 1.0, "peak": 30.0},
    )
    found = menu(agreed).agreed
    assert found.fleet is None
    assert found.share > 0.9


def test_a_pool_that_is_too_slow_is_left_aside_however_cheap() -> None:
    agreed = document()
    slow = [
        item.model_copy(update={"profile": item.profile.model_copy(update={"forward": item.profile.forward.scaled(3)})})
        if item.pool == "l4-spot" and item.profile is not None
        else item
        for item in agreed.workloads
    ]
    found = menu(agreed.model_copy(update={"workloads": tuple(slow)}))
    assert found.agreed.fleet is not None
    assert set(found.agreed.fleet.by_pool) == {"l4"}
    assert found.agreed.hourly_usd == found.agreed.fleet.replicas * Decimal("0.8048")


def test_the_part_that_never_runs_on_spot_does_not() -> None:
    found = menu(document(services__chat__replicas={"min": 1, "max": 6, "on_demand_min": 1}))
    for offer in found.offers.values():
        assert offer.fleet is None or offer.fleet.by_pool["l4"] >= 1


def test_no_fleet_is_smaller_than_the_agreed_minimum() -> None:
    found = menu(document(services__chat__replicas={"min": 3, "max": 6}))
    assert min(offer.fleet.replicas for offer in found.offers.values() if offer.fleet is not None) == 3


def test_other_classes_keep_what_they_have_agreed() -> None:
    strict = {"target": "0.99", "ttft_ms": 500, "tpot_ms": 45}
    loose = {"target": "0.9", "ttft_ms": 4000, "tpot_ms": 200}
    both = menu(document(services__chat__slo=slo(loose=loose, strict=strict)))
    alone = menu(document(services__chat__slo=slo(strict=strict)))
    assert both.class_name == "loose"
    assert {price(offer) for offer in both.column(Decimal("0.9"))} >= {price(alone.agreed)}
    assert min(price(offer) for offer in both.offers.values()) == price(alone.agreed)


def test_a_class_is_judged_on_its_own_requests_of_a_trace() -> None:
    mixed = (
        "generate:constant,rate=8,minutes=5,classes=a:0.5+b:0.5,input.a=100,output.a=20,input.b=900,output.b=60,seed=1"
    )
    agreed = document(
        services__chat__slo=slo(a={"target": "0.99", "ttft_ms": 400}, b={"target": "0.01", "e2e_ms": 600_000})
    )
    found = menu(agreed, trace=traces.load(mixed))
    assert found.agreed.fleet is not None
    assert found.demand.arrivals.classes == ("a", "b")
    with pytest.raises(offers.MenuError, match=r"class 'b' has no request in the busiest hour of .* allowed are a"):
        menu(agreed, trace=traces.load("generate:constant,rate=2,minutes=1,input=100,output=20"), class_name="b")


def test_a_slower_engine_is_never_cheaper() -> None:
    found = menu()
    assert price(found.if_slower) >= price(found.agreed)


def test_the_knee_lies_on_the_curve_of_the_agreed_target() -> None:
    found = menu()
    curve = {offer.step.name: price(offer) for offer in found.column(Decimal("0.99"))}
    assert curve[StepName.FASTEST] == math.inf
    assert found.knee is StepName.AGREED
    assert curve[StepName.FASTER] > curve[StepName.AGREED] == curve[StepName.SLOWER]


def test_neighbours_are_one_step_away_and_none_at_the_end() -> None:
    found = menu(document(services__chat__slo=slo(a={"target": "0.9995", "ttft_ms": 4000})))
    beside = found.neighbours()
    assert beside["stricter"] is None
    assert beside["looser"] is found.at(StepName.AGREED, Decimal("0.999"))
    assert beside["faster"] is found.at(StepName.FASTER, Decimal("0.9995"))


def test_an_offer_above_the_cap_is_told_apart() -> None:
    found = menu(document(cost__hourly_usd="1.00"))
    assert found.hourly_cap == 1
    for offer in found.offers.values():
        assert found.is_capped(offer) == (offer.hourly_usd is not None and offer.hourly_usd > 1)
    own = menu(document(services__chat__cost={"hourly_usd": "0.80"}))
    assert own.hourly_cap == Decimal("0.80")


def test_the_order_of_pools_changes_nothing() -> None:
    one, other = (menu(document(services__chat__pools=pools)) for pools in (["l4", "l4-spot"], ["l4-spot", "l4"]))
    assert dict(one.offers) == dict(other.offers)


def test_the_same_agreement_gives_the_same_menu() -> None:
    one, other = menu(), menu()
    assert dict(one.offers) == dict(other.offers)
    assert (one.knee, one.if_slower, one.revision) == (other.knee, other.if_slower, other.revision)


def test_progress_counts_offers() -> None:
    told: list[tuple[int, int]] = []
    menu(progress=lambda done, count: told.append((done, count)))
    assert told == list(itertools.product(range(1, 26), [25]))


def test_pools_without_price_or_profile_are_left_out_and_named() -> None:
    agreed = document()
    unpriced = tuple(
        item.model_copy(update={"hourly_usd": None}) if item.pool == "l4-spot" else item for item in agreed.workloads
    )
    found = menu(agreed.model_copy(update={"workloads": unpriced}))
    assert found.left_out == {"l4-spot": (offers.Lack.PRICE,)}
    assert set(found.prices) == {"l4"}
    bare = tuple(item.model_copy(update={"hourly_usd": None, "profile": None}) for item in agreed.workloads)
    with pytest.raises(offers.MenuError) as error:
        menu(agreed.model_copy(update={"workloads": bare}))
    assert str(error.value) == (
        "service chat: pool l4-spot has no price and no engine profile; pool l4 has no price and no engine profile. "
        "Allowed is a service with a pool that has both: write hourly_usd for the pool, or name a profile of the "
        "catalogue in engine.profile"
    )


def test_unknown_services_and_classes_are_refused() -> None:
    with pytest.raises(offers.MenuError, match="'chta' is not a service of the stack; did you mean 'chat'"):
        offers.of(Scenario(name="dev", document=document(), traces={}), "chta")
    with pytest.raises(offers.MenuError, match=r"service chat: 'batch' is not a class\. Allowed: interactive"):
        menu(class_name="batch")
