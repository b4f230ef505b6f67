"""From pods to replicas: a pod that serves alone is one, and so is a group that serves only together. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenbin_planner.controller.pod_states import PodState

_SERVING = (Phase.READY, Phase.DRAINING)


def fold(pods: Iterable[PodState]) -> list[PodState]:
    """Return one state per replica, in no order; a group is its leader, in the phase that the whole group is in."""
    alone: list[PodState] = []
    groups: dict[tuple[str, str], list[PodState]] = {}
    for pod in pods:
        if pod.member is None:
            alone.append(pod)
        else:
            groups.setdefault((pod.workload, pod.member.group), []).append(pod)
    return [*alone, *(_folded(name, members) for (_, name), members in groups.items())]


def _folded(name: str, members: Sequence[PodState]) -> PodState:
    leader = next((pod for pod in members if pod.member and pod.member.is_leader), None)
    first = leader or min(members, key=lambda pod: pod.name)
    is_whole = leader is not None and len(members) >= _size(members)
    phase = _phase(leader, members, is_whole=is_whole)
    late = [pod.starting_s for pod in members if pod.phase not in _SERVING]
    nodes: list[str] = [pod.node for pod in (first, *members) if pod.node is not None]
    # One that lacks a node keeps all others from serving: the group waits for nodes. What goes costs on any node.
    has_node = bool(nodes) and (phase is Phase.TERMINATING or (is_whole and len(nodes) == 1 + len(members)))
    return dataclasses.replace(
        first,
        name=name,
        phase=phase,
        starting_s=max(late, default=first.starting_s),
        node=nodes[0] if has_node else None,
        further_nodes=tuple(sorted({*nodes} - {first.node})),
        host=None if leader is None else leader.host,
    )


def _size(members: Sequence[PodState]) -> int:
    return max((pod.member.size or 0 for pod in members if pod.member), default=0)


def _phase(leader: PodState | None, members: Sequence[PodState], *, is_whole: bool) -> Phase:
    if leader is not None and leader.phase is Phase.TERMINATING:
        return Phase.TERMINATING
    if any(pod.phase is Phase.LOST for pod in members):
        return Phase.LOST
    if leader is not None and leader.phase is Phase.DRAINING:
        return Phase.DRAINING
    return Phase.READY if is_whole and all(pod.phase in _SERVING for pod in members) else Phase.STARTING
