"""Device plugins: what tells a node's kubelet of its accelerators and adapters, where the node's image does not.

The images of EKS carry drivers and container toolkit but no device plugin (EKS user guide, ml-eks-optimized-ami and
device-management-efa).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tenbin_spec import catalogue, contract
from tenbin_spec.catalogue import Vendor
from tenbin_spec.pools import Pool

from tenbin._layout.manifests import Json, labels, metadata

NAMESPACE = "kube-system"
"""Where pods may read the kubelet's folder; the stack's own namespace forbids it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin:
    """One device plugin."""

    name: str
    """Of its DaemonSet."""
    image: str
    folders: tuple[str, ...]
    """Of its node, that it reads and writes."""
    host_network: bool = False


_KUBELET = "/var/lib/kubelet/device-plugins"

NVIDIA = Plugin(
    name="tenbin-nvidia-device-plugin", image="nvcr.io/nvidia/k8s-device-plugin:v0.18.2", folders=(_KUBELET,)
)
EFA = Plugin(
    name="tenbin-efa-device-plugin",
    # Nodes of every region may pull it from there; releases before 0.5.10 count other devices of p6-b200 as adapters.
    image="602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/aws-efa-k8s-device-plugin:v0.5.20",
    folders=(_KUBELET, "/dev/infiniband"),
    host_network=True,
)
"""As the chart of AWS runs it (aws/eks-charts, aws-efa-k8s-device-plugin 0.5.30)."""


def nvidia_pools(pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """Return the names of the pools whose nodes need NVIDIA's."""
    accelerators, instances = catalogue.accelerators(), catalogue.instances()
    vendors = {name: accelerators[instances[pool.instance_type].accelerator].vendor for name, pool in pools.items()}
    return tuple(sorted(name for name, vendor in vendors.items() if vendor is Vendor.NVIDIA))


def efa_pools(pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """Return the names of the pools whose nodes need the one of the Elastic Fabric Adapter."""
    return tuple(sorted(name for name, pool in pools.items() if pool.efa))


def daemon_set(plugin: Plugin, *, pools: tuple[str, ...], image: str | None, stack: str) -> Json:
    """Return the DaemonSet, on the nodes of the named pools alone, whatever the values of their taints.

    Args:
        plugin: what runs.
        pools: names of the pools.
        image: its image, where it is a copy of one's own.
        stack: name of the stack.
    """
    selector = {contract.LABEL_NAME: plugin.name}
    own = labels(plugin.name, LABEL_STACK=stack)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(plugin.name, NAMESPACE, own),
        "spec": {
            "selector": {"matchLabels": selector},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": own}, "spec": _pod(plugin, pools, image or plugin.image)},
        },
    }


def _pod(plugin: Plugin, pools: tuple[str, ...], image: str) -> Json:
    folders = {folder.rpartition("/")[2]: folder for folder in plugin.folders}
    own_nodes = {"key": contract.LABEL_POOL, "operator": "In", "values": list(pools)}
    return {
        "automountServiceAccountToken": False,
        **({"hostNetwork": True} if plugin.host_network else {}),
        # Without it no engine of the node starts.
        "priorityClassName": "system-node-critical",
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [own_nodes]}]
                }
            }
        },
        # A taint whose value differs from what is tolerated leaves the plugin without pods, and without an error.
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoSchedule"}
            for key in (contract.TAINT_POOL, contract.TAINT_GPU)
        ],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "device-plugin",
                "image": image,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "128Mi"},
                    "limits": {"memory": "128Mi"},
                },
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": name, "mountPath": folder} for name, folder in folders.items()],
            }
        ],
        "volumes": [
            {"name": name, "hostPath": {"path": folder, "type": "Directory"}} for name, folder in folders.items()
        ],
    }
