"""What a built cluster is given besides the stack's own namespace, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest
from support import control_planes
from tenbin._layout import cluster_autoscaler, device_plugin, eks

PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ServiceAccount": "serviceaccounts",
}
OBJECTS: list[dict[str, Any]] = [
    *cluster_autoscaler.account("test"),
    cluster_autoscaler.deployment(
        arguments=cluster_autoscaler.arguments("inference"),
        image=cluster_autoscaler.image("1.35"),
        region="eu-west-1",
        stack="test",
    ),
    device_plugin.daemon_set(pools=("l4",), image=device_plugin.IMAGE, stack="test"),
    eks.network_policy_switch(),
]


def path(manifest: dict[str, Any]) -> str:
    version, place = manifest["apiVersion"], manifest["metadata"]
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{place['namespace']}" if "namespace" in place else ""
    return f"{group}{namespace}/{PLURALS[manifest['kind']]}/{place['name']}"


def missing(wanted: Any, found: Any, at: str = "") -> list[str]:
    """Return the places of a manifest that did not come back."""
    if isinstance(wanted, dict):
        return [
            place for key, value in wanted.items() for place in missing(value, (found or {}).get(key), f"{at}.{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [place for index, value in enumerate(wanted) for place in missing(value, found[index], f"{at}[{index}]")]
    return [] if wanted == found else [at]


@pytest.mark.timeout(180)
def test_the_api_server_takes_every_object_and_every_field_of_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    with control_planes.run(tmp_path_factory.mktemp("objects"), "objects") as running:
        for manifest in OBJECTS:
            running.client.apply(path(manifest), manifest)
            assert missing(manifest, running.client.get(path(manifest))) == [], manifest["kind"]
