"""The life of the stack `prod`: made, protected until that is taken back, destroyed.

No node runs: pods are reported as ready. Its AWS is the stand-in's.
"""

from __future__ import annotations

import pathlib

import pytest
from support import control_planes, lives, ready_pods


@pytest.mark.timeout(900)
def test_prod_is_only_destroyed_by_who_takes_its_protection_back(tmp_path: pathlib.Path) -> None:
    with (
        control_planes.run(tmp_path, "prod") as plane,
        ready_pods.reported(plane.client),
        lives.of("prod", tmp_path, client=plane.client, kubeconfig=plane.place.kubeconfig) as life,
    ):
        assert set(life.changed().values()) == {"create"}
        assert life.missing_objects() == set()
        made = life.in_account()

        # By its preview: without one the engine takes away what it comes to before the cluster.
        refused = life.project.pulumi("destroy", "--yes", "--stack", "test")
        assert refused.code != 0
        assert "protect" in refused.output
        assert life.in_account() == made
        assert life.missing_objects() == set()

        life.config["tenbin:cluster"]["deletion_protection"] = False
        assert life.changed() == {"Cluster::platform-cluster": "update"}
        life.destroy()
