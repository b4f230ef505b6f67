"""What a built cluster is given besides the stack's own namespace, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import control_planes, engine_groups, leader_worker_sets
from support.waiting import until
from tenbin._layout import cluster_autoscaler, device_plugin, eks, namespace
from tenbin_local.environment import cluster
from tenbin_local.errors import LocalError

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
    device_plugin.daemon_set(device_plugin.NVIDIA, pools=("l4",), image=None, stack="test"),
    device_plugin.daemon_set(device_plugin.EFA, pools=("h200",), image=None, stack="test"),
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


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """An administrator's client of a control plane of the module's own."""
    with control_planes.run(tmp_path_factory.mktemp("objects"), "objects") as running:
        yield running.client


@pytest.mark.timeout(180)
def test_the_api_server_takes_every_object_and_every_field_of_it(client: cluster.Cluster) -> None:
    for manifest in OBJECTS:
        client.apply(path(manifest), manifest)
        assert missing(manifest, client.get(path(manifest))) == [], manifest["kind"]


@pytest.mark.timeout(180)
def test_it_takes_groups_of_pods_and_ties_the_pods_of_each_to_one_zone(client: cluster.Cluster) -> None:
    leader_worker_sets.define(client)
    manifest = engine_groups.rendered()
    client.apply("/api/v1/namespaces/tenbin", namespace.manifest(name="tenbin", stack="test"))
    client.apply(leader_worker_sets.path(manifest), manifest)
    assert missing(manifest, client.get(leader_worker_sets.path(manifest))) == []
    until(lambda: client.get("/api/v1/namespaces/tenbin/serviceaccounts")["items"])
    for pod in leader_worker_sets.pods(manifest):
        place = f"/api/v1/namespaces/tenbin/pods/{pod['metadata']['name']}"
        client.apply(place, pod)
        made = client.get(place)["spec"]
        [term] = made["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        own = {"key": "leaderworkerset.sigs.k8s.io/group-key", "operator": "In", "values": ["key-of-0"]}
        assert own in term["labelSelector"]["matchExpressions"]


@pytest.mark.timeout(180)
def test_it_refuses_a_set_that_its_definition_does_not_know(client: cluster.Cluster) -> None:
    leader_worker_sets.define(client)
    client.apply("/api/v1/namespaces/tenbin", namespace.manifest(name="tenbin", stack="test"))
    manifest = engine_groups.rendered()
    manifest["spec"]["leaderWorkerTemplate"]["restartPolicy"] = "Always"
    with pytest.raises(LocalError, match="restartPolicy"):
        client.apply(leader_worker_sets.path(manifest), manifest)
