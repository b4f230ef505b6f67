"""The device plugin of NVIDIA: what tells a node's kubelet of its accelerators, where the node's image does not.

The images of EKS carry driver and container toolkit but no device plugin (EKS user guide, ml-eks-optimized-ami).
"""

from __future__ import annotations

from collections.abc import Mapping

from tenbin_spec import catalogue, contract
from tenbin_spec.catalogue import Vendor
from tenbin_spec.pools import Pool

from tenbin._layout.manifests import Json, labels, metadata

IMAGE = "nvcr.io/nvidia/k8s-device-plugin:v0.18.2"
NAME = "tenbin-nvidia-device-plugin"
NAMESPACE = "kube-system"
"""Where pods may read the kubelet's folder; the stack's own namespace forbids it."""
_FOLDER = "/var/lib/kubelet/device-plugins"


def pools_served(pools: Mapping[str, Pool]) -> tuple[str, ...]:
    """Return the names of the pools whose nodes need it."""
    accelerators, instances = catalogue.accelerators(), catalogue.instances()
    vendors = {name: accelerators[instances[pool.instance_type].accelerator].vendor for name, pool in pools.items()}
    return tuple(sorted(name for name, vendor in vendors.items() if vendor is Vendor.NVIDIA))


def daemon_set(*, pools: tuple[str, ...], image: str, stack: str) -> Json:
    """Return the DaemonSet, on the nodes of the named pools alone, whatever the values of their taints."""
    selector = {contract.LABEL_NAME: NAME}
    own = labels(NAME, LABEL_STACK=stack)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata(NAME, NAMESPACE, own),
        "spec": {
            "selector": {"matchLabels": selector},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": own}, "spec": _pod(pools, image)},
        },
    }


def _pod(pools: tuple[str, ...], image: str) -> Json:
    own_nodes = {"key": contract.LABEL_POOL, "operator": "In", "values": list(pools)}
    return {
        "automountServiceAccountToken": False,
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
                "volumeMounts": [{"name": "device-plugins", "mountPath": _FOLDER}],
            }
        ],
        "volumes": [{"name": "device-plugins", "hostPath": {"path": _FOLDER, "type": "Directory"}}],
    }
