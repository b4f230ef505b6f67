"""Replicas of a workload, counted by what the plan may expect of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide import leads
from tenbin_planner.decide.observation import Phase, Warmth

if TYPE_CHECKING:
    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.observation import ReplicaState, WorkloadState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """Replicas of one workload."""

    told: int
    """What the cluster is told to run."""
    ready: int
    starting_s: tuple[float, ...]
    """Seconds until each starting replica serves, shortest first."""
    draining: int
    """Marked for removal and still part of `told`."""
    stuck: int
    """Starting for too long, or refused: they count for nothing."""
    lost: int
    leaving: int
    """Being removed and still on a node, or lost or going and no longer part of `told`."""
    existing: int
    """On a node and part of `told`, lost and going ones excepted."""
    going_s: tuple[float, ...] = ()
    """Seconds for which each replica whose node is about to go still takes requests, shortest first. They are part of
    `told`, and of nothing else here: the count must make up for them."""

    room: int | None = None
    """Replicas beyond all these for which there is room on nodes that are there; None where that is not known."""

    refused: str | None = None
    """Why the cluster makes no replica more, where some are missing for that."""

    ending_s: tuple[float, ...] = ()
    """Seconds since each replica was marked that answers what it has and takes nothing more."""

    @property
    def absent(self) -> int:
        """Replicas that are part of `told` and are gone, or are about to go: the count must make up for them."""
        return self.lost + len(self.going_s)

    @property
    def current(self) -> int:
        """Replicas that serve or will."""
        return self.ready + len(self.starting_s)


NONE = Counts(told=0, ready=0, starting_s=(), draining=0, stuck=0, lost=0, leaving=0, existing=0)


def count(state: WorkloadState, told: int, *, lead: LeadBelief) -> Counts:
    """Count the replicas of a workload.

    The cluster acts on a count with a delay: replicas that it is still to make are as good as starting ones, and of
    those that it is still to remove the draining ones go first. Those that it refuses to make are as good as stuck.

    Args:
        state: what was observed.
        told: count that the cluster is told to run.
        lead: what is believed of the lead time.
    """
    staying = dataclasses.replace(state, replicas=tuple(replica for replica in state.replicas if not replica.is_going))
    starting = [replica for replica in staying.replicas if replica.phase is Phase.STARTING]
    stuck = [replica for replica in starting if _is_stuck(replica, lead)]
    waiting = sorted(
        lead.of(replica.start.kind).left_s(replica.since_s) for replica in starting if not _is_stuck(replica, lead)
    )
    lost = state.count(Phase.LOST)
    ready = min(staying.count(Phase.READY), told)
    room = told - ready
    waiting = waiting[:room]
    room -= len(waiting)
    all_going = sorted(_takes_s(replica) for replica in state.going)
    going = all_going[: max(0, room - lost)]
    draining = min(staying.count(Phase.DRAINING), max(0, room - lost - len(going)))
    missing = max(0, room - lost - len(going) - len(stuck) - draining)
    refused = 0 if state.refused is None else missing
    counted_lost = min(lost, room)
    leaving = sum(replica.phase is Phase.TERMINATING and replica.is_scheduled for replica in state.replicas)
    return Counts(
        told=told,
        ready=ready,
        starting_s=(*waiting, *_made_next(state, missing - refused, lead)),
        draining=draining,
        stuck=min(len(stuck) + refused, room),
        lost=counted_lost,
        leaving=leaving + lost - counted_lost + len(all_going) - len(going),
        existing=sum(
            replica.phase in (Phase.READY, Phase.STARTING, Phase.DRAINING) and replica.is_scheduled
            for replica in staying.replicas
        ),
        going_s=tuple(going),
        room=None if state.room is None else max(0, state.room - missing - _without_node(staying)),
        refused=state.refused if refused else None,
        ending_s=tuple(
            replica.marked_s
            for replica in staying.replicas
            if replica.marked_s is not None and replica.phase in (Phase.DRAINING, Phase.TERMINATING)
        ),
    )


def _without_node(state: WorkloadState) -> int:
    return sum(replica.phase is Phase.STARTING and not replica.is_scheduled for replica in state.replicas)


def _made_next(state: WorkloadState, count: int, lead: LeadBelief) -> list[float]:
    """Return the lead times of replicas that the cluster is to make: as long as there is room they need no node."""
    if state.room is None:
        return [lead.median_s] * count
    soon = min(count, state.room)
    return [lead.of(Warmth.WARM).median_s] * soon + [lead.of(Warmth.COLD).median_s] * (count - soon)


def _takes_s(replica: ReplicaState) -> float:
    """Return for how long a replica whose node is about to go takes requests; one that starts never will."""
    return replica.notice.left_s if replica.notice is not None and replica.phase is Phase.READY else 0.0


def _is_stuck(replica: ReplicaState, lead: LeadBelief) -> bool:
    return replica.since_s > leads.stuck_after_s(lead)
