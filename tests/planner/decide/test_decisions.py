"""Whole decisions, one changed thing at a time: counts, and the reasons word for word."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, replica, warm, workload
from tenbin_planner import decide
from tenbin_planner.decide import drain, memory
from tenbin_planner.decide.observation import Absent, Phase, Refusal

if TYPE_CHECKING:
    from tenbin_planner.decide.capacity import FleetCapacity
    from tenbin_planner.decide.observation import Observation
    from tenbin_planner.decide.plan import Plan
    from tenbin_spec.document import Document

AGREED = planning.document()


def plan(
    observation: Observation,
    remembered: memory.Memory | None = None,
    *,
    agreed: Document = AGREED,
    known: FleetCapacity | None = planning.TEN_PER_REPLICA,
) -> Plan:
    capacities = {} if known is None else planning.capacities(agreed, known)
    seen = observation.gateway.service("chat")
    arrivals = seen[0].arrivals if seen else ()
    known_before = remembered or warm()
    if len(arrivals) == 300:
        known_before = planning.accustomed(known_before, sum(arrivals) / len(arrivals), at=observation.at)
    return decide.decide(agreed, capacities, observation, known_before, planning.STEADY_STATE).plan


def wanted(found: Plan) -> tuple[int, int]:
    return found.wanted()[SPOT], found.wanted()[ON_DEMAND]


def reasons(found: Plan) -> list[str]:
    return [str(because) for because in found.services[0].because]


def test_steady_demand_keeps_what_runs() -> None:
    found = plan(observe(ready(SPOT, 2), rate=15), warm(needed_rps=16))
    assert wanted(found) == (2, 0)
    assert reasons(found) == [
        "steady: 14.95 requests/s to be served in 25 s (14.71 now), a replica serves 10.00",
    ]
    assert found.hourly_usd == Decimal("0.72")


def test_growing_demand_is_bought_in_one_jump_cheapest_pool_first() -> None:
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 2), rate=50))
    assert wanted(found) == (2, 4)
    assert reasons(found) == [
        "forecast: 52.23 requests/s to be served in 25 s (49.20 now), a replica serves 10.00",
    ]


def test_starting_replicas_are_capacity() -> None:
    starting = workload(ON_DEMAND, *(replica(f"s{index}", Phase.STARTING, since_s=5) for index in range(3)))
    found = plan(observe(ready(SPOT, 2), starting, rate=23), warm(needed_rps=45))
    assert wanted(found) == (2, 3)


def test_fewer_do_only_once_the_hold_is_over() -> None:
    observation = observe(ready(SPOT, 2), ready(ON_DEMAND, 2), rate=12)
    held = plan(observation, warm(needed_rps=15, seconds=20))
    assert wanted(held) == (2, 2)
    assert reasons(held)[0] == (
        "hold: 11.96 requests/s to be served in 25 s (11.77 now), a replica serves 10.00;"
        " fewer are not safe until 30 s agree"
    )
    agreed = plan(observation, warm(needed_rps=15))
    assert wanted(agreed) == (2, 0)
    assert reasons(agreed)[0] == (
        "scale-down: 11.96 requests/s to be served in 25 s (11.77 now), a replica serves 10.00,"
        " and no more was needed over the last 30 s"
    )


def test_a_backlog_buys_what_works_it_off_in_time() -> None:
    found = plan(observe(ready(SPOT, 1), rate=8, in_flight=216))
    # 16 run and 200 wait; 12 - 7.8 per second for 25 s leave 96, worked off in 20 s
    assert wanted(found) == (2, 0)
    assert reasons(found)[0].startswith("backlog: 200 requests wait, 96 still in 25 s; ")


def test_waiting_requests_of_engines_are_a_backlog_too() -> None:
    busy = workload(SPOT, replica("a", waiting=200.0))
    assert reasons(plan(observe(busy, rate=8)))[0].startswith("backlog: 200 requests wait")


def test_the_minimum_comes_without_any_demand() -> None:
    found = plan(observe(rate=0))
    assert wanted(found) == (1, 0)
    assert reasons(found) == ["minimum: at least 1 replicas are agreed"]


def test_the_maximum_bites() -> None:
    agreed = planning.document(services={"chat": planning.service(replicas={"min": 1, "max": 3})})
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 1), rate=34), agreed=agreed)
    assert wanted(found) == (2, 1)
    assert reasons(found)[0] == "maximum: at most 3 replicas are allowed: 3 replicas carry 30.00 of 33.88 requests/s"


def test_the_hourly_cap_bites_and_is_never_exceeded() -> None:
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 1), rate=34), agreed=planning.with_cap(AGREED, "1.60"))
    assert wanted(found) == (2, 1)
    assert found.hourly_usd == Decimal("1.52")
    assert reasons(found)[0] == (
        "hourly-cap: the cap is 1.60 USD per hour for the stack: 3 replicas carry 30.00 of 33.88 requests/s"
    )


def test_a_cap_of_the_service_bites_too() -> None:
    agreed = planning.document(services={"chat": planning.service(cost={"hourly_usd": "1.00"})})
    assert wanted(plan(observe(ready(SPOT, 2), rate=60), agreed=agreed)) == (2, 0)


def test_replicas_that_are_being_removed_count_against_the_cap() -> None:
    leaving = workload(ON_DEMAND, *(replica(f"t{index}", Phase.TERMINATING) for index in range(2)), told=0)
    found = plan(observe(ready(SPOT, 2), leaving, rate=60), agreed=planning.with_cap(AGREED, "2.50"))
    assert wanted(found) == (2, 0)  # 0.72 run, 1.60 leave: 0.18 are left


def test_a_cap_that_was_lowered_takes_the_dearest_away() -> None:
    observation = observe(ready(SPOT, 2), ready(ON_DEMAND, 4), rate=55)
    found = plan(observation, agreed=planning.with_cap(AGREED, "1.60"))
    assert wanted(found) == (2, 1)
    assert reasons(found)[0].startswith("hourly-cap:")


def test_a_cap_below_the_minimum_buys_nothing_and_says_so() -> None:
    found = plan(observe(rate=5), agreed=planning.with_cap(AGREED, "0.10"))
    assert wanted(found) == (0, 0)
    assert reasons(found)[0].startswith(
        "hourly-cap: the cap is 0.10 USD per hour for the stack: 0 replicas carry 0.00 of "
    )


def test_full_pools_are_said() -> None:
    pools = planning.configuration()["pools"]
    agreed = planning.document(pools={**pools, "l4": {**pools["l4"], "nodes": {"max": 1}}})
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 1), rate=34), agreed=agreed)
    assert wanted(found) == (2, 1)
    assert reasons(found)[0] == (
        "pools-full: every pool that it may use is full: 3 replicas carry 30.00 of 33.88 requests/s"
    )


def test_no_signal_keeps_what_runs() -> None:
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 3), heard=False))
    assert wanted(found) == (2, 3)
    assert reasons(found) == ["no-signal: no gateway was heard: what runs is kept"]
    assert found.services[0].requests_per_second is None


def test_no_signal_still_brings_the_minimum() -> None:
    found = plan(observe(heard=False))
    assert wanted(found) == (1, 0)
    assert reasons(found) == ["minimum: at least 1 replicas are agreed"]


def test_a_young_planner_plans_for_the_declared_workload() -> None:
    agreed = planning.document(
        services={
            "chat": planning.service(
                workload={**planning.service()["workload"], "requests_per_second": {"expected": 25, "peak": 80}}
            )
        }
    )
    found = plan(observe(rate=1, seconds=10), memory.Memory(), agreed=agreed)
    assert wanted(found) == (2, 1)
    assert reasons(found) == ["warming-up: the declared 25 requests/s count until more is observed"]


def test_a_young_planner_gives_up_nothing() -> None:
    found = plan(observe(ready(SPOT, 2), ready(ON_DEMAND, 3), rate=1, seconds=10), memory.Memory())
    assert wanted(found) == (2, 3)


def test_while_capacity_is_unknown_what_runs_is_kept() -> None:
    found = plan(observe(ready(SPOT, 2), rate=60), known=None)
    assert wanted(found) == (2, 0)
    assert reasons(found) == ["warming-up: what replicas can do is being computed: what runs is kept"]
    assert wanted(plan(observe(rate=60), known=None)) == (1, 0)


def test_an_infeasible_objective_is_said_with_the_best_that_money_buys() -> None:
    text = (
        "class interactive: an almost empty replica keeps 80.0% of requests within the thresholds, the target is 0.99"
    )
    known = dataclasses.replace(planning.TEN_PER_REPLICA, infeasible=(text,))
    found = plan(observe(ready(SPOT, 1), rate=11), known=known)
    assert wanted(found) == (2, 0)
    assert reasons(found)[0] == f"infeasible: {text}"


def test_an_unknown_price_buys_nothing_there() -> None:
    found = plan(observe(ready(ON_DEMAND, 1), rate=11), agreed=planning.without_price(AGREED, SPOT))
    assert wanted(found) == (0, 2)
    by_name = {item.name: str(item.because) for item in found.workloads}
    assert by_name[SPOT] == "price-unknown: the price of this pool is unknown, so nothing is bought here"


def test_replicas_of_unknown_price_serve_on_and_are_given_up_first() -> None:
    agreed = planning.without_price(AGREED, SPOT)
    alone = observe(ready(SPOT, 2), rate=15)
    assert wanted(plan(alone, warm(needed_rps=16), agreed=agreed)) == (2, 0)
    joined = observe(ready(SPOT, 2), ready(ON_DEMAND, 2), rate=15)
    assert wanted(plan(joined, warm(needed_rps=16), agreed=agreed)) == (0, 2)


def test_an_unknown_profile_buys_nothing_there() -> None:
    found = plan(observe(ready(ON_DEMAND, 1), rate=11), agreed=planning.without_profile(AGREED, SPOT))
    assert wanted(found) == (0, 2)
    by_name = {item.name: str(item.because) for item in found.workloads}
    assert by_name[SPOT] == "profile-unknown: no engine profile is known for this pool, so nothing is bought here"


def test_a_service_without_any_profile_keeps_what_runs_and_says_why() -> None:
    agreed = planning.without_profile(planning.without_profile(AGREED, SPOT), ON_DEMAND)
    found = plan(observe(ready(SPOT, 2), rate=15), agreed=agreed)
    assert wanted(found) == (2, 0)
    assert "profile-unknown: no pool has an engine profile: what runs is kept" in reasons(found)


def test_a_workload_that_the_cluster_lacks_buys_nothing() -> None:
    observation = observe(ready(ON_DEMAND, 1), rate=11)
    observation = dataclasses.replace(observation, workloads={ON_DEMAND: observation.workloads[ON_DEMAND]})
    assert wanted(plan(observation)) == (0, 2)


def test_a_stuck_replica_is_cancelled_and_another_pool_is_tried() -> None:
    pending = workload(SPOT, replica("a"), replica("p", Phase.STARTING, since_s=90, is_scheduled=False))
    remembered = planning.accustomed(warm(), 11)
    observation = observe(pending, rate=11)
    result = decide.decide(AGREED, planning.capacities(AGREED), observation, remembered, planning.STEADY_STATE)
    assert wanted(result.plan) == (1, 1)
    by_name = {item.name: str(item.because) for item in result.plan.workloads}
    assert by_name[SPOT] == (
        "stuck-pending: 1 pending for longer than the lead time of 20 s allows; another pool is tried"
    )
    later = observe(ready(SPOT, 1), ready(ON_DEMAND, 1), rate=21, at=planning.NOW + 5)
    after = decide.decide(
        AGREED, planning.capacities(AGREED), later, planning.accustomed(result.memory, 21), planning.STEADY_STATE
    ).plan
    assert wanted(after) == (1, 2)
    assert {str(item.because) for item in after.workloads if item.name == SPOT} == {
        "stuck-pending: replicas did not come here; tried again in 55 s"
    }


def test_a_closed_pool_opens_again_and_closes_for_longer() -> None:
    pending = workload(SPOT, replica("p", Phase.STARTING, since_s=90, is_scheduled=False))
    first = decide.decide(AGREED, planning.capacities(AGREED), observe(pending, rate=5), warm()).memory
    assert first.workload(SPOT).closed_until == planning.NOW + 60
    later = observe(pending, rate=5, at=planning.NOW + 61)
    second = decide.decide(AGREED, planning.capacities(AGREED), later, first).memory
    assert second.workload(SPOT).closed_until == planning.NOW + 61 + 120


def test_stuck_replicas_stay_pending_where_nothing_else_is_to_be_had() -> None:
    agreed = planning.document(services={"chat": planning.service(pools=["l4-spot"])})
    pending = workload(SPOT, replica("p", Phase.STARTING, since_s=90, is_scheduled=False))
    observation = dataclasses.replace(observe(pending, rate=5), workloads={SPOT: pending})
    found = plan(observation, agreed=agreed)
    assert found.wanted() == {SPOT: 1}


def test_a_lost_replica_is_made_up_for() -> None:
    found = plan(observe(workload(SPOT, replica("a"), replica("b", Phase.LOST)), rate=11), warm(needed_rps=16))
    assert wanted(found) == (2, 1)  # one serves, one is lost with its node, so the other pool helps
    assert found.notes == ("chat-serve-l4-spot has 1 replicas on nodes that do not answer; others make up for them",)


def test_a_draining_replica_is_taken_back_before_another_is_bought() -> None:
    draining = workload(ON_DEMAND, replica("d", Phase.DRAINING))
    assert wanted(plan(observe(ready(SPOT, 1), draining, rate=11))) == (1, 1)


def test_what_must_not_be_on_spot_does_not_move_there() -> None:
    agreed = planning.document(services={"chat": planning.service(replicas={"min": 1, "max": 8, "on_demand_min": 1})})
    seen = observe(ready(SPOT, 0), ready(ON_DEMAND, 1), rate=5)
    found = plan(seen, warm(needed_rps=5), agreed=agreed)
    assert (wanted(found), drain.orders(found, seen)) == ((0, 1), ())


def test_a_replica_moves_to_a_cheaper_pool_make_before_break() -> None:
    quiet = observe(ready(ON_DEMAND, 1), rate=5)
    found = plan(quiet, warm(needed_rps=6))
    assert wanted(found) == (1, 1)
    assert str(found.workloads[0].because) == (
        "cheaper-pool: one replica moves from chat-serve-l4 to chat-serve-l4-spot, which costs less"
    )
    starting = observe(workload(SPOT, replica("n", Phase.STARTING, since_s=5)), ready(ON_DEMAND, 1), rate=5)
    assert wanted(plan(starting, warm(needed_rps=6))) == (1, 1)
    serving = observe(ready(SPOT, 1), ready(ON_DEMAND, 1), rate=5)
    assert wanted(plan(serving, warm(needed_rps=6))) == (1, 0)


def test_a_count_that_somebody_else_wrote_is_reported_and_planned_over() -> None:
    remembered = dataclasses.replace(
        warm(needed_rps=6), workloads={ON_DEMAND: memory.WorkloadMemory(written=0), SPOT: memory.WorkloadMemory()}
    )
    found = plan(observe(ready(SPOT, 1), ready(ON_DEMAND, 5), rate=5), remembered)
    assert found.notes == ("chat-serve-l4 is set to 5 by somebody else; this planner asked for 0",)
    assert wanted(found) == (1, 0)


def test_services_that_share_a_cap_each_get_their_minimum_first() -> None:
    greedy = planning.service(pools=["l4"], replicas={"min": 1, "max": 8})
    modest = planning.service(pools=["l4"], replicas={"min": 2, "max": 8})
    agreed = planning.document(services={"aaa": greedy, "zzz": modest}, cost={"hourly_usd": "3.20"})
    names = ("aaa-serve-l4", "zzz-serve-l4")
    observation = dataclasses.replace(
        observe(arrivals={"aaa": planning.steady(70), "zzz": planning.steady(1)}),
        workloads={name: workload(name) for name in names},
    )
    remembered = memory.Memory(services={name: planning.warm().service("chat") for name in agreed.services})
    found = decide.decide(agreed, planning.capacities(agreed), observation, remembered).plan
    assert found.wanted() == {"aaa-serve-l4": 2, "zzz-serve-l4": 2}


def test_what_cannot_be_scaled_gets_nothing_and_the_others_carry_its_part() -> None:
    seen = observe(ready(ON_DEMAND, 1), rate=11)
    without = {name: state for name, state in seen.workloads.items() if name != SPOT}
    why = Absent(why="LeaderWorkerSet chat of leaderworkerset.x-k8s.io/v1 does not exist")
    found = plan(dataclasses.replace(seen, workloads=without, unscalable={SPOT: why}))
    assert wanted(found) == (0, 2)
    assert str(found.workloads[0].because) == f"not-scalable: {why.why}, so nothing is bought here"
    assert found.notes == (f"{SPOT}: {why.why}",)


def test_a_service_of_which_nothing_can_be_scaled_says_so() -> None:
    seen = dataclasses.replace(observe(rate=11), workloads={})
    found = plan(seen)
    assert wanted(found) == (0, 0)
    assert reasons(found)[0].startswith("not-scalable: what is to be scaled cannot be: ")
    assert str(found.workloads[0].because) == (
        "not-scalable: the cluster has no such workload, so nothing is bought here"
    )
    assert found.notes == ()


def test_where_a_count_is_not_taken_others_carry_its_part_until_it_is_tried_again() -> None:
    """Twice as long after each try; a refusal of an earlier try closes nothing anew."""
    before, at = warm(), planning.NOW
    answers = []
    refusal = None
    for _ in range(60):
        seen = observe(ready(ON_DEMAND, 1), dataclasses.replace(workload(SPOT), refusal=refusal), rate=5, at=at)
        made = decide.decide(AGREED, planning.capacities(AGREED), seen, before, planning.STEADY_STATE)
        tried = wanted(made.plan)[0] > 0
        if tried:
            refusal = Refusal(at=at + 1, why="scale Battery b to 1: 403 forbidden")
        answers.append((tried, str(made.plan.workloads[0].because), made.plan.notes))
        before, at = made.memory, at + planning.INTERVAL_S
    tries = [index for index, (tried, _, _) in enumerate(answers) if tried]
    assert tries == [0, 13, 38]  # after 60 s, and after 120 s more
    assert answers[1][1:] == (
        "not-scalable: scale Battery b to 1: 403 forbidden, so nothing is bought here",
        (f"{SPOT}: scale Battery b to 1: 403 forbidden",),
    )
