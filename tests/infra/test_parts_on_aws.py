"""Network, cluster and pools with a real engine, against all that AWS is known to refuse: made, changed, destroyed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import amazon, projects
from tenbin_spec import catalogue

PARTS = """
import json
import pathlib
import pulumi
import tenbin

settings = json.loads(pathlib.Path(__file__).with_name("settings.json").read_text())
cluster = settings["cluster"]
network = tenbin.Network("net", {"network": cluster["network"], "owner": cluster["owner"]})
ids = {"control_subnet_ids": network.intra_subnet_ids, "node_subnet_ids": network.private_subnet_ids}
made = tenbin.Cluster("eks", {"cluster": cluster, **ids}, pulumi.ResourceOptions(depends_on=[network]))
place = {
    "cluster": cluster,
    "cluster_name": made.name,
    "vpc_id": network.vpc_id,
    "subnet_ids": network.private_subnet_ids,
    "security_group_id": made.security_group_id,
    "node_role_arn": made.node_role_arn,
    "node_role_name": made.node_role_name,
}
waiting = pulumi.ResourceOptions(depends_on=[made])
karpenter = tenbin.Karpenter("karpenter", {"cluster": cluster, "cluster_name": made.name}, waiting)
for name, pool in settings["pools"].items():
    tenbin.AcceleratorPool(name, {"pool": pool, **place}, waiting)
"""
POOLS: dict[str, Any] = {
    "spot": {"instance_type": "g6.xlarge", "capacity_type": "spot"},
    "arm": {"instance_type": "g5g.xlarge"},
    "neuron": {"instance_type": "inf2.xlarge"},
    "close": {"instance_type": "p5.48xlarge", "efa": True, "placement": "cluster", "zones": ["eu-west-1a"]},
    "block": {
        "instance_type": "p5en.48xlarge",
        "efa": True,
        "capacity_type": "capacity-block",
        "capacity_reservation": "cr-0123456789abcdef0",
        "zones": ["eu-west-1b"],
    },
    "reserved": {
        "instance_type": "p6-b300.48xlarge",
        "efa": True,
        "capacity_type": "reservation",
        "capacity_reservation": "cr-0123456789abcdef1",
        "zones": ["eu-west-1b"],
    },
}
ADDONS = catalogue.addon_versions()["1.36"]


def name_of(urn: str) -> str:
    return urn.rpartition("::")[2]


def settings(project: projects.Project, **changes: Any) -> None:
    """Write what the program of parts reads."""
    plain = {
        "cluster": amazon.plain_cluster(deletion_protection=False),
        "pools": {name: {"nodes": {"max": 2}, "region": "eu-west-1", **pool} for name, pool in POOLS.items()},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = plain
        for parent in parents:
            place = place[parent]
        place[last] = value
    (project.root / "infra" / "settings.json").write_text(json.dumps(plain))
    project.program(PARTS)


def changes(project: projects.Project) -> dict[str, str]:
    """Return the operation of each resource that a preview would touch."""
    return {
        name_of(step["urn"]): step["op"]
        for step in project.preview()["steps"]
        if step["op"] not in {"same", "create-replacement", "delete-replaced"}
        and step["newState"]["type"].startswith("aws:")
    }


@pytest.mark.timeout(400)
def test_network_cluster_and_pools_are_made_changed_and_destroyed(project: projects.Project) -> None:
    settings(project)
    project.up()

    # What shows no change here is as it was made. Nodes follow their cluster, which is not there yet in a preview.
    settings(project, cluster__version="1.36", pools__spot__nodes={"max": 5}, pools__arm__capacity_type="spot")
    found = changes(project)
    addons = {name for name in found if found[name] == "update" and name.removeprefix("eks-") in ADDONS}
    assert addons
    assert {name: done for name, done in found.items() if name not in addons} == {
        "eks": "update",
        "eks-system": "update",
        **dict.fromkeys(POOLS, "update"),
        "arm": "replace",
    }

    done = project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test")
    assert done.code == 0, done.output
    assert project.resources() == {}
