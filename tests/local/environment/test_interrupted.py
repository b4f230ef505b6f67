"""A killed `pulumi up` is settled: what it created half is removed, and its pending operations are cleared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tenbin_local.environment import commands, interrupted, stacks
from tenbin_local.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Plane

pytestmark = pytest.mark.timeout(300)

STACK = "config: {}\nencryptionsalt: v1:vrfsJTnBEsk=:v1:axbn1bM3tp5kSP0t:Zr1CGxzRfV1eaj4QqDzyBsMwNWGxzw==\n"
PATH = "/api/v1/namespaces/default/configmaps"


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


def pending(name: str) -> dict[str, Any]:
    kind = "kubernetes:core/v1:ConfigMap"
    resource = {"urn": f"urn:pulumi:local::tenbin::{kind}::{name}", "custom": True, "type": kind}
    return {"type": "creating", "resource": {**resource, "inputs": config_map(name)}}


def edit_state(path: Path, operations: list[dict[str, Any]]) -> None:
    state = json.loads(path.read_text())
    state["checkpoint"]["latest"]["pending_operations"] = operations
    path.write_text(json.dumps(state))


def test_half_created_objects_are_removed_and_others_stay(plane: Plane) -> None:
    place = plane.place
    (place.stacks / "Pulumi.local.yaml").write_text(STACK)
    (place.checkout / "infra").mkdir()
    commands.prepare(place, plane.tools)
    variables = commands.variables(place, plane.tools, "local")
    stacks.create_missing(place, variables)
    assert interrupted.settle(place, "local", variables, plane.cluster) is False
    for name in ("half", "whole"):
        plane.cluster.apply(f"{PATH}/{name}", config_map(name))
    state = place.pulumi_state / ".pulumi" / "stacks" / "tenbin" / "local.json"
    edit_state(state, [pending("half"), pending("never-began")])

    assert interrupted.settle(place, "local", variables, plane.cluster) is True
    assert "pending_operations" not in json.loads(state.read_text())["checkpoint"]["latest"]
    with pytest.raises(LocalError, match='configmaps "half" not found'):
        plane.cluster.get(f"{PATH}/half")
    assert plane.cluster.get(f"{PATH}/whole")["metadata"]["name"] == "whole"
    assert (place.stacks / "Pulumi.local.yaml").read_text() == STACK
