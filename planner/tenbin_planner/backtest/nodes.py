"""Nodes of the virtual cluster: which replica is on which, and from when to when each is there."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from tenbin_planner.backtest.replicas import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document

    from tenbin_planner.backtest.replicas import Replica


class Billing(enum.StrEnum):
    """What is paid for."""

    REPLICA = "replica"
    """Each replica alone, as on a node of its own size."""
    NODE = "node"
    """Whole nodes, on which replicas are packed, whether they fill it or not."""


@dataclasses.dataclass(kw_only=True, eq=False)
class Node:
    """A node from its start on; read it, only the cluster writes it."""

    pool: str
    number: int
    """Of its pool, from 0 on, in the order of their starts."""
    accelerators: int
    start_s: float
    """It is there, and costs, from then on."""
    stays_s: float = 0.0
    """Seconds for which it stays when it is empty."""
    replicas: list[Replica] = dataclasses.field(default_factory=list)
    """All that ever were on it, at least one."""
    closed_s: float = NEVER
    """It is taken back, or lost: it gets no more replicas from then on, and does not outlast those that it has."""

    @property
    def end_s(self) -> float:
        """It is gone, and costs nothing from then on."""
        empty_s = max(item.gone_s for item in self.replicas)
        return max(empty_s, min(self.closed_s, empty_s + self.stays_s))

    def free(self, now_s: float) -> int:
        """Return the accelerators that no replica has; 0 where it takes none any more."""
        if self.closed_s <= now_s:
            return 0
        return self.accelerators - sum(item.workload.accelerators for item in self.replicas if item.gone_s > now_s)


class Nodes:
    """The nodes of all pools."""

    def __init__(self, document: Document, billing: Billing, stays_s: Mapping[str, float]) -> None:
        """Begin without any.

        Args:
            document: the agreement; it says how large nodes are, and how many there may be.
            billing: with `REPLICA` each replica is alone on a node of its own size.
            stays_s: seconds for which an empty node stays, by pool; 0 where missing.
        """
        self.everyone: list[Node] = []
        """All that ever were, in the order of their starts."""
        self._pools = document.pools
        self._billing = billing
        self._stays_s = stays_s
        self._present: dict[str, list[Node]] = {name: [] for name in document.pools}
        self._started = dict.fromkeys(document.pools, 0)

    def present(self, pool: str, now_s: float) -> list[Node]:
        """Return a pool's nodes that are there, in the order of their starts."""
        found = self._present[pool] = [node for node in self._present[pool] if node.end_s > now_s]
        return found

    def started(self, pool: str) -> int:
        """Return how many nodes a pool ever had."""
        return self._started[pool]

    def with_room(self, replica: Replica, now_s: float) -> Node | None:
        """Return the first node on which a replica finds room; None where only a new one would do."""
        if self._billing is Billing.REPLICA:
            return None
        wanted = replica.workload.accelerators
        return next((node for node in self.present(replica.workload.pool, now_s) if node.free(now_s) >= wanted), None)

    def may_start(self, replica: Replica, now_s: float) -> bool:
        """Tell whether a replica's pool may have the node that it needs."""
        described, present = self._pools[replica.workload.pool], self.present(replica.workload.pool, now_s)
        if self._billing is Billing.NODE:
            return len(present) < described.max_nodes and replica.workload.accelerators <= described.accelerators
        taken = sum(node.accelerators for node in present)
        return taken + replica.workload.accelerators <= described.max_nodes * described.accelerators

    def start(self, replica: Replica, now_s: float) -> Node:
        """Start the node that a replica needs."""
        pool = replica.workload.pool
        is_own = self._billing is Billing.REPLICA
        node = Node(
            pool=pool,
            number=self._started[pool],
            accelerators=replica.workload.accelerators if is_own else self._pools[pool].accelerators,
            start_s=now_s,
            stays_s=0.0 if is_own else self._stays_s.get(pool, 0.0),
        )
        self._started[pool] += 1
        self._present[pool].append(node)
        self.everyone.append(node)
        return node
