"""Everything that lies in a cluster, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenbin_local.environment import cluster

_COMES_AND_GOES = {"ComponentStatus", "Event", "Lease", "Node"}
"""What the cluster itself makes and forgets."""


def names(client: cluster.Cluster) -> set[str]:
    """Return all objects as `Kind namespace/name`, by the kinds that the API server knows now."""
    return {
        f"{kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for folder, kind, plural in _kinds(client)
        if kind not in _COMES_AND_GOES
        for item in client.get(f"{folder}/{plural}").get("items") or ()
        if not _is_part_of_a_namespace(kind, item)
    }


def _is_part_of_a_namespace(kind: str, item: dict[str, Any]) -> bool:
    """Tell the accounts and certificates that controllers put into namespaces, each when it comes to it."""
    makers = {entry["manager"] for entry in item["metadata"].get("managedFields") or ()}
    return kind in {"ServiceAccount", "ConfigMap"} and makers <= {"kube-controller-manager"}


def _kinds(client: cluster.Cluster) -> Iterator[tuple[str, str, str]]:
    groups = client.get("/apis")["groups"]
    for folder in ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]:
        for resource in client.get(folder)["resources"]:
            if "list" in resource["verbs"]:
                yield folder, resource["kind"], resource["name"]


def names_of_stack(resources: list[dict[str, Any]]) -> set[str]:
    """Return the objects of Kubernetes that a stack's state says there are, as `names` writes them; none of charts."""
    found = set()
    for resource in resources:
        if resource["type"].startswith("kubernetes:") and "metadata" in resource["outputs"]:
            place = resource["outputs"]["metadata"]
            found.add(f"{resource['type'].rpartition(':')[2]} {place.get('namespace', '')}/{place['name']}")
    return found
