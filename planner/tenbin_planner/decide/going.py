"""Replicas whose node is about to go: until when they serve, and when the cluster lets go of them.

They serve on, since others that take their place may come late. One is marked when its answers need what is left of
the notice to end, or at once when others have taken its place. Once the mark has had time to take effect, and nothing
else is on its way, the count that made up for it goes down: the cluster then removes it, and makes no other one that
nobody needs. Where its node is quicker, the plan of the next tick takes that one back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_planner.decide import signals
from tenbin_planner.decide.observation import Phase, Removal

if TYPE_CHECKING:
    from tenbin_planner.decide.observation import Observation, ReplicaState, WorkloadState

ANSWER_S = 30.0
"""What answers take at most where none has been seen."""
LONGEST_ANSWER_S = 90.0
"""More of a notice is not given to answers."""


def answer_s(observation: Observation, service: str) -> float:
    """Return what nearly all answers of a service take, in seconds, in no class less than was seen of late."""
    reader = signals.Reader()
    told = [
        reader.number("", item.e2e_ms.p99, signals.LONGEST_AGE_S)
        for item in observation.gateway.service(service)
        if item.e2e_ms is not None
    ]
    known = [value / 1000 for value in told if value is not None]
    return min(max(known, default=ANSWER_S), LONGEST_ANSWER_S)


def due(state: WorkloadState, wanted: int, within_s: float) -> list[ReplicaState]:
    """Return the replicas that are to be marked now.

    Args:
        state: the workload.
        wanted: replicas that the cluster is to be told, those that make up for going ones included.
        within_s: what answers take.
    """
    serving = sum(replica.phase is Phase.READY and not replica.is_going for replica in state.replicas)
    is_made_up_for = serving >= wanted - len(state.going)
    return [
        replica
        for replica in state.going
        if replica.phase is Phase.READY
        and replica.notice is not None
        and (is_made_up_for or replica.notice.left_s <= within_s)
    ]


def released(state: WorkloadState, settle_s: float) -> int:
    """Return how many of them the cluster can be told to remove, and removes rather than any other.

    Args:
        state: the workload.
        settle_s: time from a mark until no gateway sends requests to the replica any more.
    """
    others = [replica for replica in state.replicas if not replica.is_going and replica.phase is not Phase.TERMINATING]
    if state.removal is not Removal.DELETION_COST or len(others) + len(state.going) != state.wanted:
        return 0
    if any(replica.phase is not Phase.READY for replica in others):
        return 0
    return sum(
        replica.phase is Phase.STARTING or (replica.phase is Phase.DRAINING and replica.since_s >= settle_s)
        for replica in state.going
    )
