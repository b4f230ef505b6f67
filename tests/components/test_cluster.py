"""`Cluster`: secure as it comes, whole with its nodes, and what it refuses."""

from __future__ import annotations

import functools
import json
from typing import Any

import pulumi
import pytest
import tenbin
from support import amazon
from support.registered import Registered, Registrations, register
from tenbin_spec import catalogue

ADMINISTRATOR = "arn:aws:iam::111122223333:role/platform-admin"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
VERSIONS = sorted(catalogue.addon_versions())


def cluster(*, preview: bool = False, subnets: Any = None, **fields: Any) -> Registrations:
    ids = {zone: f"subnet-{zone}" for zone in ("eu-west-1b", "eu-west-1a")}
    args: Any = {
        "cluster": amazon.plain_cluster(administrators=[ADMINISTRATOR], **fields),
        "control_subnet_ids": subnets or ids,
        "node_subnet_ids": subnets or ids,
    }
    return _registered(json.dumps(args, sort_keys=True), preview)


@functools.cache
def _registered(text: str, preview: bool) -> Registrations:
    args: Any = json.loads(text)
    return register(lambda: tenbin.Cluster("eks", args), preview=preview)


def refused(**fields: Any) -> list[str]:
    with pytest.raises(pulumi.RunError) as caught:
        cluster(**fields)
    return str(caught.value).splitlines()


def of_kind(found: Registrations, kind: str) -> dict[str, Registered]:
    return {item.name: item for item in found.resources if item.type.endswith(f":{kind}")}


def control_plane(**fields: Any) -> dict[str, Any]:
    [item] = [item for item in cluster(**fields).resources if item.type == "aws:eks/cluster:Cluster"]
    return item.inputs


def test_it_builds_exactly_these_parts() -> None:
    [children] = [names for parent, names in cluster().tree().items() if parent]
    addons = ("coredns", "eks-node-monitoring-agent", "eks-pod-identity-agent", "kube-proxy", "vpc-cni")
    expected = [
        "AccessEntry::eks-111122223333-role-platform-admin",
        "AccessPolicyAssociation::eks-111122223333-role-platform-admin",
        *(f"Addon::eks-{name}" for name in addons),
        "Cluster::eks",
        "LaunchTemplate::eks-system",
        "LogGroup::eks",
        "NodeGroup::eks-system",
        *(f"Role::eks-{kind}" for kind in ("control", "node", "vpc-cni")),
        "RolePolicyAttachment::eks-control-AmazonEKSClusterPolicy",
        "RolePolicyAttachment::eks-node-AmazonEC2ContainerRegistryPullOnly",
        "RolePolicyAttachment::eks-node-AmazonEKSWorkerNodePolicy",
        "RolePolicyAttachment::eks-node-AmazonSSMManagedInstanceCore",
        "RolePolicyAttachment::eks-vpc-cni-AmazonEKS_CNI_Policy",
    ]
    assert children == sorted(expected)


def test_the_api_server_is_private_unless_ranges_are_named() -> None:
    private = control_plane()["vpcConfig"]
    assert (private["endpointPrivateAccess"], private["endpointPublicAccess"]) == (True, False)
    assert "publicAccessCidrs" not in private
    public = control_plane(public_cidrs=["203.0.113.0/24"])["vpcConfig"]
    assert (public["endpointPrivateAccess"], public["endpointPublicAccess"]) == (True, True)
    assert public["publicAccessCidrs"] == ["203.0.113.0/24"]


def test_nobody_is_let_in_but_the_administrators_that_are_named() -> None:
    found = cluster()
    access = control_plane()["accessConfig"]
    assert access == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    [entry] = of_kind(found, "AccessEntry").values()
    assert entry.inputs["principalArn"] == ADMINISTRATOR
    [right] = of_kind(found, "AccessPolicyAssociation").values()
    assert right.inputs["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    assert right.inputs["accessScope"] == {"type": "cluster"}


def test_all_logs_of_the_control_plane_are_kept_as_long_as_asked() -> None:
    found = cluster(log_days=365)
    assert len(control_plane()["enabledClusterLogTypes"]) == 5
    group = found.one("LogGroup::eks").inputs
    assert (group["name"], group["retentionInDays"]) == ("/aws/eks/tenbin-test/cluster", 365)
    [made] = [item for item in found.resources if item.type == "aws:eks/cluster:Cluster"]
    assert "LogGroup::eks" in made.depends_on


def test_secrets_are_encrypted_with_a_key_of_ones_own_where_one_is_named() -> None:
    assert "encryptionConfig" not in control_plane()
    assert control_plane(kms_key=KEY)["encryptionConfig"] == {"provider": {"keyArn": KEY}, "resources": ["secrets"]}
    policy = json.loads(cluster(kms_key=KEY).one("RolePolicy::eks-secrets").inputs["policy"])
    [statement] = policy["Statement"]
    assert statement["Resource"] == [KEY]


def test_extended_support_is_never_bought() -> None:
    assert control_plane()["upgradePolicy"] == {"supportType": "STANDARD"}


@pytest.mark.parametrize("version", VERSIONS)
def test_addons_are_those_of_the_version_and_pinned(version: str) -> None:
    found = of_kind(cluster(version=version), "Addon")
    pinned = {item.inputs["addonName"]: item.inputs["addonVersion"] for item in found.values()}
    assert pinned == catalogue.addon_versions()[version]
    assert control_plane(version=version)["version"] == version


def test_an_addon_is_overridden_alone() -> None:
    found = cluster(version="1.35", addons={"coredns": "v1.14.3-eksbuild.3"})
    assert found.one("Addon::eks-coredns").inputs["addonVersion"] == "v1.14.3-eksbuild.3"
    assert found.one("Addon::eks-vpc-cni").inputs["addonVersion"] == "v1.21.1-eksbuild.8"


def test_network_plugin_and_pod_identity_come_before_nodes_and_the_rest_after_them() -> None:
    found = cluster()
    group = found.one("NodeGroup::eks-system").depends_on
    assert {"Addon::eks-vpc-cni", "Addon::eks-kube-proxy", "Addon::eks-eks-pod-identity-agent"} <= set(group)
    for name in ("coredns", "eks-node-monitoring-agent"):
        assert "NodeGroup::eks-system" in found.one(f"Addon::eks-{name}").depends_on


def test_network_policies_are_enforced() -> None:
    configuration = cluster().one("Addon::eks-vpc-cni").inputs["configurationValues"]
    assert json.loads(configuration) == {"enableNetworkPolicy": "true"}


def test_the_network_plugin_has_a_role_of_its_own_and_nodes_lack_its_rights() -> None:
    found = cluster()
    [association] = found.one("Addon::eks-vpc-cni").inputs["podIdentityAssociations"]
    assert association["serviceAccount"] == "aws-node"
    attachments = of_kind(found, "RolePolicyAttachment")
    attached = {item.inputs["policyArn"] for name, item in attachments.items() if name.startswith("eks-node-")}
    assert len(attached) == 3
    assert not [arn for arn in attached if "CNI" in arn or "S3" in arn or "FullAccess" in arn]


def test_nodes_have_version_two_of_the_metadata_service_one_hop_and_encrypted_volumes() -> None:
    template = cluster().one("LaunchTemplate::eks-system").inputs
    metadata = template["metadataOptions"]
    assert metadata == {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}
    [device] = template["blockDeviceMappings"]
    assert device["ebs"]["encrypted"] is True
    assert (device["ebs"]["volumeType"], device["ebs"]["volumeSize"]) == ("gp3", 50)


def test_a_launch_template_of_a_managed_group_names_no_subnet_no_image_and_no_profile() -> None:
    template = cluster().one("LaunchTemplate::eks-system").inputs
    assert not {"networkInterfaces", "imageId", "iamInstanceProfile", "instanceType"} & set(template)
    assert template["vpcSecurityGroupIds"] == ["sg-cluster"]


def test_what_is_launched_carries_the_tags_since_those_of_a_group_stay_on_the_group() -> None:
    template = cluster().one("LaunchTemplate::eks-system").inputs
    tagged = {item["resourceType"]: item for item in template["tagSpecifications"]}
    assert set(tagged) == {"instance", "volume", "network-interface"}
    for item in tagged.values():
        assert item["tags"]["tenbin.dev/owner"] == "ml-platform"
        assert item["tags"]["tenbin.dev/part"] == "cluster"


@pytest.mark.parametrize(
    ("instance_types", "ami_type"),
    [(["m7i.large", "m6i.large"], "AL2023_x86_64_STANDARD"), (["m7g.large", "c8gd.xlarge"], "AL2023_ARM_64_STANDARD")],
)
def test_the_image_of_system_nodes_follows_from_their_architecture(instance_types: list[str], ami_type: str) -> None:
    group = cluster(system_nodes={"instance_types": instance_types}).one("NodeGroup::eks-system").inputs
    assert group["amiType"] == ami_type
    assert group["instanceTypes"] == instance_types
    assert group["subnetIds"] == ["subnet-eu-west-1a", "subnet-eu-west-1b"]
    assert group["nodeRepairConfig"] == {"enabled": True}
    assert group["updateConfig"] == {"maxUnavailable": 1}


def test_auto_mode_brings_itself_what_else_would_be_added() -> None:
    found = cluster(auto_mode=True)
    kinds = {item.type.rpartition(":")[2] for item in found.resources}
    assert not kinds & {"Addon", "NodeGroup", "LaunchTemplate"}
    plane = control_plane(auto_mode=True)
    assert plane["kubernetesNetworkConfig"] == {"elasticLoadBalancing": {"enabled": True}}
    assert plane["storageConfig"] == {"blockStorage": {"enabled": True}}
    assert plane["bootstrapSelfManagedAddons"] is False


def test_auto_mode_tags_sessions() -> None:
    trust = json.loads(cluster(auto_mode=True).one("Role::eks-control").inputs["assumeRolePolicy"])
    assert trust["Statement"][0]["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_an_entry_that_auto_mode_makes_for_its_nodes_is_not_made_twice() -> None:
    found = cluster(auto_mode=True)
    assert list(of_kind(found, "AccessEntry")) == ["eks-111122223333-role-platform-admin"]
    assert control_plane(auto_mode=True)["computeConfig"] == {
        "enabled": True,
        "nodePools": ["general-purpose", "system"],
        "nodeRoleArn": amazon.arn("iam", "eks-node"),
    }


def test_auto_mode_may_tag_what_it_launches_for_this_cluster_alone() -> None:
    policy = json.loads(cluster(auto_mode=True).one("RolePolicy::eks-tags").inputs["policy"])
    [statement] = policy["Statement"]
    assert statement["Action"] == ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"]
    own = {"aws:RequestTag/eks:eks-cluster-name": "${aws:PrincipalTag/eks:eks-cluster-name}"}
    assert statement["Condition"]["StringEquals"] == own


def test_deletion_is_refused_twice_unless_it_is_wanted() -> None:
    found = cluster()
    [made] = [item for item in found.resources if item.type == "aws:eks/cluster:Cluster"]
    assert (made.inputs["deletionProtection"], made.protect) == (True, True)
    [made] = [item for item in cluster(deletion_protection=False).resources if item.type == "aws:eks/cluster:Cluster"]
    assert (made.inputs["deletionProtection"], made.protect) == (False, False)


def test_the_kubeconfig_holds_no_credentials() -> None:
    config = json.loads(cluster().outputs["Cluster::eks"]["kubeconfig"])
    [user] = config["users"]
    assert set(user["user"]) == {"exec"}
    assert user["user"]["exec"]["args"] == [
        *("eks", "get-token", "--cluster-name", "tenbin-test", "--region", "eu-west-1", "--output", "json")
    ]
    [entry] = config["clusters"]
    assert set(entry["cluster"]) == {"server", "certificate-authority-data"}


def test_no_policy_has_a_wildcard_action_or_resource() -> None:
    for item in of_kind(cluster(kms_key=KEY), "RolePolicy").values():
        for statement in json.loads(item.inputs["policy"])["Statement"]:
            assert not [action for action in statement["Action"] if "*" in action]
            assert "*" not in statement["Resource"]


@pytest.mark.parametrize("auto_mode", [False, True])
def test_every_resource_that_can_carry_tags_says_stack_part_and_owner(auto_mode: bool) -> None:
    without = {"AccessPolicyAssociation", "RolePolicyAttachment", "RolePolicy"}
    for item in cluster(kms_key=KEY, auto_mode=auto_mode).resources:
        if item.type.startswith("aws:") and item.type.rpartition(":")[2] not in without:
            tags = item.inputs["tags"]
            assert tags["tenbin.dev/stack"] == "test", item.key
            assert tags["tenbin.dev/part"] == "cluster", item.key
            assert tags["tenbin.dev/owner"] == "ml-platform", item.key


def test_the_preview_of_a_new_cluster_shows_all_of_it() -> None:
    assert sorted(item.key for item in cluster(preview=True).resources) == sorted(
        item.key for item in cluster().resources
    )


def test_every_problem_is_named_at_once() -> None:
    assert refused(
        version=1.35,
        network={"zones": ["eu-west-1a", "eu-west-1b"], "zone": "eu-west-1c"},
        public_cidrs=["0.0.0.0/0"],
        addons={"cordns": "v1"},
        system_nodes={"instance_types": ["m7i.large", "m7g.large"]},
    ) == [
        "Cluster eks has 5 problems:",
        (
            "  - cluster.addons: cordns: unknown key; did you mean 'coredns'? Allowed here: coredns, "
            "eks-node-monitoring-agent, eks-pod-identity-agent, kube-proxy, vpc-cni"
        ),
        (
            "  - cluster.network.zone: unknown key; did you mean 'zones'? Allowed here: cidr, endpoints, "
            "flow_log_days, intra_prefix, nat, private_prefix, public_prefix, zones"
        ),
        (
            "  - cluster.public_cidrs[0]: '0.0.0.0/0' is the whole internet. Allowed: the ranges that those who "
            "may come in come from"
        ),
        (
            "  - cluster.system_nodes: instance_types mixes architectures: m7i.large, m7g.large. Allowed: all amd64 or "
            "all arm64"
        ),
        (
            '  - cluster.version: 1.35 is a number where a string belongs: put it in quotes, for example "1.35" (a '
            "version of Kubernetes)"
        ),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"version": "1.33"},
            (
                "cluster.version: '1.33' is not a version of Kubernetes whose add-ons are known; did you mean '1.36'? "
                "Allowed: 1.34, 1.35, 1.36"
            ),
        ),
        (
            {"administrators": ["arn:aws:sts::111122223333:assumed-role/admin/me"]},
            (
                "cluster.administrators[0]: 'arn:aws:sts::111122223333:assumed-role/admin/me' is not the ARN of an IAM "
                "role or user, for example 'arn:aws:iam::111122223333:role/platform-admin'"
            ),
        ),
        (
            {"auto_mode": True, "addons": {"coredns": "v1.14.3-eksbuild.3"}, "system_nodes": {"volume_gb": 100}},
            "cluster: system_nodes and addons: auto_mode brings its own. Allowed: one or the other",
        ),
        (
            {"auto_mode": True, "karpenter": True},
            "cluster: karpenter: auto_mode brings its own. Allowed: one or the other",
        ),
        (
            {
                "karpenter": True,
                "network": {
                    "zones": ["eu-west-1a", "eu-west-1b"],
                    "nat": "none",
                    "endpoints": ["ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "ssm", "sts"],
                },
            },
            "cluster: network.endpoints lacks sqs, which karpenter needs where nat is none",
        ),
        ({"kind": "existing"}, "cluster.kind: 'existing' is not allowed. Allowed: 'eks'"),
    ],
)
def test_what_cannot_be_built_is_refused(fields: dict[str, Any], message: str) -> None:
    args: Any = {
        "cluster": {**amazon.plain_cluster(), **fields},
        "control_subnet_ids": {},
        "node_subnet_ids": {},
    }
    with pytest.raises(pulumi.RunError) as caught:
        register(lambda: tenbin.Cluster("eks", args))
    assert str(caught.value).splitlines() == ["Cluster eks has 1 problem:", f"  - {message}"]
