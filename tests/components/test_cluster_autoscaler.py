"""`ClusterAutoscaler`: the right version, no more rights than it needs, and no warm engine ended to save a node."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tenbin
from support import amazon
from support.registered import Registrations, register
from tenbin._layout import cluster_autoscaler as layout
from tenbin_spec import catalogue


def autoscaler(**fields: Any) -> Registrations:
    args: Any = {"cluster": amazon.plain_cluster(**fields), "cluster_name": "inference"}
    return register(lambda: tenbin.ClusterAutoscaler("autoscaler", args))


def pod(found: Registrations) -> dict[str, Any]:
    spec: dict[str, Any] = found.one("Deployment::autoscaler").inputs["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", sorted(catalogue.addon_versions()))
def test_its_version_is_that_of_the_cluster(version: str) -> None:
    [container] = pod(autoscaler(version=version))["containers"]
    assert container["image"].rpartition(":")[2].startswith(f"v{version}.")


def test_it_finds_the_groups_of_its_cluster_by_the_tags_that_eks_gives_them() -> None:
    [container] = pod(autoscaler())["containers"]
    assert (
        "--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/inference"
        in container["args"]
    )


def test_only_nodes_without_an_engine_are_taken_away() -> None:
    [container] = pod(autoscaler())["containers"]
    assert "--scale-down-gpu-utilization-threshold=0.01" in container["args"]


def test_it_knows_its_region_although_no_pod_reaches_the_metadata_service() -> None:
    [container] = pod(autoscaler())["containers"]
    assert container["env"] == [{"name": "AWS_REGION", "value": "eu-west-1"}]


def test_it_resizes_the_groups_of_its_own_cluster_alone() -> None:
    policy = json.loads(autoscaler().one("RolePolicy::autoscaler").inputs["policy"])
    read, describe, resize = policy["Statement"]
    assert not [action for action in read["Action"] if not action.split(":")[1].startswith(("Describe", "Get"))]
    assert describe["Resource"] == ["arn:aws:eks:eu-west-1:*:nodegroup/inference/*"]
    assert resize["Condition"] == {"StringEquals": {"aws:ResourceTag/k8s.io/cluster-autoscaler/inference": "owned"}}


def test_its_role_is_taken_by_its_own_account_and_before_it_starts() -> None:
    found = autoscaler()
    association = found.one("PodIdentityAssociation::autoscaler").inputs
    account = found.one("ServiceAccount::autoscaler").inputs["metadata"]
    assert (association["namespace"], association["serviceAccount"]) == (account["namespace"], account["name"])
    assert pod(found)["serviceAccountName"] == account["name"]
    depends = found.one("Deployment::autoscaler").depends_on
    assert {"RolePolicy::autoscaler", "PodIdentityAssociation::autoscaler"} <= set(depends)


def test_its_rights_in_the_cluster_have_no_wildcard_and_no_secrets() -> None:
    for manifest in layout.account("test"):
        for rule in manifest.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_it_is_as_hard_as_every_other_pod() -> None:
    spec = pod(autoscaler())
    assert spec["securityContext"]["runAsNonRoot"] is True
    [container] = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
