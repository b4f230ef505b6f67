"""Carries out orders on the cluster, while this planner leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec import contract

from tenbin_planner.controller.cluster import ConflictError, RefusedError
from tenbin_planner.decide import drain
from tenbin_planner.decide.observation import Refusal

if TYPE_CHECKING:
    from tenbin_spec.scale_target import ScaleTarget

    from tenbin_planner import ports
    from tenbin_planner.controller.cluster import Cluster
    from tenbin_planner.controller.documents import Documents


class ClusterActuator:
    """Actuator of a cluster."""

    def __init__(
        self, cluster: Cluster, *, documents: Documents, leadership: ports.Leadership, clock: ports.Clock
    ) -> None:
        self._cluster = cluster
        self._documents = documents
        self._leadership = leadership
        self._clock = clock
        self.refusals: dict[str, Refusal] = {}
        """By workload, why its last count was not taken; a count that somebody else changed first is none."""

    async def carry_out(self, order: drain.Order) -> None:
        """Carry out one order.

        Raises:
            ConflictError: when somebody else wrote first.
            DeposedError: when this planner leads no more by the time of the write.
            ClusterError: when the API server refuses or cannot be reached.
        """
        match order:
            case drain.Scale():
                await self._scale(order)
            case drain.Mark():
                marks: dict[str, str | None] = {contract.ANNOTATION_DRAINING: "true"}
                if order.deletion_cost is not None:
                    marks[contract.ANNOTATION_DELETION_COST] = str(order.deletion_cost)
                await self._cluster.annotate_pod(order.replica, marks)
            case drain.Unmark():
                await self._cluster.annotate_pod(
                    order.replica, {contract.ANNOTATION_DRAINING: None, contract.ANNOTATION_DELETION_COST: None}
                )

    async def _scale(self, order: drain.Scale) -> None:
        try:
            await self._cluster.scale(
                self._target(order.workload),
                expected=order.expected,
                wanted=order.wanted,
                may_write=lambda: self._leadership.is_leader,
            )
        except RefusedError as error:
            if not isinstance(error, ConflictError):
                self.refusals[order.workload] = Refusal(at=self._clock.now(), why=str(error))
            raise
        self.refusals.pop(order.workload, None)

    def _target(self, workload: str) -> ScaleTarget:
        document = self._documents.in_force
        assert document is not None  # noqa: S101 - orders follow from one
        return next(item.scaled for item in document.workloads if item.name == workload)
