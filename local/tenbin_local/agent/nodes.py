"""The agent's nodes, and the Node objects that announce them."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tenbin_spec import contract

from tenbin_local.agent import api, records, settings

OWN_ANNOTATION = "local.tenbin.dev/agent"
"""Marks the Node objects that the agent has registered and may delete."""
KILLED_ANNOTATION = "local.tenbin.dev/killed"
POD_CAPACITY = 110
GPU_PRESENT_LABEL = "nvidia.com/gpu.present"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
LEASE_DURATION_S = 40
KUBELET_VERSION = "v1.36.3"


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node as it should be registered.

    Attributes:
        pool: Its pool; None on system nodes.
        start_delay_s: Seconds from a pod's binding until its containers start.
    """

    name: str
    address: str
    cpu: str
    memory: str
    instance_type: str
    gpus: int = 0
    pool: str | None = None
    start_delay_s: float = 0.0
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[settings.Taint, ...] = ()


def _pool_taints(pool: settings.PoolNodes) -> tuple[settings.Taint, ...]:
    taints = [settings.Taint(key=contract.TAINT_POOL, value=pool.name, effect="NoSchedule")]
    if pool.gpus:
        taints.append(settings.Taint(key=contract.TAINT_GPU, value=contract.TAINT_GPU_VALUE, effect="NoSchedule"))
    own = {(taint.key, taint.effect) for taint in taints}
    return (*taints, *(taint for taint in pool.taints if (taint.key, taint.effect) not in own))


def node_specs(nodes: settings.NodesFile, address: Callable[[str], str]) -> dict[str, NodeSpec]:
    """All nodes by name: `system-<i>`, and `<pool>-<i>` of each pool.

    Args:
        nodes: Content of nodes.json.
        address: Gives a node name its address.
    """
    specs = [
        NodeSpec(
            name=name,
            address=address(name),
            cpu=nodes.system.cpu,
            memory=nodes.system.memory,
            instance_type="tenbin-system",
        )
        for name in (f"system-{index}" for index in range(nodes.system.count))
    ]
    for pool in nodes.pools:
        specs += [
            NodeSpec(
                name=name,
                address=address(name),
                cpu=pool.cpu,
                memory=pool.memory,
                gpus=pool.gpus,
                instance_type=pool.instance_type,
                pool=pool.name,
                start_delay_s=pool.start_delay_s,
                labels=tuple(sorted(pool.labels.items())),
                taints=_pool_taints(pool),
            )
            for name in (f"{pool.name}-{index}" for index in range(pool.count))
        ]
    return {spec.name: spec for spec in specs}


def node_labels(spec: NodeSpec) -> dict[str, str]:
    """Labels that the agent keeps on a node; others may be there as well."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    labels = {
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "node.kubernetes.io/instance-type": spec.instance_type,
        **dict(spec.labels),
    }
    if spec.pool:
        labels[contract.LABEL_POOL] = spec.pool
    if spec.gpus:
        labels[GPU_PRESENT_LABEL] = "true"
    return labels


def merged_taints(present: Iterable[api.Json], wanted: Sequence[settings.Taint]) -> list[api.Json]:
    """Taints of a node: the wanted ones, and those of others that are there."""
    own = [taint.model_dump(exclude_defaults=True) for taint in wanted]
    keys = {(taint.key, taint.effect) for taint in wanted}
    return own + [taint for taint in present if (taint["key"], taint["effect"]) not in keys]


def node_conditions(present: Iterable[api.Json], now: datetime.datetime) -> list[api.Json]:
    """A healthy node's conditions; transition times change only where the truth does."""
    before = {entry["type"]: entry for entry in present}
    wanted = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "memory of a simulated node is not measured"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "disk of a simulated node is not measured"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "processes of a simulated node are not counted"),
        ("Ready", "True", "KubeletReady", "the node agent runs the pods of this node"),
    ]
    result = []
    for kind, value, reason, message in wanted:
        old = before.get(kind)
        changed = (
            old["lastTransitionTime"]
            if old and old["status"] == value and old.get("lastTransitionTime")
            else records.stamp(now)
        )
        entry = {"type": kind, "status": value, "reason": reason, "message": message}
        result.append(entry | {"lastHeartbeatTime": records.stamp(now), "lastTransitionTime": changed})
    return result


def node_status(spec: NodeSpec, present: api.Json | None, now: datetime.datetime) -> api.Json:
    """Status of a living node."""
    capacity = {
        "cpu": spec.cpu,
        "memory": spec.memory,
        "pods": str(POD_CAPACITY),
        "ephemeral-storage": "100Gi",
    }
    if spec.gpus:
        capacity[contract.RESOURCE_GPU] = str(spec.gpus)
    conditions = ((present or {}).get("status") or {}).get("conditions") or []
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [
            {"type": "InternalIP", "address": spec.address},
            {"type": "Hostname", "address": spec.name},
        ],
        "conditions": node_conditions(conditions, now),
        "nodeInfo": {
            "architecture": node_labels(spec)["kubernetes.io/arch"],
            "bootID": "",
            "containerRuntimeVersion": "local://processes",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION,
            "machineID": spec.name,
            "operatingSystem": "linux",
            "osImage": "simulated node",
            "systemUUID": spec.name,
        },
    }


def node_object(spec: NodeSpec, now: datetime.datetime) -> api.Json:
    """The Node to be registered."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": node_labels(spec), "annotations": {OWN_ANNOTATION: "true"}},
        "spec": {"taints": merged_taints([], spec.taints), "providerID": f"tenbin-local://{spec.name}"},
        "status": node_status(spec, None, now),
    }


def needs_status(spec: NodeSpec, node: api.Json) -> bool:
    """Whether a Node's status says something else than the living node's would."""
    status = node.get("status") or {}
    wanted = node_status(spec, node, records.now())
    same = all(status.get(field) == wanted[field] for field in ("capacity", "allocatable", "addresses"))
    return not (same and api.is_ready(node))


def is_killed(node: api.Json) -> bool:
    """Whether somebody has asked for the node's death."""
    return bool((node["metadata"].get("annotations") or {}).get(KILLED_ANNOTATION) == "true")


def lease_object(name: str, uid: str) -> api.Json:
    """Lease by which a node shows that it lives; it goes with its Node."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease", "ownerReferences": [owner]},
        "spec": lease_spec(name),
    }


def lease_spec(name: str) -> api.Json:
    """What a renewal writes."""
    now = datetime.datetime.now(datetime.UTC)
    return {
        "holderIdentity": name,
        "leaseDurationSeconds": LEASE_DURATION_S,
        "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
