"""The life of the stack `staging` on a bad day: `up` fails twice and is taken up again, then each change, then nothing.

No node runs: pods are reported as ready. Its AWS is the stand-in's.
"""

from __future__ import annotations

import pathlib

import pytest
from support import control_planes, lives, ready_pods

LATE = "eventual-consistency:aws:ec2/vpc:Vpc:1"
FULL = "insufficient-capacity:platform-l40s-*:1"
DOCUMENT = "ConfigMap::platform-planner-document"


@pytest.mark.timeout(900)
def test_staging_from_a_failed_up_to_nothing(tmp_path: pathlib.Path) -> None:
    with (
        control_planes.run(tmp_path, "staging") as plane,
        ready_pods.reported(plane.client),
        lives.of("staging", tmp_path, client=plane.client, kubeconfig=plane.place.kubeconfig) as life,
    ):
        life.config["tenbin:cluster"]["deletion_protection"] = False
        life.configure()
        faults = {lives.FAULTS: f"{LATE},{FULL}"}
        up = ("up", "--yes", "--skip-preview", "--stack", "test")

        failed = life.project.pulumi(*up, env=faults)
        assert failed.code != 0
        assert "InvalidVpcID.NotFound" in failed.output
        assert len(life.in_account(kind="ec2-vpc")) == 1

        failed = life.project.pulumi(*up, env=faults)
        assert failed.code != 0
        assert "InsufficientInstanceCapacity" in failed.output
        groups = life.in_account(kind="eks-nodeGroup")

        resumed = life.project.changes(env=faults)
        assert set(resumed.values()) <= {"create", "update"}
        assert resumed["NodeGroup::platform-l40s"] == "update"
        # What was made on the way is the same afterwards: neither a second network nor a second group.
        assert len(life.in_account(kind="ec2-vpc")) == 1
        assert set(groups) <= set(life.in_account(kind="eks-nodeGroup"))
        assert life.missing_objects() == set()

        life.pool("l40s-spot").update(capacity_type="on-demand", hourly_usd="2.24")
        assert life.changed() == {"NodeGroup::platform-l40s-spot": "replace", DOCUMENT: "update"}
        assert len(life.in_account(kind="eks-nodeGroup")) == 3

        life.config["tenbin:cluster"]["version"] = "1.36"
        newer = life.changed()
        assert set(newer.values()) == {"update"}
        assert {name for name in newer if not name.startswith("Addon::")} == {
            "Cluster::platform-cluster",
            "Deployment::platform-autoscaler",
            "NodeGroup::platform-cluster-system",
            "NodeGroup::platform-l40s",
            "NodeGroup::platform-l40s-spot",
        }
        life.destroy()
