"""Kubernetes events on the workloads that were scaled, with the plan's reason."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import structlog
from tenbin_spec import contract

from tenbin_planner.controller.cluster import Cluster, ClusterError
from tenbin_planner.decide import drain

if TYPE_CHECKING:
    from tenbin_spec.scale_target import ScaleTarget

    from tenbin_planner import ports

_log = structlog.get_logger(__name__)


async def tell(cluster: Cluster, tick: ports.Tick, *, namespace: str, identity: str) -> None:
    """Create an event for each workload scaled in this tick; one that cannot be created is let go."""
    reasons = {item.name: item.because for item in tick.plan.workloads}
    targets = {item.name: item.scaled for item in tick.scene.document.workloads}
    for order in tick.done:
        if isinstance(order, drain.Scale):
            because = reasons[order.workload]
            note = f"{order.expected} -> {order.wanted} replicas: {because}"
            try:
                await cluster.tell_event(_event(targets[order.workload], because.reason, note, namespace, identity))
            except ClusterError as error:
                _log.debug("event not created", why=str(error))


def _event(target: ScaleTarget, reason: str, note: str, namespace: str, identity: str) -> dict[str, Any]:
    now = datetime.datetime.now(tz=datetime.UTC).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"generateName": f"{target.name}-", "namespace": namespace},
        "involvedObject": {
            "apiVersion": target.api_version,
            "kind": target.kind,
            "name": target.name,
            "namespace": namespace,
        },
        "reason": "".join(part.capitalize() for part in reason.split("-")),
        "message": note[:1000],
        "type": "Normal",
        "action": "Scale",
        "eventTime": now,
        "reportingComponent": f"{contract.API_GROUP}/planner",
        "reportingInstance": identity,
        "source": {"component": contract.NAME_PLANNER},
    }
