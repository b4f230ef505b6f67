"""From plan to orders: what to tell the cluster, so that no request is lost when replicas go.

A ready replica is first marked: the picker takes it out of the endpoints, and its deletion cost makes the cluster
choose it. Once the mark has had time to take effect, the count is lowered; what still runs in the replica ends while
the engine drains. Replicas that serve nothing go at once. A mark that is no longer wanted is taken off.

Victims are those that the workload's kind will remove (`observation.Removal`). Most kinds remove replicas without a
node first and then those that are not ready. Of the others a Deployment removes those of the lowest deletion cost, so
the ones with the least work left are chosen. Kinds that know no cost remove by rank, whatever work that ends.
Replicas whose node is about to go come before all others that serve; when they are marked, `going` says.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide import going, signals
from tenbin_planner.decide.observation import EngineReading, Phase, Removal

if TYPE_CHECKING:
    from tenbin_planner.decide.observation import Observation, ReplicaState, WorkloadState
    from tenbin_planner.decide.plan import Plan

SETTLE_S = 3.0
"""Time from a mark until no gateway sends requests to the replica any more: a watch, an update of endpoints."""
LOWEST_COST = -1000
HIGHEST_COST = -1
"""Deletion costs of victims; others have none, which is 0. Other programs read them too, so they stay small."""

_ORDER = (Phase.STARTING, Phase.LOST, Phase.DRAINING, Phase.READY)


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Mark:
    """Take a replica out of the endpoints and, where its kind heeds a deletion cost, make it the next to be removed."""

    replica: str
    deletion_cost: int | None
    """None where its kind heeds none."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Unmark:
    """Put a replica back."""

    replica: str


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Scale:
    """Tell the cluster to run another number of replicas."""

    workload: str
    expected: int
    """What it is told now; if it is something else by then, nothing is written."""
    wanted: int


Order = Mark | Unmark | Scale


def orders(plan: Plan, observation: Observation) -> tuple[Order, ...]:
    """Return what brings the cluster nearer to the plan; nothing when it is there.

    Taking back comes first and marks last, so that a failure half-way never leaves fewer replicas than planned. A
    workload that is paused, or whose count cannot be believed, is left alone.
    """
    found: list[Order] = []
    for planned in plan.workloads:
        raw = observation.workloads.get(planned.name)
        state = None if raw is None else signals.workload(raw, signals.Reader())
        if state is not None and not state.by_hand.is_paused:
            found += _orders(state, planned.wanted, answer_s=going.answer_s(observation, planned.service))
    rank = {Unmark: 0, Scale: 1, Mark: 2}
    return tuple(sorted(found, key=lambda order: (rank[type(order)], dataclasses.astuple(order))))


def _orders(state: WorkloadState, wanted: int, *, answer_s: float) -> list[Order]:
    victims = _victims(state, wanted)
    chosen = {victim.name for victim in victims}
    leaving = [replica for replica in going.due(state, wanted, answer_s) if replica.name not in chosen]
    found: list[Order] = [
        Unmark(replica=replica.name)
        for replica in state.replicas
        if replica.phase is Phase.DRAINING and replica.name not in chosen and not replica.is_going
    ]
    found += [
        Mark(replica=victim.name, deletion_cost=_deletion_cost(victim, state.removal))
        for victim in (*victims, *leaving)
        if victim.phase is Phase.READY
    ]
    target = wanted if wanted >= state.wanted else _lowered(state, wanted, victims)
    if target == state.wanted == wanted:
        target -= going.released(state, SETTLE_S)
    if target != state.wanted:
        found.append(Scale(workload=state.name, expected=state.wanted, wanted=target))
    return found


def _victims(state: WorkloadState, wanted: int) -> list[ReplicaState]:
    """Return the replicas to remove, in the order in which the cluster removes them.

    Those that the cluster has not made yet are removed before any of them.
    """
    counted = [replica for replica in state.replicas if replica.phase in _ORDER]
    if state.removal is Removal.HIGHEST_RANK:
        # A StatefulSet removes one pod after another: those that the count has left behind already stay marked.
        beyond = [
            replica
            for replica in counted
            if _rank(replica) >= wanted and (wanted < state.wanted or replica.phase is Phase.DRAINING)
        ]
        return sorted(beyond, key=lambda replica: (-_rank(replica), replica.name))
    surplus = state.wanted - wanted - max(0, state.wanted - len(counted))
    key = _by_cost if state.removal is Removal.DELETION_COST else _by_age
    return sorted(counted, key=key)[: max(0, surplus)]


def _by_cost(replica: ReplicaState) -> tuple[bool, int, float, str]:
    return (replica.is_scheduled, _ORDER.index(replica.phase), _work(replica), replica.name)


def _by_age(replica: ReplicaState) -> tuple[bool, bool, int, str]:
    serves = replica.phase in (Phase.DRAINING, Phase.READY)
    return (replica.is_scheduled, serves, -_rank(replica), replica.name)


def _lowered(state: WorkloadState, wanted: int, victims: list[ReplicaState]) -> int:
    """Return the lowest count, `wanted` or more, that removes no replica that may not go yet."""
    if state.removal is Removal.HIGHEST_RANK:
        stay = max((_rank(victim) + 1 for victim in victims if not _may_go(victim)), default=wanted)
        return min(stay, state.wanted)
    gone = [_may_go(victim) for victim in victims]
    count = sum(gone) if state.removal is Removal.DELETION_COST else [*gone, False].index(False)
    return wanted + len(victims) - count


def _rank(replica: ReplicaState) -> int:
    return -1 if replica.rank is None else replica.rank


def _may_go(victim: ReplicaState) -> bool:
    return victim.phase is not Phase.READY and (victim.phase is not Phase.DRAINING or victim.since_s >= SETTLE_S)


def _work(replica: ReplicaState) -> float:
    """Return the requests in a replica; an engine that does not say so is taken to have many.

    One whose node is about to go has less than none: whatever work it has ends with its node.
    """
    if replica.is_going:
        return -1.0
    many, reader = float(-LOWEST_COST), signals.Reader()
    if not isinstance(replica.engine, EngineReading) or replica.engine.running is None:
        return many
    running = reader.number("", replica.engine.running, many)
    waiting = reader.number("", replica.engine.waiting, many)
    return many if running is None or reader.ignored else min(many, running + (waiting or 0.0))


def _deletion_cost(victim: ReplicaState, removal: Removal) -> int | None:
    if removal is not Removal.DELETION_COST:
        return None
    return min(HIGHEST_COST, LOWEST_COST + int(_work(victim)))
