"""An EKS cluster of the stand-in with a real control plane behind it: what the stack puts in is there."""

import pathlib
from typing import Any

import pytest
from support import projects

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("plugins"), pytest.mark.timeout(300)]

IMPORTS = "import json\nimport pulumi\nimport pulumi_aws as aws\nimport pulumi_kubernetes as kubernetes\n"

STACK = """
network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16")
subnets = [
    aws.ec2.Subnet(zone, vpc_id=network.id, cidr_block=f"10.0.{index * 16}.0/20", availability_zone=f"eu-west-1{zone}")
    for index, zone in enumerate("ab")
]
trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "eks.amazonaws.com"}}
role = aws.iam.Role("control", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
cluster = aws.eks.Cluster("cluster", role_arn=role.arn, vpc_config={"subnet_ids": [one.id for one in subnets]})


def kubeconfig(parts):
    name, endpoint, authority = parts
    command = ["eks", "get-token", "--cluster-name", name, "--region", "eu-west-1", "--output", "json"]
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": command,
             "interactiveMode": "Never"}
    return json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": login}}],
    })


access = pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority.data).apply(kubeconfig)
provider = kubernetes.Provider("inside", kubeconfig=access)
kubernetes.core.v1.ConfigMap(
    "document",
    metadata={"name": "backed", "namespace": "default"},
    data={"value": "one"},
    opts=pulumi.ResourceOptions(provider=provider),
)
"""


def test_what_the_stack_puts_into_kubernetes_is_applied(api: Any, tmp_path: pathlib.Path) -> None:
    project = projects.Project(
        tmp_path / "project",
        imports=IMPORTS,
        variables={
            "AWS_REGION": "eu-west-1",
            "TENBIN_AWS_STATE": str(tmp_path / "account"),
            "TENBIN_AWS_KUBECONFIG": str(api.kubeconfig),
        },
    )
    try:
        assert project.pulumi("stack", "init", "test").code == 0
        project.program(STACK)
        assert project.preview()["changeSummary"] == {"create": 8}
        project.up()
        assert api.get("/api/v1/namespaces/default/configmaps/backed")["data"] == {"value": "one"}
    finally:
        project.close()
    assert not api.exists("/api/v1/namespaces/default/configmaps/backed")
