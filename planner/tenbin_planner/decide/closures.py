"""Pools that give no nodes: closed for a while, longer each time, and open again once a replica comes.

A workload whose count the cluster does not take is closed in the same way: others carry its part until the next try.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide import leads, replicas
from tenbin_planner.decide.memory import Memory, WorkloadMemory
from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document

    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.observation import WorkloadState

LONGEST_S = 3600.0
"""A pool is tried again after this at the latest."""


def update(
    document: Document,
    states: Mapping[str, WorkloadState],
    memory: Memory,
    beliefs: Mapping[str, LeadBelief],
    *,
    at: float,
) -> Memory:
    """Return the memory with each workload closed or opened by what its replicas do; those that are gone leave it.

    Args:
        document: the agreement.
        states: workloads whose numbers can be used; one that is missing stays as it was.
        memory: of the decision before.
        beliefs: of lead times, by workload.
        at: now, in seconds.
    """
    workloads = {}
    for item in document.workloads:
        before = memory.workload(item.name)
        state = states.get(item.name)
        if state is None:
            workloads[item.name] = before
            continue
        lead = beliefs[item.name]
        stuck = replicas.count(state, state.wanted, lead=lead).stuck
        workloads[item.name] = (
            _closed(before, at, leads.stuck_after_s(lead))
            if stuck or _is_refused(state, since=memory.at)
            else (_opened(before, at, has_ready=state.count(Phase.READY) > 0))
        )
    return dataclasses.replace(memory, workloads=workloads)


def _is_refused(state: WorkloadState, *, since: float) -> bool:
    """Tell whether the count of the decision before was not taken; what was refused earlier has closed it already."""
    return state.refusal is not None and state.refusal.at >= since


def _closed(before: WorkloadMemory, at: float, first_s: float) -> WorkloadMemory:
    if before.closed_until > at:
        return before
    for_s = min(max(2 * before.closed_for_s, first_s), LONGEST_S)
    return dataclasses.replace(before, closed_until=at + for_s, closed_for_s=for_s)


def _opened(before: WorkloadMemory, at: float, *, has_ready: bool) -> WorkloadMemory:
    """Forget past closures once replicas serve and the pool has been open as long as it was closed."""
    if has_ready and at > before.closed_until + before.closed_for_s:
        return dataclasses.replace(before, closed_until=0.0, closed_for_s=0.0)
    return before
