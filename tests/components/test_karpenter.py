"""`Karpenter`: rights over its own nodes alone, every sign that a node goes, definitions before what uses them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import tenbin
from support import amazon
from support.registered import Registrations, register
from tenbin._layout import karpenter_controller as layout

OWN_TAG = "aws:ResourceTag/kubernetes.io/cluster/inference"
ASKED_TAG = "aws:RequestTag/kubernetes.io/cluster/inference"


def karpenter(*, preview: bool = False, registry: str | None = None, **fields: Any) -> Registrations:
    args: Any = {"cluster": amazon.plain_cluster(karpenter=True, **fields), "cluster_name": "inference"}
    if registry is not None:
        args["registry"] = registry
    return register(lambda: tenbin.Karpenter("karpenter", args), preview=preview)


def values(found: Registrations) -> dict[str, Any]:
    given: dict[str, Any] = found.one("Release::karpenter").inputs["values"]
    return given


def rights(found: Registrations) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = json.loads(found.one("RolePolicy::karpenter").inputs["policy"])["Statement"]
    return statements


def allowing(action: str) -> list[dict[str, Any]]:
    return [statement for statement in rights(karpenter()) if action in statement["Action"]]


def test_both_charts_have_one_pinned_version_and_an_upgrade_reaches_the_definitions() -> None:
    found = karpenter()
    releases = [found.one(f"Release::{name}") for name in ("karpenter-crd", "karpenter")]
    assert [item.inputs["chart"] for item in releases] == [
        "oci://public.ecr.aws/karpenter/karpenter-crd",
        "oci://public.ecr.aws/karpenter/karpenter",
    ]
    assert {item.inputs["version"] for item in releases} == {layout.VERSION}
    assert re.fullmatch(r"\d+\.\d+\.\d+", layout.VERSION)
    assert [bool(item.inputs.get("skipCrds")) for item in releases] == [False, True]
    assert "Release::karpenter-crd" in releases[1].depends_on


def test_charts_and_image_come_from_a_registry_of_ones_own() -> None:
    found = karpenter(registry="registry.example.com:5000/karpenter")
    assert found.one("Release::karpenter").inputs["chart"] == "oci://registry.example.com:5000/karpenter/karpenter"
    assert values(found)["controller"]["image"] == {"repository": "registry.example.com:5000/karpenter/controller"}


def test_its_role_is_taken_by_its_own_account_and_before_it_starts() -> None:
    found = karpenter()
    association = found.one("PodIdentityAssociation::karpenter").inputs
    release = found.one("Release::karpenter")
    assert association["namespace"] == release.inputs["namespace"]
    assert association["serviceAccount"] == values(found)["serviceAccount"]["name"]
    assert {"RolePolicy::karpenter", "PodIdentityAssociation::karpenter"} <= set(release.depends_on)


def test_it_knows_cluster_queue_and_region() -> None:
    found = values(karpenter())
    assert found["settings"]["clusterName"] == "inference"
    assert found["settings"]["interruptionQueue"].startswith("karpenter")
    assert found["controller"]["env"] == [{"name": "AWS_REGION", "value": "eu-west-1"}]


@pytest.mark.parametrize(("nodes", "replicas"), [({"min": 1, "max": 2}, 1), ({"min": 2, "max": 4}, 2)])
def test_it_has_no_more_replicas_than_there_are_nodes_for_them(nodes: dict[str, int], replicas: int) -> None:
    assert values(karpenter(system_nodes={"nodes": nodes}))["replicas"] == replicas


def test_a_network_without_a_way_out_asks_for_no_prices() -> None:
    zones = ["eu-west-1a", "eu-west-1b"]
    endpoints = ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "sqs", "ssm", "sts"]
    shut = values(karpenter(network={"zones": zones, "nat": "none", "endpoints": endpoints}))
    assert (shut["settings"]["isolatedVPC"], values(karpenter())["settings"]["isolatedVPC"]) == (True, False)


def test_its_nodes_join_by_an_entry_of_nodes_with_a_role_of_their_own() -> None:
    found = karpenter()
    entry = found.one("AccessEntry::karpenter-node").inputs
    assert (entry["type"], entry["principalArn"]) == ("EC2_LINUX", amazon.arn("iam", "karpenter-node"))
    policies = [item.inputs["policyArn"] for item in found.resources if "RolePolicyAttachment" in item.type]
    assert sorted(policy.rpartition("/")[2] for policy in policies) == [
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKSWorkerNodePolicy",
        "AmazonSSMManagedInstanceCore",
    ]


def test_it_passes_the_role_of_its_nodes_alone_and_to_instances_alone() -> None:
    [passing] = allowing("iam:PassRole")
    assert passing["Resource"] == [amazon.arn("iam", "karpenter-node")]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_no_right_has_a_wildcard_and_it_makes_no_instance_profiles() -> None:
    actions = [action for statement in rights(karpenter()) for action in statement["Action"]]
    assert not [action for action in actions if "*" in action]
    assert sorted(action for action in actions if action.startswith("iam:")) == [
        "iam:GetInstanceProfile",
        "iam:ListInstanceProfiles",
        "iam:PassRole",
    ]


@pytest.mark.parametrize("action", ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"])
def test_it_ends_what_carries_its_clusters_tag_alone(action: str) -> None:
    [ending] = allowing(action)
    assert ending["Condition"] == {
        "StringEquals": {OWN_TAG: "owned"},
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }


def test_what_it_makes_must_be_tagged_as_its_clusters() -> None:
    [made] = [item for item in allowing("ec2:RunInstances") if any("instance/*" in arn for arn in item["Resource"])]
    assert made["Condition"]["StringEquals"][ASKED_TAG] == "owned"
    [at_once, later] = allowing("ec2:CreateTags")
    assert at_once["Condition"]["StringEquals"]["ec2:CreateAction"] == [
        "CreateFleet",
        "CreateLaunchTemplate",
        "RunInstances",
    ]
    assert later["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"] == [
        "Name",
        "eks:eks-cluster-name",
        "karpenter.sh/nodeclaim",
    ]


def test_it_may_launch_into_reservations_and_placement_groups() -> None:
    chosen = [arn for item in allowing("ec2:CreateFleet") for arn in item["Resource"]]
    for kind in ("capacity-reservation", "placement-group"):
        assert f"arn:aws:ec2:eu-west-1:*:{kind}/*" in chosen


def test_what_reads_everything_only_reads() -> None:
    everything = [item for item in rights(karpenter()) if item["Resource"] == ["*"]]
    actions = [action.partition(":")[2] for item in everything for action in item["Action"]]
    assert not [action for action in actions if not action.startswith(("Describe", "Get", "List"))]


def test_its_rights_fit_into_one_policy_of_a_cluster_with_the_longest_name() -> None:
    text = layout.policy(
        cluster_name="c" * 63,
        region="us-gov-west-1",
        queue_arn=amazon.arn("sqs", "q" * 80),
        node_role_arn=amazon.arn("iam", "role/" + "r" * 64),
    )
    assert len(re.sub(r"\s", "", text)) <= 10240


@pytest.mark.parametrize(
    ("event", "source", "kind"), [(name, *told) for name, told in layout.EVENTS.items()], ids=list(layout.EVENTS)
)
def test_each_sign_that_a_node_goes_reaches_the_queue(event: str, source: str, kind: str) -> None:
    found = karpenter()
    pattern = json.loads(found.one(f"EventRule::karpenter-{event}").inputs["eventPattern"])
    assert pattern == {"source": [source], "detail-type": [kind]}
    assert found.one(f"EventTarget::karpenter-{event}").inputs["arn"] == amazon.arn("sqs", "karpenter")


def test_the_queue_hears_its_own_rules_alone_and_is_encrypted_both_ways() -> None:
    found = karpenter()
    writing, plain = json.loads(found.one("QueuePolicy::karpenter").inputs["policy"])["Statement"]
    rules = sorted(amazon.arn("cloudwatch", f"karpenter-{event}") for event in layout.EVENTS)
    assert writing["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}
    assert (plain["Effect"], plain["Principal"], plain["Condition"]) == (
        *("Deny", "*", {"Bool": {"aws:SecureTransport": "false"}}),
    )
    assert found.one("Queue::karpenter").inputs["sqsManagedSseEnabled"] is True


def test_every_resource_that_can_carry_tags_says_stack_part_and_owner() -> None:
    for item in karpenter().resources:
        if item.type.startswith("aws:") and not item.type.endswith(("Attachment", "Policy", "EventTarget")):
            tags = item.inputs["tags"]
            assert (tags["tenbin.dev/stack"], tags["tenbin.dev/part"], tags["tenbin.dev/owner"]) == (
                *("test", "cluster", "ml-platform"),
            )


def test_the_preview_shows_all_of_it() -> None:
    shown, made = karpenter(preview=True), karpenter()
    assert sorted(item.key for item in shown.resources) == sorted(item.key for item in made.resources)
