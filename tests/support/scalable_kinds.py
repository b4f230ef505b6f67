"""Kinds beside Deployments as far as a planner sees them: minimal definitions, and pods such as their controllers make.

A real API server serves the kinds, with real scale subresources; a test is their controller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenbin_local.errors import LocalError
from tenbin_spec.scale_target import ScaleTarget

from support.waiting import until

if TYPE_CHECKING:
    from tenbin_local.environment import cluster

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

GROUPS = ScaleTarget(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="chat-groups")
ADAPTER = ScaleTarget(api_version="nvidia.com/v1alpha1", kind="DynamoGraphDeploymentScalingAdapter", name="chat-decode")
BATTERY = ScaleTarget(api_version="example.com/v1", kind="Battery", name="chat-battery", resource="batteries")
RIGID = ScaleTarget(api_version="example.com/v1", kind="Rigid", name="chat-rigid")
STATEFUL_SET = ScaleTarget(kind="StatefulSet", name="chat-set")

_SCALES: dict[str, dict[str, str] | None] = {
    "LeaderWorkerSet": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.hpaPodSelector",
    },
    "DynamoGraphDeploymentScalingAdapter": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
    "Battery": {"specReplicasPath": ".spec.guns", "statusReplicasPath": ".status.guns"},
    "Rigid": None,
}


def define(client: cluster.Cluster, target: ScaleTarget) -> None:
    """Make the API server serve a target's kind."""
    scale = _SCALES[target.kind]
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": target.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
        "subresources": {"status": {}, **({} if scale is None else {"scale": scale})},
    }
    spec = {
        "group": target.group,
        "names": {"kind": target.kind, "plural": target.plural, "singular": target.kind.lower()},
        "scope": "Namespaced",
        "versions": [version],
    }
    client._call("POST", _DEFINITIONS, json={"metadata": {"name": f"{target.plural}.{target.group}"}, "spec": spec})
    until(lambda: _is_served(client, target))


def undefine(client: cluster.Cluster, target: ScaleTarget) -> None:
    """Take a kind and all of its objects away."""
    client.delete(f"{_DEFINITIONS}/{target.plural}.{target.group}")
    until(lambda: not _is_served(client, target))


def _is_served(client: cluster.Cluster, target: ScaleTarget) -> bool:
    try:
        client.get(f"/apis/{target.group}/{target.version}/{target.plural}")
    except LocalError:
        return False
    return True


def path(target: ScaleTarget, namespace: str) -> str:
    """Return the path of a target's object."""
    return f"{folder(target, namespace)}/{target.name}"


def folder(target: ScaleTarget, namespace: str) -> str:
    """Return the path of all objects of a target's kind."""
    return f"/apis/{target.group}/{target.version}/namespaces/{namespace}/{target.plural}"


def manifest(target: ScaleTarget, **spec: Any) -> dict[str, Any]:
    """Return a target's object."""
    return {
        "apiVersion": target.api_version,
        "kind": target.kind,
        "metadata": {"name": target.name},
        "spec": spec,
    }


def pods_of_group(target: ScaleTarget, index: int, *, size: int, labels: dict[str, str]) -> list[dict[str, Any]]:
    """Return the pods of one group, leader first, as a LeaderWorkerSet's controller makes them."""
    leader = f"{target.name}-{index}"
    return [
        {
            "metadata": {
                "name": leader if worker == 0 else f"{leader}-{worker}",
                "labels": {
                    **labels,
                    "leaderworkerset.sigs.k8s.io/name": target.name,
                    "leaderworkerset.sigs.k8s.io/group-index": str(index),
                    "leaderworkerset.sigs.k8s.io/worker-index": str(worker),
                    "leaderworkerset.sigs.k8s.io/group-key": f"key-of-{index}",
                },
                "annotations": {"leaderworkerset.sigs.k8s.io/size": str(size)},
            },
            "spec": {"containers": [{"name": "engine", "image": "tenbin/simulated-engine:1"}]},
        }
        for worker in range(size)
    ]
