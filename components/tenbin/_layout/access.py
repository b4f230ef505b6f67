"""Rights of a program in the cluster: its own ServiceAccount, bound to one Role of its namespace."""

from __future__ import annotations

from collections.abc import Sequence

from tenbin._layout.manifests import Json

_RBAC = "rbac.authorization.k8s.io"


def rule(group: str, resource: str, verbs: Sequence[str], names: Sequence[str] = ()) -> Json:
    """Return a rule; with names it holds for the objects of these names only, which `create` and `list` cannot."""
    found: Json = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return {**found, "resourceNames": list(names)} if names else found


def account(*, metadata: Json, rules: Sequence[Json]) -> list[Json]:
    """Return a ServiceAccount, its Role and the binding of the two, all of one name.

    The token is mounted where a pod asks for it, never by the account.
    """
    name = metadata["name"]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False},
        {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": metadata["namespace"]}],
        },
    ]


def clusterwide(*, metadata: Json, rules: Sequence[Json], account: Json) -> list[Json]:
    """Return rights on objects of no namespace: a ClusterRole and its binding, both of one name.

    Args:
        metadata: of both; without a namespace, so that the name tells one stack's from another's.
        rules: of the ClusterRole.
        account: metadata of the ServiceAccount that gets them.
    """
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}],
        },
    ]
