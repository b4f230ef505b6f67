"""Laws of the decision that looks ahead, all parts at work: by its own judgement no plan is worse than what runs."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from support import planning
from support.planning import ON_DEMAND, SPOT, observe, replica, workload
from tenbin_planner import decide
from tenbin_planner.decide import capacity, judging, memory
from tenbin_planner.decide.observation import Observation, Phase, WorkloadState

if TYPE_CHECKING:
    from tenbin_planner.decide.assess import Assessment
    from tenbin_spec.document import Document

AGREED = planning.document()
SEVEN = capacity.FleetCapacity(
    sizes=(1, 8), rates=(5.3, 7.0), edges=(5.6, 7.2), bound_rps=8.3, slots=24, binding="interactive", infeasible=()
)
MOST = {SPOT: 2, ON_DEMAND: 8}


@st.composite
def states(draw: st.DrawFn, name: str) -> WorkloadState:
    phases = st.sampled_from([Phase.READY, Phase.READY, Phase.STARTING, Phase.LOST])
    drawn = draw(st.lists(st.tuples(phases, st.floats(0, 60)), max_size=MOST[name]))
    return workload(name, *(replica(f"{name}-{index}", phase, since_s=age) for index, (phase, age) in enumerate(drawn)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Observation, memory.Memory]:
    """Draw a state, and the memory of a planner that has known about its demand for hours."""
    rate = draw(st.floats(0, 60))
    running = planning.running(*draw(st.lists(st.integers(0, 400), max_size=40)))
    seen = observe(
        draw(states(SPOT)),
        draw(states(ON_DEMAND)),
        rate=rate,
        in_flight=draw(st.integers(0, 300)),
        told={"running": running},
    )
    remembered = planning.accustomed(planning.warm(), rate * draw(st.sampled_from([0.5, 0.9, 1.0, 1.5])))
    if draw(st.booleans()):
        stop = memory.Stop(at=planning.NOW - draw(st.floats(0, 60)), rate=draw(st.floats(0, 80)), output_tokens=60.0)
        services = {"chat": dataclasses.replace(remembered.service("chat"), stop=stop)}
        remembered = dataclasses.replace(remembered, services=services)
    return seen, remembered


def decided(
    agreed: Document, observation: Observation, remembered: memory.Memory
) -> tuple[decide.Decision, tuple[Assessment, ...]]:
    """Return the decision, and the services as they were judged, before limits."""
    with mock.patch.object(decide.judging, "share", wraps=judging.share) as spy:
        found = decide.decide(agreed, planning.capacities(agreed, SEVEN), observation, remembered)
    return found, tuple(spy.call_args.args[0])


@settings(max_examples=40)
@given(worlds())
def test_no_plan_is_worse_than_what_runs_by_its_own_judgement(world: tuple[Observation, memory.Memory]) -> None:
    _, (seen,) = decided(AGREED, *world)
    assert seen.look is not None
    assert seen.judged is not None
    count, current, search = seen.judged.count, seen.look.ladder.current, seen.look.search
    least, most = max(seen.demand.least, seen.demand.least_firm), min(seen.demand.most, seen.look.ladder.most)
    if not least <= current <= most:
        assert min(current, least) <= count <= max(least, most)
        return

    def value(replicas: int) -> float:
        return search.usd(replicas) + search.worth(replicas)

    is_overload = search.judged(current, current).misses > judging.OVERLOADED * search.requests
    assert value(count) <= value(current) + 1e-9 or is_overload
    assert least <= count <= most
    if seen.held:
        assert count == current


@settings(max_examples=25)
@given(worlds())
def test_what_is_planned_is_what_was_judged_best_where_no_limit_bites(
    world: tuple[Observation, memory.Memory],
) -> None:
    found, (seen,) = decided(AGREED, *world)
    assert seen.judged is not None
    wanted, lost = sum(found.plan.wanted().values()), sum(item.lost for item in seen.counts.values())
    ready = sum(item.ready for item in seen.counts.values())
    moved = any(item.because.reason.value == "cheaper-pool" for item in found.plan.workloads)
    limited = any(
        item.reason.value in ("pools-full", "maximum", "stuck-pending", "hourly-cap")
        for service in found.plan.services
        for item in service.because
    )
    if not limited:
        # A dear replica stays until a cheaper one that starts serves in its place.
        assert seen.judged.count <= wanted - lost <= max(seen.judged.count, ready) + moved + len(MOST)


@settings(max_examples=15)
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(["0.80", "1.60", "3.20", "4.80", "7.20", "20.00"]),
)
def test_services_under_one_cap_never_cost_more_and_their_order_plays_no_part(
    rates: tuple[int, int], running: tuple[int, int], priorities: tuple[int, int], cap: str
) -> None:
    names = ("aaa", "zzz")
    plain = {
        name: planning.service(pools=["l4"], priority=level) for name, level in zip(names, priorities, strict=True)
    }
    known = {
        name: planning.accustomed(planning.warm(), rate).service("chat")
        for name, rate in zip(names, rates, strict=True)
    }
    wanted = []
    for order in (names, names[::-1]):
        agreed = planning.document(services={name: plain[name] for name in order}, cost={"hourly_usd": cap})
        seen = observe(arrivals={name: planning.steady(rate) for name, rate in zip(names, rates, strict=True)})
        counts = dict(zip(names, running, strict=True))
        seen = dataclasses.replace(
            seen, workloads={f"{name}-serve-l4": planning.ready(f"{name}-serve-l4", counts[name]) for name in order}
        )
        remembered = memory.Memory(at=planning.NOW - 5, services={name: known[name] for name in order})
        found, _ = decided(agreed, seen, remembered)
        assert found.plan.hourly_usd <= Decimal(cap)
        wanted.append(found.plan.wanted())
    assert wanted[0] == wanted[1]
