"""Killing and reviving nodes, and the record of the dead ones.

`kill_node` and `revive_nodes` are for the environment's commands; the agent follows the annotation and the record.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from tenbin_local import errors
from tenbin_local.agent import api, nodes, records, settings


def load(path: Path) -> dict[str, datetime.datetime]:
    """Dead nodes, with the time of their death; empty where the file is missing or unreadable."""
    try:
        return {name: records.parse_time(time) for name, time in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def save(path: Path, dead: dict[str, datetime.datetime]) -> None:
    """Write the record."""
    if dead or path.exists():
        settings.write_json(path, {name: records.stamp(time) for name, time in dead.items()})


async def _mark(connection: api.Api, name: str, value: str | None) -> None:
    body = {"metadata": {"annotations": {nodes.KILLED_ANNOTATION: value}}}
    await connection.call("PATCH", f"/api/v1/nodes/{name}", body=body, content_type=api.MERGE_PATCH)


async def kill_node(kubeconfig: Path, name: str) -> None:
    """Ask the agent to kill a node; it does so within a second or so.

    Raises:
        LocalError: There is no such node, or the API server is not to be reached.
    """
    connection = await api.Api.connect(kubeconfig)
    try:
        await _mark(connection, name, "true")
    except api.ApiError as error:
        if error.status == api.NOT_FOUND:
            raise errors.LocalError(f"node {name!r} does not exist in this environment") from error
        raise
    finally:
        await connection.close()


async def revive_nodes(root: Path, kubeconfig: Path) -> list[str]:
    """Bring all killed nodes of the environment at `root` back to life; returns their names.

    The agent, running or started later, registers those that are missing.

    Raises:
        ApiError: The API server is not to be reached.
    """
    path = root / "killed-nodes.json"
    dead = set(load(path))
    connection = await api.Api.connect(kubeconfig)
    try:
        answer = await connection.call("GET", "/api/v1/nodes")
        for node in answer["items"]:
            if nodes.is_killed(node):
                dead.add(node["metadata"]["name"])
                await _mark(connection, node["metadata"]["name"], None)
    finally:
        await connection.close()
    path.unlink(missing_ok=True)
    return sorted(dead)
