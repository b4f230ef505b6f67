"""What the node agent may do: no more than a kubelet does for all nodes, with RBAC as the only judge."""

from __future__ import annotations

from typing import Any

from tenbin_local.environment.certificates import AGENT_USER
from tenbin_local.environment.cluster import Cluster

_GROUP = "rbac.authorization.k8s.io"
_NAME = "tenbin-node-agent"
_READ = ["get", "list", "watch"]
_RULES: list[tuple[str, list[str], list[str]]] = [
    ("", ["nodes"], [*_READ, "create", "update", "patch", "delete"]),
    ("", ["nodes/status"], ["get", "update", "patch"]),
    ("", ["pods"], [*_READ, "delete"]),
    ("", ["pods/status"], ["get", "update", "patch"]),
    ("", ["services", "configmaps", "secrets", "serviceaccounts"], _READ),
    ("", ["serviceaccounts/token"], ["create"]),
    ("", ["events"], ["create", "update", "patch"]),
    ("events.k8s.io", ["events"], ["create", "update", "patch"]),
    ("coordination.k8s.io", ["leases"], [*_READ, "create", "update", "patch", "delete"]),
]
"""API group, resources, verbs."""


def grant_agent(cluster: Cluster) -> None:
    """Give the node agent's user its role."""
    rules = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in _RULES]
    role = _manifest("ClusterRole") | {"rules": rules}
    binding = _manifest("ClusterRoleBinding") | {
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": _NAME},
        "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": AGENT_USER}],
    }
    cluster.apply(f"/apis/{_GROUP}/v1/clusterroles/{_NAME}", role)
    cluster.apply(f"/apis/{_GROUP}/v1/clusterrolebindings/{_NAME}", binding)


def _manifest(kind: str) -> dict[str, Any]:
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": {"name": _NAME}}
