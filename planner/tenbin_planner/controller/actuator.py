"""Carries out orders on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec import contract

from tenbin_planner.decide import drain

if TYPE_CHECKING:
    from tenbin_planner.controller.cluster import Cluster


class ClusterActuator:
    """Actuator of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def carry_out(self, order: drain.Order) -> None:
        """Carry out one order.

        Raises:
            ConflictError: when somebody else wrote first.
            ClusterError: when the API server refuses or cannot be reached.
        """
        match order:
            case drain.Scale():
                await self._cluster.scale(order.workload, expected=order.expected, wanted=order.wanted)
            case drain.Mark():
                await self._cluster.annotate_pod(
                    order.replica,
                    {
                        contract.ANNOTATION_DRAINING: "true",
                        contract.ANNOTATION_DELETION_COST: str(order.deletion_cost),
                    },
                )
            case drain.Unmark():
                await self._cluster.annotate_pod(
                    order.replica, {contract.ANNOTATION_DRAINING: None, contract.ANNOTATION_DELETION_COST: None}
                )
