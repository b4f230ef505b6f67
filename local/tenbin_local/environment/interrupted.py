"""What a killed `pulumi up` leaves behind: operations of which the engine does not know whether they happened.

A half-created object is removed and made anew: creating it a second time would conflict with the fields that the first
try owns. Half-done updates and deletions are settled by reading what the cluster has.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.layout import Layout
from tenbin_local.environment.stacks import project_name
from tenbin_local.errors import LocalError


def settle(layout: Layout, stack: str, variables: Mapping[str, str], cluster: Cluster) -> bool:
    """Clear a stack's pending operations, and say whether there were any.

    Raises:
        LocalError: the engine or the API server refuses.
    """
    pending = _pending(layout, stack)
    if not pending:
        return False
    for operation in pending:
        if operation["type"] == "creating" and operation["resource"]["type"].startswith("kubernetes:"):
            _remove(cluster, operation["resource"].get("inputs", {}))
    command = ["pulumi", "refresh", "--stack", stack, "--yes", "--skip-preview", "--clear-pending-creates"]
    answer = subprocess.run(
        [*command, "--non-interactive", "--color=never"],
        cwd=layout.checkout,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise LocalError(f"What an interrupted update left cannot be settled: {answer.stdout}{answer.stderr}".strip())
    return True


def _pending(layout: Layout, stack: str) -> list[dict[str, Any]]:
    path = layout.pulumi_state / ".pulumi" / "stacks" / project_name(layout) / f"{stack}.json"
    try:
        return list(json.loads(path.read_text())["checkpoint"]["latest"].get("pending_operations") or ())
    except (OSError, ValueError, KeyError, AttributeError):
        return []


def _remove(cluster: Cluster, manifest: Mapping[str, Any]) -> None:
    version, metadata = str(manifest.get("apiVersion", "")), manifest.get("metadata", {})
    if not metadata.get("name"):
        return  # named by the provider: nobody else will ever want that name
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for kind in cluster.get(base)["resources"]:
        if kind["kind"] == manifest.get("kind") and "/" not in kind["name"]:
            scope = f"/namespaces/{metadata.get('namespace', 'default')}" if kind["namespaced"] else ""
            cluster.delete(f"{base}{scope}/{kind['name']}/{metadata['name']}")
