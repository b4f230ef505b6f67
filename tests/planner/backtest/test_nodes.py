"""Nodes: how replicas are packed on them, what they cost, and what happens when the market or a fault takes them."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import backtests, planning
from support.backtests import SERVICE, WORKLOAD
from tenbin_planner.backtest import bill, faults, running
from tenbin_planner.backtest.nodes import Billing, Node
from tenbin_planner.backtest.replicas import Replica
from tenbin_planner.backtest.scenario import Scenario
from tenbin_planner.backtest.world import World
from tenbin_planner.decide.observation import Phase
from tenbin_planner.model.lives import LeadTime, SpotMarket

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS = backtests.every(0.5, 600)
NODE = Billing.NODE


def packed(*, ready: int = 0, seed: int = 0, per_node: int = 4, **more: Any) -> World:
    """Return a world whose nodes hold some replicas each, for 3.60 USD an hour a replica."""
    scenario = backtests.scenario(
        REQUESTS, agreed={"replicas_per_node": per_node, "max_replicas": 12}, **{"billing": NODE, **more}
    )
    return World(scenario, {WORKLOAD: ready}, seed=seed)


def on_nodes(made: World) -> list[list[int]]:
    """Return the numbers of the replicas that are on each node, of nodes that are there."""
    numbers = {item.name: number for number, item in enumerate(made.replicas)}
    return [
        [numbers[item.name] for item in node.replicas if item.gone_s > made.now_s]
        for node in made.nodes
        if node.end_s > made.now_s
    ]


def test_replicas_fill_a_node_before_another_one_starts() -> None:
    made = packed(ready=6)
    assert on_nodes(made) == [[0, 1, 2, 3], [4, 5]]
    made.advance(10)
    made.scale(WORKLOAD, 9)
    assert on_nodes(made) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_room_that_comes_free_is_used_again() -> None:
    made = packed(ready=5)
    made.advance(10)
    made.mark(made.replicas[1].name)
    made.scale(WORKLOAD, 4)
    made.advance(20)
    assert on_nodes(made) == [[0, 2, 3], [4]]
    made.scale(WORKLOAD, 5)
    assert on_nodes(made) == [[0, 2, 3, 5], [4]]
    assert len(made.nodes) == 2


def test_each_replica_is_alone_where_replicas_are_paid_for() -> None:
    made = packed(ready=6, billing=Billing.REPLICA)
    assert on_nodes(made) == [[number] for number in range(6)]


def test_a_node_goes_when_its_last_replica_has_gone_or_a_while_after() -> None:
    for stays_s in (0.0, 30.0):
        made = packed(ready=5, consolidation_s={"pool": stays_s})
        made.advance(10)
        made.scale(WORKLOAD, 4)
        made.advance(100)
        assert made.nodes[1].end_s == 10 + stays_s
        charges = running.charges(made.scenario, made.replicas, made.nodes)
        found = bill.bill(charges, minimum_billed_s={})
        assert found.usd == Decimal("0.004") * (600 + 10 + int(stays_s))
        assert found.peak_hourly_usd == Decimal("28.80")
        assert found.gpu_hours == pytest.approx(4 * (610 + stays_s) / 3600)


def test_an_empty_node_that_stays_takes_what_comes() -> None:
    made = packed(ready=5, consolidation_s={"pool": 60.0})
    made.advance(10)
    made.scale(WORKLOAD, 4)
    made.advance(50)
    made.scale(WORKLOAD, 5)
    assert len(made.nodes) == 2
    made.advance(60)
    made.scale(WORKLOAD, 4)
    made.advance(130)
    assert made.nodes[1].end_s == 120
    made.scale(WORKLOAD, 5)
    assert len(made.nodes) == 3


def test_a_pool_has_no_more_nodes_than_it_may() -> None:
    made = packed(ready=12)
    made.scale(WORKLOAD, 13)
    made.advance(60)
    assert len(made.nodes) == 3
    assert not made.state(WORKLOAD).replicas[-1].is_scheduled


def test_services_share_the_nodes_of_a_pool_and_their_price() -> None:
    document = planning.document(
        services={name: planning.service(pools=["l4"]) for name in ("chat", "other")},
    )
    pools = {"l4": document.pools["l4"].model_copy(update={"accelerators": 4, "max_nodes": 2})}
    given_ = Scenario(
        name="two",
        document=document.model_copy(update={"pools": document.pools | pools}),
        traces={"chat": REQUESTS, "other": REQUESTS},
        billing=NODE,
        duration_s=100.0,
    )
    made = World(given_, {"chat-serve-l4": 1, "other-serve-l4": 2})
    made.advance(50)
    made.scale("other-serve-l4", 1)
    made.advance(100)
    assert len(made.nodes) == 1
    found = bill.bill(running.charges(given_, made.replicas, made.nodes), minimum_billed_s={})
    assert found.usd == 100 * 4 * Decimal("0.80") / 3600
    assert sum(found.usd_by_service.values()) == found.usd
    gone_s = made.replicas[2].gone_s
    assert 50 <= gone_s < 60
    share = 100 / (200 + gone_s)
    assert float(found.usd_by_service["chat"]) == pytest.approx(share * float(found.usd))


def test_a_node_costs_what_would_fill_it() -> None:
    document = backtests.scenario(REQUESTS, agreed={"replicas_per_node": 8}).document
    assert bill.node_prices(document) == {"pool": 8 * backtests.HOURLY_USD}


def test_nothing_costs_before_the_node_is_there_and_room_makes_a_start_sooner() -> None:
    made = packed(ready=3, node_lead_s={"pool": 20.0})
    made.advance(10)
    made.scale(WORKLOAD, 5)
    made.advance(25)
    assert [item.is_scheduled for item in made.state(WORKLOAD).replicas] == [True] * 4 + [False]
    made.advance(100)
    assert [(item.node_s, item.ready_s) for item in made.replicas[3:]] == [(10.0, 20.0), (30.0, 40.0)]


def test_a_start_that_is_given_up_before_its_node_is_there_costs_nothing() -> None:
    made = packed(ready=4, node_lead_s={"pool": 20.0})
    made.advance(10)
    made.scale(WORKLOAD, 5)
    made.advance(29)
    made.scale(WORKLOAD, 4)
    made.advance(100)
    assert len(made.nodes) == 1


# --- what takes nodes


def test_the_market_takes_whole_nodes_and_their_replicas_are_replaced() -> None:
    made = packed(ready=8, spot={"pool": SpotMarket(interruptions_per_hour=20, notice_s=20.0)})
    made.advance(600)
    taken = [node for node in made.nodes if node.closed_s <= 600]
    assert taken
    for node in taken:
        assert node.end_s <= node.closed_s + 20
        for item in node.replicas:
            assert item.gone_s <= node.closed_s + 20
    assert made.count(SERVICE, Phase.READY, Phase.STARTING) == 8
    assert made.changes == 0


def test_the_market_takes_a_share_of_a_pool_at_once_and_gives_none_for_a_while() -> None:
    market = SpotMarket(reclaims_per_hour=12, reclaim_share=(0.5, 0.5), drought_s=(40.0, 40.0), notice_s=10.0)
    made = World(backtests.scenario(REQUESTS, spot={"pool": market}), {WORKLOAD: 6}, seed=4)
    first = made.reclaims["pool"][0]
    made.advance(first.at_s)
    states = made.state(WORKLOAD).replicas
    leaving = [item for item in made.replicas if item.removed_s == first.at_s]
    assert len(leaving) == 3
    waiting = [item for item in states if item.phase is Phase.STARTING]
    assert [item.is_scheduled for item in waiting] == [False] * 3
    made.advance(first.at_s + 39)
    assert made.count(SERVICE, Phase.READY) == 3
    assert all(item.gone_s <= first.at_s + 10 for item in leaving)
    made.advance(first.at_s + 41)
    assert [item.node_s for item in made.replicas[6:9]] == [first.at_s + 40] * 3
    assert made.told(WORKLOAD) == 6


def test_the_planner_sees_a_notice_at_its_next_look_as_a_replica_that_ends_although_nobody_asked() -> None:
    market = SpotMarket(reclaims_per_hour=12, reclaim_share=(0.5, 0.5), notice_s=60.0)
    requests = backtests.trace(np.arange(0.5, 600, 0.5), output_tokens=3000)
    made = World(backtests.scenario(requests, spot={"pool": market}), {WORKLOAD: 4}, seed=4)
    made.advance(made.reclaims["pool"][0].at_s + 1)
    state = made.state(WORKLOAD)
    assert state.wanted == 4
    assert state.count(Phase.TERMINATING) == 2
    assert state.count(Phase.STARTING) == 2


@pytest.mark.parametrize("acts", [True, False])
def test_who_lowers_the_count_before_the_new_node_is_there_never_pays_for_both(acts: bool) -> None:
    market = SpotMarket(reclaims_per_hour=12, reclaim_share=(0.5, 0.5), notice_s=60.0)
    requests = backtests.trace(np.arange(0.5, 600, 0.5), output_tokens=3000)
    scenario = backtests.scenario(requests, spot={"pool": market}, node_lead_s={"pool": 20.0})
    made = World(scenario, {WORKLOAD: 4}, seed=4)
    first = made.reclaims["pool"][0]
    made.advance(first.at_s + 14)
    leaving = made.count(SERVICE, Phase.TERMINATING)
    if acts:
        made.scale(WORKLOAD, 4 - leaving)
    made.advance(first.at_s + 61)
    made.scale(WORKLOAD, 4)
    made.advance(first.at_s + 100)
    peak = bill.bill(bill.of_replicas(made.replicas, end_s=made.now_s), minimum_billed_s={}).peak_hourly_usd
    assert leaving == 2
    assert peak == (4 if acts else 6) * backtests.HOURLY_USD


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), counts=st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_the_same_happens_to_a_pool_whatever_a_policy_does(seed: int, counts: list[int]) -> None:
    market = SpotMarket(interruptions_per_hour=5, reclaims_per_hour=10, drought_s=(10.0, 60.0))
    one, other = (World(backtests.scenario(REQUESTS, spot={"pool": market}), {WORKLOAD: 3}, seed=seed) for _ in "ab")
    for step, count in enumerate(counts):
        other.scale(WORKLOAD, count)
        for made in (one, other):
            made.advance(100.0 * step + 100)
    assert one.reclaims == other.reclaims
    found = World(backtests.scenario(REQUESTS, spot={"pool": market}), {WORKLOAD: 3}, seed=seed + 1).reclaims
    assert found != one.reclaims or not one.reclaims["pool"]


def test_those_that_have_the_same_nodes_lose_the_same_ones() -> None:
    market = SpotMarket(reclaims_per_hour=6, reclaim_share=(0.4, 0.4))
    lost = []
    for late in (0, 3):  # one of them grows after the first time that the market takes nodes
        made = World(backtests.scenario(REQUESTS, spot={"pool": market}), {WORKLOAD: 5}, seed=2)
        first = made.reclaims["pool"][0]
        made.advance(first.at_s)
        made.scale(WORKLOAD, 5 + late)
        lost.append([item.removed_s == first.at_s for item in made.replicas[:5]])
    assert lost[0] == lost[1]
    assert sum(lost[0]) == 2


def test_a_loss_takes_whole_nodes_until_the_share_is_reached() -> None:
    made = packed(ready=12, faults=(faults.Loss(at_s=50, share=0.34, noticed_s=10, evicted_s=30),))
    made.advance(70)
    lost = [item for item in made.replicas if item.lost_s == 50]
    assert len({id(item.node) for item in lost}) == 1
    assert len(lost) == 4
    made.advance(90)
    assert made.count(SERVICE, Phase.READY, Phase.STARTING) == 12
    (node,) = {item.node for item in lost}
    assert node is not None
    assert node.end_s == 80


def test_a_node_that_is_lost_or_taken_gets_no_more_replicas() -> None:
    made = packed(ready=3, faults=(faults.Loss(at_s=50, share=0.34, noticed_s=10, evicted_s=100),))
    made.advance(60)
    made.scale(WORKLOAD, 4)
    assert [len(node.replicas) for node in made.nodes] == [3, 1]


# --- laws


def placed(spans: Sequence[tuple[int, int]], per_node: int) -> tuple[list[Replica], list[Node]]:
    """Put replicas on nodes as they come, first fit."""
    workload = backtests.scenario(REQUESTS).workload(WORKLOAD)
    replicas: list[Replica] = []
    nodes: list[Node] = []
    for number, (begin, length) in enumerate(sorted(spans)):
        item = Replica(name=str(number), workload=workload, asked_s=begin, node_s=begin, gone_s=begin + length)
        node = next((node for node in nodes if node.end_s > begin and node.free(begin) > 0), None)
        if node is None:
            node = Node(pool="pool", number=len(nodes), accelerators=per_node, start_s=begin)
            nodes.append(node)
        node.replicas.append(item)
        replicas.append(item)
    return replicas, nodes


@settings(max_examples=200, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 500)), min_size=1, max_size=30),
    per_node=st.integers(1, 8),
)
def test_nodes_never_cost_less_than_what_runs_on_them(spans: list[tuple[int, int]], per_node: int) -> None:
    replicas, nodes = placed(spans, per_node)
    document = backtests.scenario(REQUESTS, agreed={"replicas_per_node": per_node}).document
    whole = bill.bill(bill.of_nodes(nodes, document, end_s=1000.0), minimum_billed_s={})
    alone = bill.bill(bill.of_replicas(replicas, end_s=1000.0), minimum_billed_s={})
    assert whole.usd >= alone.usd
    assert whole.peak_hourly_usd >= alone.peak_hourly_usd
    assert whole.gpu_hours >= alone.gpu_hours - 1e-9
    assert per_node > 1 or whole.usd == alone.usd


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_no_node_has_more_than_it_holds_and_each_outlasts_its_replicas(seed: int) -> None:
    made = packed(
        ready=4,
        seed=seed,
        spot={
            "pool": SpotMarket(interruptions_per_hour=10, reclaims_per_hour=12, notice_s=5.0, drought_s=(10.0, 50.0))
        },
        leads={"pool": LeadTime(median_s=20, p95_s=40)},
        node_lead_s={"pool": 10.0},
        consolidation_s={"pool": 20.0},
        grace_s={SERVICE: 2.0},
        faults=(
            faults.Loss(at_s=100, share=0.5, noticed_s=10, evicted_s=30),
            faults.NoNodes(at_s=120, for_s=40, pool="pool"),
        ),
    )
    rng = np.random.default_rng(seed)
    for at_s in np.arange(0, 600, 10.0):
        made.advance(at_s)
        made.scale(WORKLOAD, int(rng.integers(0, 12)))
        there = [node for node in made.nodes if node.start_s <= at_s < node.end_s]
        assert len(there) <= 3
        assert all(node.free(at_s) >= 0 for node in made.nodes)
    made.advance(600)
    for item in made.replicas:
        if item.node_s < math.inf:
            assert item.node is not None
            assert item.node.start_s <= item.node_s <= item.ready_s
            assert item.gone_s <= item.node.end_s
    result = made.finish()[SERVICE]
    assert result.arrivals.arrival_s.size == 1200
    charges = running.charges(made.scenario, made.replicas, made.nodes)
    alone = bill.bill(bill.of_replicas(made.replicas, end_s=600.0), minimum_billed_s={})
    # Begun seconds count in full, which many short replicas have more of than the nodes that they shared.
    assert bill.bill(charges, minimum_billed_s={}).usd >= alone.usd * Decimal("0.99")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("consolidation_s", {"pool": 9.0}, "consolidation_s is given; allowed is it with billing by node only"),
        ("node_lead_s", {"pool": -1.0}, "node_lead_s.pool is -1.0; allowed is a finite number of 0 or more"),
        ("node_lead_s", {"gpu": 1.0}, "node_lead_s: gpu unknown; known are pool"),
        ("grace_s", {SERVICE: math.nan}, "grace_s.service is nan; allowed is a finite number of 0 or more"),
        ("initial", {WORKLOAD: -1}, f"initial.{WORKLOAD} is -1; allowed is 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(field: str, value: object, expected: str) -> None:
    with pytest.raises(ValueError, match=r"^scenario by-hand: ") as caught:
        backtests.scenario(REQUESTS, **{field: value})
    assert expected in str(caught.value)
