"""A whole account in the AWS stand-in, without the engine: one resource of each type, in an order that works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenbin_local.plugins.aws import kinds, resources, settings

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping, Sequence

    from tenbin_local.plugins.aws import faults

REGION = "eu-west-1"


def trust(service: str) -> str:
    """Return a trust policy."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(**more: Any) -> str:
    """Return a policy that allows one thing."""
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ANYBODY = policy(Principal={"Service": "events.amazonaws.com"})

PARTS: list[tuple[str, str, dict[str, Any]]] = [
    ("vpc", "ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "network"}}),
    ("a", "ec2/subnet:Subnet", {"vpcId": "$vpc", "cidrBlock": "10.0.0.0/20", "availabilityZone": "eu-west-1a"}),
    ("b", "ec2/subnet:Subnet", {"vpcId": "$vpc", "cidrBlock": "10.0.16.0/20", "availabilityZone": "eu-west-1b"}),
    ("gateway", "ec2/internetGateway:InternetGateway", {"vpcId": "$vpc"}),
    ("address", "ec2/eip:Eip", {"domain": "vpc"}),
    ("nat", "ec2/natGateway:NatGateway", {"subnetId": "$a", "allocationId": "$address"}),
    ("table", "ec2/routeTable:RouteTable", {"vpcId": "$vpc"}),
    (
        "out",
        "ec2/route:Route",
        {"routeTableId": "$table", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "$nat"},
    ),
    ("join", "ec2/routeTableAssociation:RouteTableAssociation", {"routeTableId": "$table", "subnetId": "$a"}),
    (
        "closed",
        "ec2/defaultSecurityGroup:DefaultSecurityGroup",
        {"vpcId": "$vpc", "ingress": [], "egress": [], "tags": {"Name": "closed"}},
    ),
    (
        "group",
        "ec2/securityGroup:SecurityGroup",
        {"vpcId": "$vpc", "ingress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}]},
    ),
    (
        "https",
        "ec2/securityGroupRule:SecurityGroupRule",
        {
            "securityGroupId": "$group",
            "type": "ingress",
            "protocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrBlocks": ["10.0.0.0/16"],
        },
    ),
    (
        "in",
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"securityGroupId": "$group", "ipProtocol": "-1", "referencedSecurityGroupId": "$group"},
    ),
    (
        "away",
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        {"securityGroupId": "$group", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "0.0.0.0/0"},
    ),
    (
        "s3",
        "ec2/vpcEndpoint:VpcEndpoint",
        {"vpcId": "$vpc", "serviceName": "com.amazonaws.eu-west-1.s3", "routeTableIds": ["$table"]},
    ),
    ("key", "kms/key:Key", {"enableKeyRotation": True}),
    ("alias", "kms/alias:Alias", {"name": "alias/tenbin", "targetKeyId": "$key"}),
    ("logs", "cloudwatch/logGroup:LogGroup", {"retentionInDays": 30, "kmsKeyId": "$key.arn"}),
    ("control", "iam/role:Role", {"assumeRolePolicy": trust("eks.amazonaws.com")}),
    ("node", "iam/role:Role", {"assumeRolePolicy": trust("ec2.amazonaws.com")}),
    ("own", "iam/policy:Policy", {"policy": policy()}),
    ("attach", "iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "$node", "policyArn": "$own.arn"}),
    ("inline", "iam/rolePolicy:RolePolicy", {"role": "$node", "policy": policy()}),
    ("profile", "iam/instanceProfile:InstanceProfile", {"role": "$node"}),
    (
        "flow",
        "ec2/flowLog:FlowLog",
        {"vpcId": "$vpc", "trafficType": "ALL", "iamRoleArn": "$node.arn", "logDestination": "$logs.arn"},
    ),
    ("placement", "ec2/placementGroup:PlacementGroup", {"strategy": "cluster"}),
    (
        "reserved",
        "ec2/capacityReservation:CapacityReservation",
        {
            "availabilityZone": "eu-west-1a",
            "instanceCount": 1,
            "instancePlatform": "Linux/UNIX",
            "instanceType": "p5.48xlarge",
            "tenancy": "default",
        },
    ),
    (
        "block",
        "ec2/capacityBlockReservation:CapacityBlockReservation",
        {"capacityBlockOfferingId": "cbo-1", "instancePlatform": "Linux/UNIX"},
    ),
    (
        "cluster",
        "eks/cluster:Cluster",
        {
            "roleArn": "$control.arn",
            "version": "1.35",
            "vpcConfig": {"subnetIds": ["$a", "$b"]},
            "accessConfig": {"authenticationMode": "API"},
        },
    ),
    (
        "issuer",
        "iam/openIdConnectProvider:OpenIdConnectProvider",
        {"url": "https://oidc.eks.eu-west-1.amazonaws.com/id/A", "clientIdLists": ["sts.amazonaws.com"]},
    ),
    ("template", "ec2/launchTemplate:LaunchTemplate", {"metadataOptions": {"httpTokens": "required"}}),
    (
        "nodes",
        "eks/nodeGroup:NodeGroup",
        {
            "clusterName": "$cluster",
            "nodeRoleArn": "$node.arn",
            "subnetIds": ["$a", "$b"],
            "amiType": "AL2023_x86_64_NVIDIA",
            "instanceTypes": ["g6e.xlarge"],
            "launchTemplate": {"id": "$template", "version": "1"},
            "scalingConfig": {"minSize": 0, "desiredSize": 1, "maxSize": 4},
        },
    ),
    ("addon", "eks/addon:Addon", {"clusterName": "$cluster", "addonName": "coredns"}),
    (
        "entry",
        "eks/accessEntry:AccessEntry",
        {"clusterName": "$cluster", "principalArn": "arn:aws:iam::111122223333:role/admin"},
    ),
    (
        "view",
        "eks/accessPolicyAssociation:AccessPolicyAssociation",
        {
            "clusterName": "$cluster",
            "principalArn": "$entry.principalArn",
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
            "accessScope": {"type": "cluster"},
        },
    ),
    (
        "pods",
        "eks/podIdentityAssociation:PodIdentityAssociation",
        {"clusterName": "$cluster", "namespace": "llm", "serviceAccount": "engine", "roleArn": "$node.arn"},
    ),
    ("queue", "sqs/queue:Queue", {"messageRetentionSeconds": 300}),
    ("letters", "sqs/queuePolicy:QueuePolicy", {"queueUrl": "$queue", "policy": ANYBODY}),
    ("spot", "cloudwatch/eventRule:EventRule", {"eventPattern": '{"source": ["aws.ec2"]}'}),
    ("target", "cloudwatch/eventTarget:EventTarget", {"rule": "$spot", "arn": "$queue.arn"}),
    ("models", "s3/bucket:Bucket", {"tags": {"part": "models"}}),
    (
        "private",
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"bucket": "$models", "blockPublicAcls": True, "restrictPublicBuckets": True},
    ),
    (
        "versions",
        "s3/bucketVersioning:BucketVersioning",
        {"bucket": "$models", "versioningConfiguration": {"status": "Enabled"}},
    ),
    (
        "sealed",
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {
            "bucket": "$models",
            "rules": [
                {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "$key.arn"}}
            ],
        },
    ),
    (
        "kept",
        "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {
            "bucket": "$models",
            "rules": [{"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}],
        },
    ),
    ("who", "s3/bucketPolicy:BucketPolicy", {"bucket": "$models", "policy": ANYBODY}),
    (
        "owned",
        "s3/bucketOwnershipControls:BucketOwnershipControls",
        {"bucket": "$models", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
    ),
    (
        "budget",
        "budgets/budget:Budget",
        {
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "14000",
            "limitUnit": "USD",
            "notifications": [
                {
                    "notificationType": "ACTUAL",
                    "comparisonOperator": "GREATER_THAN",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "subscriberEmailAddresses": ["team@example.com"],
                }
            ],
        },
    ),
    (
        "monitor",
        "costexplorer/anomalyMonitor:AnomalyMonitor",
        {"monitorType": "DIMENSIONAL", "monitorDimension": "SERVICE"},
    ),
    (
        "alarm",
        "costexplorer/anomalySubscription:AnomalySubscription",
        {
            "frequency": "DAILY",
            "monitorArnLists": ["$monitor.arn"],
            "subscribers": [{"type": "EMAIL", "address": "team@example.com"}],
            "thresholdExpression": {
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "matchOptions": ["GREATER_THAN_OR_EQUAL"],
                    "values": ["100"],
                }
            },
        },
    ),
    ("billed", "costexplorer/costAllocationTag:CostAllocationTag", {"tagKey": "tenbin.dev/stack", "status": "Active"}),
]
"""Name, type and inputs of each; `$name` is the id of an earlier one, `$name.property` one of its outputs."""


class Account:
    """Resources by name, each with what the engine would keep of it."""

    def __init__(self, folder: pathlib.Path, wanted: Sequence[faults.Fault] = ()) -> None:
        self.folder = folder
        self.resources = resources.Resources(settings.Settings(region=REGION, state=folder), wanted)
        self.ids: dict[str, str] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, str] = {}

    def urn(self, name: str) -> str:
        """Return the URN of a resource."""
        return f"urn:pulumi:test::project::{self.tokens[name]}::{name}"

    def check(self, name: str, token: str, inputs: Mapping[str, Any]) -> list[str]:
        """Keep the checked inputs of a resource, and return what AWS would refuse of them as `path: reason`."""
        self.tokens[name] = f"aws:{token}"
        old = self.inputs.get(name, {})
        checked, problems = self.resources.check(self.urn(name), old, self._resolved(inputs))
        self.inputs[name] = checked
        return [f"{one.path}: {one.reason}" for one in problems]

    def make(self, name: str, token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make a resource that AWS would not refuse, and return its state."""
        assert self.check(name, token, inputs) == []
        self.ids[name], self.states[name] = self.resources.create(self.urn(name), self.inputs[name], preview=False)
        return self.states[name]

    def build(self, upto: str = "") -> None:
        """Make the parts of the account, to the named one or to the last."""
        for name, token, inputs in PARTS:
            self.make(name, token, inputs)
            if name == upto:
                return

    def remove(self, name: str) -> None:
        """Delete a resource."""
        self.resources.delete(self.urn(name), self.ids[name], self.states[name])

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        if isinstance(value, str) and value.startswith("$"):
            name, _, key = value[1:].partition(".")
            return self.states[name][key] if key else self.ids[name]
        return value


def inputs_of(name: str) -> dict[str, Any]:
    """Return the inputs of a part, references unresolved."""
    return next(inputs for part, _, inputs in PARTS if part == name)


def token_of(name: str) -> str:
    """Return the type of a part, without its package."""
    return next(token for part, token, _ in PARTS if part == name)


def missing() -> set[str]:
    """Return the types that the parts leave out."""
    return set(kinds.ALL) - {f"aws:{token}" for _, token, _ in PARTS}
