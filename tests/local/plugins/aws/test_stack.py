"""A network with a cluster and a node group, by the real engine: made, unchanged, changed, replaced, destroyed."""

import json
import pathlib
from typing import Any

import pytest
from support import projects

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("aws"), pytest.mark.timeout(300)]

STACK = """
most = int(os.environ.get("MOST", "4"))
types = os.environ.get("TYPES", "g6e.xlarge,g6e.2xlarge").split(",")
zones = aws.get_availability_zones(state="available").names
network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, tags={"Name": "network"})
subnets = [
    aws.ec2.Subnet(
        f"private-{zone}", vpc_id=network.id, cidr_block=f"10.0.{index * 16}.0/20", availability_zone=zone
    )
    for index, zone in enumerate(zones[:2])
]


def role(name, service, *policies):
    trust = aws.iam.get_policy_document(
        statements=[
            {
                "actions": ["sts:AssumeRole", "sts:TagSession"],
                "principals": [{"type": "Service", "identifiers": [service]}],
            }
        ]
    )
    made = aws.iam.Role(name, assume_role_policy=trust.json)
    attached = [
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy}", role=made.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}"
        )
        for policy in policies
    ]
    return made, attached


control, attached = role("control", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
cluster = aws.eks.Cluster(
    "cluster",
    name="inference",
    role_arn=control.arn,
    version="1.35",
    vpc_config={"subnet_ids": [one.id for one in subnets], "endpoint_private_access": True,
                "endpoint_public_access": False},
    access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
    enabled_cluster_log_types=["api", "audit"],
    opts=pulumi.ResourceOptions(depends_on=attached),
)
node, attached = role("node", "ec2.amazonaws.com", "AmazonEKSWorkerNodeMinimalPolicy")
template = aws.ec2.LaunchTemplate(
    "template",
    vpc_security_group_ids=[cluster.vpc_config.cluster_security_group_id],
    metadata_options={"http_tokens": "required", "http_put_response_hop_limit": int(os.environ.get("HOPS", "1"))},
    block_device_mappings=[{"device_name": "/dev/xvda", "ebs": {"volume_size": 200, "volume_type": "gp3",
                            "encrypted": "true"}}],
)
group = aws.eks.NodeGroup(
    "gpu",
    cluster_name=cluster.name,
    node_role_arn=node.arn,
    subnet_ids=[one.id for one in subnets],
    ami_type="AL2023_x86_64_NVIDIA",
    capacity_type="SPOT",
    instance_types=types,
    launch_template={"id": template.id, "version": template.latest_version.apply(str)},
    scaling_config={"min_size": 0, "desired_size": 1, "max_size": most},
    taints=[{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}],
    opts=pulumi.ResourceOptions(depends_on=attached, ignore_changes=["scalingConfig.desiredSize"]),
)
pulumi.export("endpoint", cluster.endpoint)
pulumi.export("authority", cluster.certificate_authority.data)
pulumi.export("issuer", cluster.identities[0].oidcs[0].issuer)
pulumi.export("group", group.arn)
pulumi.export("vpc", cluster.vpc_config.vpc_id)
"""


def _steps(project: projects.Project, env: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Operation and changed paths of each resource that a preview would touch."""
    return {
        step["urn"].rsplit("::", 1)[-1]: (step["op"], sorted(step.get("detailedDiff") or {}))
        for step in project.preview(env=env)["steps"]
        if step["op"] not in ("same", "create-replacement", "delete-replaced")
    }


def _outputs(project: projects.Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.pulumi("stack", "output", "--json", "--stack", "test").output)
    return found


def test_a_stack_is_made_changed_replaced_and_destroyed(project: projects.Project, tmp_path: pathlib.Path) -> None:
    project.program(STACK)
    preview = project.preview()
    assert preview["changeSummary"] == {"create": 11}
    output = project.up()
    assert "nothing is created in AWS" in output
    first = _outputs(project)
    assert first["endpoint"].endswith(".gr7.eu-west-1.eks.amazonaws.com")
    assert first["issuer"].startswith("https://oidc.eks.eu-west-1.amazonaws.com/id/")
    assert first["group"].startswith("arn:aws:eks:eu-west-1:123456789012:nodegroup/inference/gpu-")
    assert first["vpc"].startswith("vpc-0")
    env = {"MOST": "8", "HOPS": "2"}
    assert _steps(project, env) == {
        "template": ("update", ["metadataOptions.httpPutResponseHopLimit"]),
        "gpu": ("update", ["launchTemplate.version", "scalingConfig.maxSize"]),
    }
    project.up(env=env)
    env = {**env, "TYPES": "g6e.4xlarge"}
    assert _steps(project, env) == {"gpu": ("replace", ["instanceTypes[0]", "instanceTypes[1]"])}
    project.up(env=env)
    assert _outputs(project)["group"] != first["group"]
    project.up("--expect-no-changes", "--refresh", env=env)

    assert project.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test").code == 0
    assert not list((tmp_path / "account").rglob("*.json"))


WRONG = """
aws.eks.NodeGroup(
    "gpu",
    cluster_name="missing",
    node_role_arn="arn:aws:iam::123456789012:role/missing",
    subnet_ids=["subnet-1"],
    capacity_type="spot",
    instance_types=["g6e.xlarge", "g6e.huge"],
    scaling_config={"min_size": 0, "desired_size": 0, "max_size": 0},
)
"""


def test_all_that_aws_would_refuse_of_a_resource_shows_in_a_preview(project: projects.Project) -> None:
    project.program(WRONG)
    refused = project.pulumi("preview", "--stack", "test")
    assert refused.code != 0
    wanted = [
        "'spot' is not allowed; allowed are ON_DEMAND, SPOT, CAPACITY_BLOCK (eks.CreateNodegroup capacityType)",
        "The following supplied instance types do not exist: [g6e.huge]",
        "AL2023_x86_64_STANDARD (assumed where none is given) does not fit: g6e.xlarge has L40S",
        "0 is not allowed; at least 1 is (eks.CreateNodegroup scalingConfig.maxSize)",
    ]
    assert [words for words in wanted if words not in refused.output] == [], refused.output


def test_what_is_not_there_is_told_as_aws_does(project: projects.Project) -> None:
    project.program('aws.ec2.Subnet("lost", vpc_id="vpc-1", cidr_block="10.0.0.0/20")')
    assert project.pulumi("preview", "--stack", "test").code == 0
    refused = project.pulumi("up", "--yes", "--skip-preview", "--stack", "test")
    assert "api error InvalidVpcID.NotFound: The vpc ID 'vpc-1' does not exist" in refused.output


GROUP = """
node = aws.iam.Role("node", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole",
     "Principal": {"Service": ["ec2.amazonaws.com", "eks.amazonaws.com"]}}
]}))
network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16")
subnets = [
    aws.ec2.Subnet(zone, vpc_id=network.id, cidr_block=f"10.0.{index * 16}.0/20", availability_zone=f"eu-west-1{zone}")
    for index, zone in enumerate("ab")
]
ids = [one.id for one in subnets]
cluster = aws.eks.Cluster("cluster", role_arn=node.arn, vpc_config={"subnet_ids": ids})
group = aws.eks.NodeGroup(
    "gpu", cluster_name=cluster.name, node_role_arn=node.arn, subnet_ids=ids, ami_type="AL2023_x86_64_NVIDIA",
    instance_types=["g6e.xlarge"], scaling_config={"min_size": 0, "desired_size": 1, "max_size": 4},
)
pulumi.export("status", group.status)
"""


def test_capacity_that_is_missing_fails_an_update_and_not_the_next(project: projects.Project) -> None:
    project.program(GROUP)
    env = {"TENBIN_AWS_FAULTS": "insufficient-capacity:gpu-*:1"}
    failed = project.pulumi("up", "--yes", "--skip-preview", "--stack", "test", env=env)
    assert failed.code != 0
    assert "unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'" in failed.output
    assert project.resources()["gpu"]["outputs"]["status"] == "CREATE_FAILED"
    project.up(env=env)
    assert _outputs(project) == {"status": "ACTIVE"}


def test_an_unknown_resource_type_is_refused_by_name(project: projects.Project) -> None:
    project.program('aws.rds.Instance("database", instance_class="db.t3.micro")')
    refused = project.pulumi("preview", "--stack", "test")
    assert "aws:rds/instance:Instance: this stand-in for the AWS provider does not know the resource type" in (
        refused.output
    )
