"""One replica of the virtual cluster: what happens to it and when, in seconds of the scenario."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import Phase

if TYPE_CHECKING:
    from tenbin_spec.document import DocumentWorkload

    from tenbin_planner.backtest.nodes import Node

NEVER = math.inf


@dataclasses.dataclass(kw_only=True, eq=False)
class Replica:
    """A replica from the moment it is asked for; instants that have not come are infinite.

    Read it; only the cluster writes it. `ready_s` and the ends that are already drawn lie in the future: no policy may
    look at them.
    """

    name: str
    workload: DocumentWorkload
    asked_s: float
    node: Node | None = None
    """What it runs on, once it has one."""
    node_s: float = NEVER
    """It has a node, and costs, from then on."""
    ready_s: float = NEVER
    marked_s: float = NEVER
    """It drains from then on."""
    removed_s: float = NEVER
    """Its workload no longer counts it."""
    lost_s: float = NEVER
    """Its node stopped answering."""
    noticed_s: float = NEVER
    """The cluster says that it is lost."""
    gone_s: float = NEVER
    """It is gone, and costs nothing from then on."""
    index: int = -1
    """In its service's simulation, once it has a node."""

    @property
    def is_counted(self) -> bool:
        """Whether its workload counts it."""
        return self.removed_s == NEVER

    def phase(self, now_s: float) -> Phase:
        """Return what it does for requests now."""
        if self.removed_s <= now_s:
            return Phase.TERMINATING
        if self.noticed_s <= now_s:
            return Phase.LOST
        if self.marked_s <= now_s:
            return Phase.DRAINING
        return Phase.READY if self.ready_s <= now_s else Phase.STARTING

    def since_s(self, now_s: float) -> float:
        """Return the seconds since its start began, or since the mark of one that drains."""
        return now_s - (self.marked_s if self.marked_s <= now_s else self.asked_s)

    def going_order(self, now_s: float) -> tuple[bool, int, float]:
        """Return its place among those that the cluster removes first.

        As the ReplicaSet controller has it: without a node, not ready, the lowest deletion cost (marks), and of equals
        the one that became ready, or was asked for, last.
        """
        latest_s = self.ready_s if self.ready_s <= now_s else self.asked_s
        return (self.node_s <= now_s, GOING.index(self.phase(now_s)), -latest_s)


GOING = (Phase.STARTING, Phase.LOST, Phase.DRAINING, Phase.READY, Phase.TERMINATING)
