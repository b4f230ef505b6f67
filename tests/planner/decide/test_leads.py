"""Lead times: starts are remembered, late ones noticed while they wait, and one odd start moves little."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import ON_DEMAND, SPOT, replica, workload
from tenbin_planner.decide import leads, measured, starts
from tenbin_planner.decide.leads import LeadMemory
from tenbin_planner.decide.observation import Phase, StartParts, Warmth
from tenbin_planner.decide.plan import MeasuredStarts
from tenbin_planner.decide.starts import Start, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin_planner.decide.observation import ReplicaState

POOLS = {ON_DEMAND: "l4", SPOT: "l4-spot"}
STARTING, READY = Phase.STARTING, Phase.READY


def seen(memory: LeadMemory, at: float, *replicas: ReplicaState, name: str = ON_DEMAND) -> LeadMemory:
    return leads.learn(memory, {name: workload(name, *replicas)}, POOLS, at=at)


def after(completed: Sequence[float], waiting: Sequence[float] = (), *, has_node: bool = True) -> leads.LeadBelief:
    """Return the belief with a prior of 60 s after starts that took so long, each seen to within 15 s."""
    memory = LeadMemory(
        at=1e6,
        starting={
            f"r{number}": Waiting(pool="l4", age_s=age_s, is_scheduled=has_node) for number, age_s in enumerate(waiting)
        },
        starts={
            "l4": tuple(
                Start(at=float(number), from_s=max(0, lead_s - 7.5), until_s=lead_s + 7.5)
                for number, lead_s in enumerate(completed)
            )
        },
    )
    return leads.belief(memory, "l4", 60)


def test_without_any_start_the_prior_holds_with_a_spread() -> None:
    believed = after([])
    assert believed.median_s == pytest.approx(60, rel=0.02)
    assert 70 < believed.quantile_s(0.95) < 110
    assert leads.stuck_after_s(believed) == pytest.approx(180, rel=0.02)


def test_a_start_is_between_the_last_look_at_it_starting_and_the_first_at_it_serving() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", STARTING, since_s=40))
    memory = seen(memory, 1015, replica("a", READY, since_s=55))
    assert memory.of("l4") == (Start(at=1015, from_s=40, until_s=55),)
    assert memory.starting == {}


def test_replicas_that_were_there_before_count_for_nothing() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", since_s=10), replica("b", since_s=5000))
    memory = seen(memory, 1015, replica("a", since_s=25), replica("b", since_s=5015))
    assert memory.starts == {}


def test_a_replica_that_came_between_two_looks_took_no_longer_than_its_age() -> None:
    memory = seen(LeadMemory(), 1000)
    memory = seen(memory, 1300, replica("a", since_s=200))
    assert memory.of("l4") == (Start(at=1300, from_s=0, until_s=200),)


def test_a_start_that_ended_without_serving_took_longer_than_its_age() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", STARTING, since_s=170), replica("b", STARTING, since_s=90))
    memory = seen(memory, 1015, replica("b", Phase.TERMINATING, since_s=105))
    assert set(memory.of("l4")) == {
        Start(at=1015, from_s=170, until_s=None),
        Start(at=1015, from_s=90, until_s=None),
    }


def test_a_start_that_ended_without_a_node_says_nothing() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", STARTING, since_s=170, is_scheduled=False))
    assert seen(memory, 1015).starts == {}


def test_an_engine_that_begins_its_start_anew_is_as_old_as_before() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", STARTING, since_s=170))
    assert seen(memory, 1015, replica("a", STARTING, since_s=3)).starting["a"].age_s == 185


@pytest.mark.parametrize("factor", [0.33, 3.0, 6.0])
def test_another_regime_is_followed_after_three_starts(factor: float) -> None:
    believed = after([60] * 6 + [60 * factor] * 3)
    assert believed.median_s == pytest.approx(60 * factor, rel=0.15)


@pytest.mark.parametrize("odd", [8, 20, 200, 600])
def test_one_odd_start_moves_the_median_little_and_is_forgotten_after_the_next(odd: float) -> None:
    assert after([60] * 6 + [odd]).median_s == pytest.approx(60, rel=0.15)
    assert after([60] * 6 + [odd, 60]).median_s == pytest.approx(60, rel=0.03)


def test_a_lead_time_that_triples_is_noticed_while_the_late_ones_still_wait() -> None:
    assert after([60] * 6, [50, 50, 50]).median_s == pytest.approx(60, rel=0.03)
    late = after([60] * 6, [120, 120, 120])
    assert late.median_s > 150
    assert late.left_s(120) > 60
    assert leads.stuck_after_s(late) > 400


def test_one_late_replica_warns_in_the_upper_quantiles_only() -> None:
    late = after([60] * 6, [110])
    assert late.median_s < 80
    assert late.quantile_s(0.9) > 150


def test_pools_without_nodes_do_not_make_their_replicas_less_stuck() -> None:
    assert leads.stuck_after_s(after([60] * 6, [5000] * 4, has_node=False)) == pytest.approx(180, rel=0.03)


def test_an_engine_that_never_starts_is_stuck_in_the_end() -> None:
    for count in (1, 20):
        assert leads.stuck_after_s(after([60] * 6, [80_000] * count)) <= 610


def test_the_declared_lead_time_counts_like_a_few_starts() -> None:
    # Two and a half starts of 60 s and as many of 75 s.
    assert after([75, 75, 75]).median_s == pytest.approx(68, rel=0.05)
    assert after([75] * 15).median_s == pytest.approx(75, rel=0.05)


def test_pools_are_learned_apart_and_gone_ones_are_forgotten() -> None:
    memory = LeadMemory(at=1.0, starts={"l4": (Start(at=1.0, from_s=290, until_s=310),) * 5, "gone": ()})
    assert leads.belief(memory, "l4", 60).median_s > 250
    assert leads.belief(memory, "l4-spot", 60).median_s == pytest.approx(60, rel=0.02)
    assert set(seen(memory, 2.0).starts) == {"l4"}


def test_memory_is_bounded() -> None:
    memory = LeadMemory()
    for tick in range(60):
        states = [replica(f"s{tick}-{number}", STARTING, since_s=20) for number in range(100)]
        states += [replica(f"s{tick - 1}-{number}", READY, since_s=35) for number in range(50)]
        memory = seen(memory, 1000 + 15 * tick, *states)
    assert len(memory.of("l4")) == starts.MOST_STARTS + starts.MOST_ENDED
    assert len(json.dumps(memory.to_plain())) < 10_000


ages = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0, -1, 10**12, 10**400, 60, 3600])
sights = st.builds(
    replica,
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(list(Phase)),
    since_s=ages,
    is_scheduled=st.booleans(),
)
moments = st.lists(st.tuples(ages, st.lists(sights, max_size=4, unique_by=lambda item: item.name)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(moments, st.floats(allow_nan=True, allow_infinity=True), st.floats(0.01, 0.99))
def test_whatever_is_seen_the_belief_is_a_distribution_and_memory_survives(
    looks: list[tuple[float, list[ReplicaState]]], prior_s: float, share: float
) -> None:
    memory = LeadMemory()
    for at, replicas in looks:
        memory = seen(memory, at, *replicas)
    assert leads.from_plain(json.loads(json.dumps(memory.to_plain(), allow_nan=False))) == memory
    believed = leads.belief(memory, "l4", prior_s)
    uniforms = np.linspace(0, 1, 50)
    drawn = believed.sample(uniforms)
    assert np.isfinite(drawn).all()
    assert (np.diff(drawn) >= 0).all()
    assert 0 < believed.quantile_s(share) <= believed.quantile_s(0.995)
    assert 60 <= leads.stuck_after_s(believed) < math.inf
    for age_s in (0.0, 59.0, prior_s, math.nan):
        left = believed.sample_left(age_s, uniforms)
        assert np.isfinite(left).all()
        assert (left >= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(5, 5000), max_size=8), st.floats(1, 5000), st.floats(1, 5000))
def test_a_start_that_is_older_serves_no_earlier(completed: list[float], one: float, other: float) -> None:
    believed = after(completed)
    young, old = sorted((one, other))
    assert young + believed.left_s(young) <= old + believed.left_s(old) + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(5, 5000), max_size=8), st.lists(st.floats(1, 5000), min_size=1, max_size=4))
def test_replicas_that_wait_never_make_starts_look_shorter(completed: list[float], waiting: list[float]) -> None:
    assert after(completed, waiting).median_s >= after(completed).median_s - 1e-6


def test_starts_of_one_future_are_late_together() -> None:
    believed = after([60] * 6, [110])
    uniforms = (np.arange(200) + 0.5) / 200
    futures = [believed.within(uniform).sample(uniforms) for uniform in uniforms]
    pooled = np.sort(np.concatenate(futures))
    assert pooled[len(pooled) * 8 // 10] == pytest.approx(believed.quantile_s(0.8), rel=0.1)
    medians = [float(np.median(future)) for future in futures]
    assert medians == sorted(medians)
    assert medians[-20] > 2 * medians[20]


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan, -1.0])
def test_shares_that_are_none_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="allowed is a number above 0 and below 1"):
        after([]).quantile_s(share)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"at": math.nan, "starting": {}, "starts": {}},
        {"at": 0, "starting": {"a": ["l4", math.inf, True]}, "starts": {}},
        {"at": 0, "starting": {}, "starts": {"l4": [[0, -1, None]]}},
        {"at": 0, "starting": {}, "starts": {"l4": [[0]]}},
        {"at": 0, "starting": [], "starts": {}},
    ],
)
def test_what_was_not_written_so_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"memory of starts|not enough values"):
        leads.from_plain(plain)


COLD = StartParts(node=Warmth.COLD, image=Warmth.COLD, node_s=90.0, image_s=200.0, container_s=5.0, engine_s=80.0)
WARM = StartParts(node=Warmth.WARM, image=Warmth.WARM, node_s=1.0, image_s=0.0, container_s=4.0, engine_s=75.0)


def told(name: str, phase: Phase, since_s: float, parts: StartParts) -> ReplicaState:
    return dataclasses.replace(replica(name, phase, since_s=since_s), start=parts)


def test_the_parts_of_a_start_are_remembered_once_it_serves() -> None:
    half = dataclasses.replace(WARM, engine_s=None)
    memory = seen(LeadMemory(), 1000, told("a", STARTING, 70, half), told("b", STARTING, 370, COLD))
    memory = seen(memory, 1015, told("a", READY, 85, WARM), told("b", READY, 385, COLD), told("c", READY, 10, WARM))
    assert [item.parts for item in memory.of("l4")] == [WARM, COLD, WARM]
    assert starts.from_plain(json.loads(json.dumps(memory.to_plain()))) == memory


def test_parts_that_are_no_times_are_not_remembered() -> None:
    odd = dataclasses.replace(WARM, node_s=math.nan, image_s=-1.0, engine_s=1e9)
    memory = seen(LeadMemory(), 1000, told("a", STARTING, 70, odd))
    memory = seen(memory, 1015, told("a", READY, 85, odd))
    [start] = memory.of("l4")
    assert start.parts == StartParts(node=Warmth.WARM, image=Warmth.WARM, container_s=4.0)


def test_a_memory_without_parts_is_written_and_read_as_before() -> None:
    memory = seen(LeadMemory(), 1000, replica("a", STARTING, since_s=40))
    memory = seen(memory, 1015, replica("a", READY, since_s=55))
    assert memory.to_plain()["starts"] == {"l4": [[1015, 40, 55]]}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "not of the shape"),
        (["warm"], "not of the shape"),
        (["tepid", "warm", 1, 0, 4, 75], "memory of starts: 'tepid' is not a valid Warmth"),
        (["warm", "warm", 1, 0, 4, math.inf], "holds inf where a finite number belongs"),
        (["warm", "warm", -1, 0, 4, 75], "holds -1 where a time of 0 or more belongs"),
    ],
)
def test_parts_that_this_program_never_wrote_are_refused(parts: list[object], message: str) -> None:
    plain = {"at": 1.0, "starting": {}, "starts": {"l4": [[1.0, 2.0, 3.0, parts]]}}
    with pytest.raises(ValueError, match=message):
        starts.from_plain(plain)


def test_what_starts_took_is_summed_up_by_what_was_there() -> None:
    slow = dataclasses.replace(COLD, node_s=110.0, image_s=None)
    over = [
        Start(at=float(number), from_s=70, until_s=85, parts=parts)
        for number, parts in enumerate((WARM, COLD, slow, StartParts()))
    ]
    memory = LeadMemory(starts={"l4": (*over, Start(at=9.0, from_s=500, until_s=None, parts=COLD))})
    cold, warm = measured.starts(memory, "l4")
    assert cold == MeasuredStarts(
        node=Warmth.COLD, image=Warmth.COLD, count=2, node_s=100, image_s=200, container_s=5, engine_s=80, total_s=375
    )
    assert (warm.node, warm.count, warm.total_s) == (Warmth.WARM, 1, 80)
    assert measured.starts(memory, "l4-spot") == ()


def kinds(*completed: tuple[float, StartParts], waiting: Sequence[tuple[float, Warmth]] = ()) -> leads.LeadBelief:
    """Return the belief with a prior of 300 s after starts that took so long, and were so."""
    memory = LeadMemory(
        at=1e6,
        starting={
            f"r{number}": Waiting(pool="l4", age_s=age_s, is_scheduled=True, kind=kind)
            for number, (age_s, kind) in enumerate(waiting)
        },
        starts={
            "l4": tuple(
                Start(at=float(number), from_s=lead_s - 5, until_s=lead_s + 5, parts=parts)
                for number, (lead_s, parts) in enumerate(completed)
            )
        },
    )
    return leads.belief(memory, "l4", 300)


def test_without_any_start_of_a_known_kind_all_starts_are_alike() -> None:
    believed = kinds(*[(60.0, StartParts())] * 4)
    assert believed.by_kind == {}
    assert believed.of(Warmth.WARM) is believed.of(Warmth.COLD) is believed
    assert believed.longest_s == believed.median_s


def test_starts_onto_a_node_that_is_there_are_told_from_those_that_need_one() -> None:
    believed = kinds(*[(380.0, COLD), (80.0, WARM)] * 3)
    assert believed.of(Warmth.WARM).median_s == pytest.approx(80, rel=0.1)
    assert believed.of(Warmth.COLD).median_s == pytest.approx(380, rel=0.1)
    assert believed.of(Warmth.UNKNOWN) is believed
    assert believed.longest_s == pytest.approx(380, rel=0.1)


def test_before_any_warm_start_one_is_expected_sooner_and_with_more_doubt_than_cold_ones() -> None:
    believed = kinds(*[(380.0, COLD)] * 6)
    warm, cold = believed.of(Warmth.WARM), believed.of(Warmth.COLD)
    assert 100 < warm.median_s < cold.median_s
    assert warm.quantile_s(0.9) > cold.median_s
    assert warm.quantile_s(0.9) - warm.quantile_s(0.1) > cold.quantile_s(0.9) - cold.quantile_s(0.1)


def test_two_starts_of_a_kind_outweigh_many_of_the_other() -> None:
    believed = kinds(*[(380.0, COLD)] * 20, (80.0, WARM), (85.0, WARM))
    assert believed.of(Warmth.WARM).median_s == pytest.approx(82, rel=0.15)
    assert believed.of(Warmth.COLD).median_s == pytest.approx(380, rel=0.05)


def test_a_start_that_waits_tells_of_its_own_kind() -> None:
    known = [(380.0, COLD), (80.0, WARM)] * 3
    calm, late = kinds(*known), kinds(*known, waiting=[(200.0, Warmth.WARM), (200.0, Warmth.WARM)])
    assert late.of(Warmth.WARM).median_s > 2 * calm.of(Warmth.WARM).median_s
    assert late.of(Warmth.COLD).median_s == calm.of(Warmth.COLD).median_s


@given(
    st.lists(
        st.tuples(st.floats(1, 5000), st.sampled_from([WARM, COLD, StartParts(), StartParts(node=Warmth.COLD)])),
        max_size=12,
    )
)
def test_whatever_was_seen_each_kinds_chances_are_a_distribution(completed: list[tuple[float, StartParts]]) -> None:
    memory = LeadMemory(
        starts={
            "l4": tuple(
                Start(at=float(number), from_s=0.9 * lead_s, until_s=lead_s, parts=parts)
                for number, (lead_s, parts) in enumerate(completed)
            )
        }
    )
    believed = leads.belief(memory, "l4", 300)
    for kind in Warmth:
        found = believed.of(kind)
        assert found.chances.sum() == pytest.approx(1)
        assert (found.chances >= 0).all()
        assert 0 < found.quantile_s(0.1) <= found.median_s <= found.quantile_s(0.9)
        assert found.stuck_s == believed.stuck_s


def test_the_kind_of_a_replica_that_waits_is_remembered() -> None:
    half = dataclasses.replace(WARM, engine_s=None)
    memory = seen(LeadMemory(), 1000, told("a", STARTING, 70, half), replica("b", STARTING, since_s=5))
    assert [item.kind for item in memory.starting.values()] == [Warmth.WARM, Warmth.UNKNOWN]
    plain = memory.to_plain()
    assert plain["starting"] == {"a": ["l4", 70, True, "warm"], "b": ["l4", 5, True]}
    assert starts.from_plain(json.loads(json.dumps(plain))) == memory
    plain["starting"]["a"][3] = "tepid"
    with pytest.raises(ValueError, match="'tepid' is not a valid Warmth"):
        starts.from_plain(plain)


@pytest.mark.parametrize(
    ("node", "image", "kind"),
    [
        (Warmth.WARM, Warmth.WARM, Warmth.WARM),
        (Warmth.WARM, Warmth.COLD, Warmth.COLD),
        (Warmth.COLD, Warmth.WARM, Warmth.COLD),
        (Warmth.COLD, Warmth.UNKNOWN, Warmth.COLD),
        (Warmth.WARM, Warmth.UNKNOWN, Warmth.UNKNOWN),
        (Warmth.UNKNOWN, Warmth.WARM, Warmth.UNKNOWN),
    ],
)
def test_a_start_is_warm_when_nothing_has_to_come_first(node: Warmth, image: Warmth, kind: Warmth) -> None:
    assert StartParts(node=node, image=image).kind is kind
