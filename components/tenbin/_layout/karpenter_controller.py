"""Karpenter on a cluster's own nodes: its charts, what it may do, and how it hears that nodes are about to go.

Rights and events are those of Karpenter 1.14 (website/content/en/v1.14/reference/cloudformation.md), narrowed: it makes
no instance profiles, since the nodes' one is made beside it, and hears from the named event rules alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenbin_spec.clusters import EksCluster

from tenbin._layout import iam
from tenbin._layout.charts import Chart
from tenbin._layout.manifests import Json

NAME = "karpenter"
"""Of the release and of the account that takes the role."""
NAMESPACE = "kube-system"
"""Whose pods the API server serves first: nodes for all others wait for this one."""
REGISTRY = "public.ecr.aws/karpenter"
VERSION = "1.14.1"
EVENTS = {
    "health": ("aws.health", "AWS Health Event"),
    "interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "reservation": ("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
}
"""Source and type of the events that say of a node that it goes, by a name of their rule."""
QUEUE = {"message_retention_seconds": 300, "sqs_managed_sse_enabled": True}
"""A notice is of use for as long as it is a warning."""

_QUEUE_ACTIONS = ("sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage")
_READ = (
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
)
_CHOSEN = ("capacity-reservation", "placement-group", "security-group", "subnet")
_MADE = ("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume")
_LAUNCH = ["ec2:CreateFleet", "ec2:RunInstances"]
_HAS_POOL = {"karpenter.sh/nodepool": "*"}


def charts(registry: str) -> tuple[Chart, Chart]:
    """Return the chart of its custom resource definitions, which an upgrade must reach too, and its own."""
    return (
        Chart(registry=registry, name="karpenter-crd", version=VERSION),
        Chart(registry=registry, name="karpenter", version=VERSION),
    )


def values(cluster: EksCluster, *, cluster_name: str, queue_name: str, registry: str) -> Json:
    """Return the values of its own chart.

    Args:
        cluster: the cluster's settings.
        cluster_name: its name.
        queue_name: of the queue of notices.
        registry: of chart and image.
    """
    return {
        # Two never share a node, and a second one that finds none would keep the release from getting done.
        "replicas": min(2, max(1, cluster.system_nodes.nodes.min)),
        "serviceAccount": {"name": NAME},
        "controller": {
            "image": {"repository": f"{registry}/controller"},
            # No pod reaches its node's metadata service.
            "env": [{"name": "AWS_REGION", "value": cluster.region}],
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        },
        "settings": {
            "clusterName": cluster_name,
            "eksControlPlane": True,
            "interruptionQueue": queue_name,
            # Prices have no endpoint inside a VPC.
            "isolatedVPC": cluster.network.nat == "none",
            # As in managed groups: the cluster's monitoring agent says what is broken.
            "featureGates": {"nodeRepair": True},
        },
    }


def event_pattern(name: str) -> str:
    """Return the pattern of one of the event rules."""
    source, kind = EVENTS[name]
    return json.dumps({"source": [source], "detail-type": [kind]}, sort_keys=True)


def queue_policy(*, queue_arn: str, rule_arns: Sequence[str]) -> str:
    """Return who may use the queue of notices: the event rules, and nobody without encryption."""
    return iam.document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": ["sqs:SendMessage"],
                "Resource": [queue_arn],
                "Condition": {"ArnEquals": {"aws:SourceArn": sorted(rule_arns)}},
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["sqs:SendMessage", *_QUEUE_ACTIONS],
                "Resource": [queue_arn],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def policy(*, cluster_name: str, region: str, queue_arn: str, node_role_arn: str) -> str:
    """Return what it may do: launch and end nodes of its own cluster, give them their role, and read.

    Args:
        cluster_name: of the cluster, a tag of all that it makes.
        region: of the cluster.
        queue_arn: of the queue of notices.
        node_role_arn: of the one role that its nodes take.
    """
    cluster = f"arn:{iam.partition(region)}:eks:{region}:*:cluster/{cluster_name}"
    return iam.document(
        [
            *_launching(cluster_name, region),
            *_reading(region),
            _allow(["eks:DescribeCluster"], [cluster]),
            _allow(["iam:PassRole"], [node_role_arn], StringEquals={"iam:PassedToService": "ec2.amazonaws.com"}),
            _allow(list(_QUEUE_ACTIONS), [queue_arn]),
        ]
    )


def _launching(cluster_name: str, region: str) -> list[Json]:
    """Return its rights over nodes: what it makes has the cluster's tag, and nothing without that tag is its own."""
    arn = f"arn:{iam.partition(region)}:ec2:{region}"
    own = {f"kubernetes.io/cluster/{cluster_name}": "owned"}
    asked = _tags("Request", {**own, "eks:eks-cluster-name": cluster_name})
    made = [f"{arn}:*:{kind}/*" for kind in _MADE]
    ours: Json = {"StringEquals": _tags("Resource", own), "StringLike": _tags("Resource", _HAS_POOL)}
    retagged = {
        "StringEqualsIfExists": _tags("Request", {"eks:eks-cluster-name": cluster_name}),
        "ForAllValues:StringEquals": {"aws:TagKeys": ["Name", "eks:eks-cluster-name", "karpenter.sh/nodeclaim"]},
    }
    created = {"ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"]}
    wanted = _tags("Request", _HAS_POOL)
    return [
        _allow(_LAUNCH, [*(f"{arn}:*:{kind}/*" for kind in _CHOSEN), f"{arn}::image/*", f"{arn}::snapshot/*"]),
        _allow(_LAUNCH, [f"{arn}:*:launch-template/*"], **ours),
        _allow(["ec2:CreateLaunchTemplate", *_LAUNCH], made, StringEquals=asked, StringLike=wanted),
        _allow(["ec2:CreateTags"], made, StringEquals={**asked, **created}, StringLike=wanted),
        _allow(["ec2:CreateTags"], [f"{arn}:*:instance/*"], **ours, **retagged),
        _allow(
            ["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            [f"{arn}:*:instance/*", f"{arn}:*:launch-template/*"],
            **ours,
        ),
    ]


def _reading(region: str) -> list[Json]:
    """Return its rights to read; AWS lets nobody read instances, profiles or prices more narrowly than all of them."""
    partition = iam.partition(region)
    return [
        _allow(list(_READ), ["*"], StringEquals={"aws:RequestedRegion": region}),
        _allow(["iam:GetInstanceProfile"], [f"arn:{partition}:iam::*:instance-profile/*"]),
        _allow(["iam:ListInstanceProfiles", "pricing:GetProducts"], ["*"]),
        _allow(["ssm:GetParameter"], [f"arn:{partition}:ssm:{region}::parameter/aws/service/*"]),
    ]


def _allow(actions: Sequence[str], resources: Sequence[str], **conditions: Json) -> Json:
    found: Json = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**found, "Condition": conditions} if conditions else found


def _tags(of: str, tags: dict[str, str]) -> Json:
    return {f"aws:{of}Tag/{key}": value for key, value in tags.items()}
