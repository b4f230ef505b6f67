"""Inputs as the requests of an API, and what its model says against them."""

from __future__ import annotations

from typing import Any

import pytest
from tenbin_local.plugins import properties
from tenbin_local.plugins.aws import kinds, models, requests

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
CLUSTER = "aws:eks/cluster:Cluster"
NODES = "aws:eks/nodeGroup:NodeGroup"
ROLE = "aws:iam/role:Role"
QUEUE = "aws:sqs/queue:Queue"
BUDGET = "aws:budgets/budget:Budget"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"

NOTIFICATION = {
    "notificationType": "ACTUAL", "comparisonOperator": "GREATER_THAN", "threshold": 80,
    "thresholdType": "PERCENTAGE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("token", "inputs", "wanted"),
    [
        (
            VPC,
            {"cidrBlock": "10.0.0.0/16", "enableDnsSupport": True, "tags": {"Name": "n"}},
            [
                {
                    "CidrBlock": "10.0.0.0/16",
                    "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "n"}]}],
                },
                {"VpcId": "this", "EnableDnsSupport": {"Value": True}},
            ],
        ),
        (
            GROUP,
            {
                "name": "g",
                "ingress": [
                    {"protocol": "tcp", "fromPort": "443", "toPort": 443, "cidrBlocks": ["10.0.0.0/16", "10.1.0.0/16"]}
                ],
            },
            [
                {"Description": "Managed by Pulumi", "GroupName": "g"},
                {
                    "GroupId": "this",
                    "IpPermissions": [
                        {
                            "IpProtocol": "tcp",
                            "FromPort": 443,
                            "ToPort": 443,
                            "IpRanges": [{"CidrIp": "10.0.0.0/16"}, {"CidrIp": "10.1.0.0/16"}],
                        }
                    ],
                },
            ],
        ),
        (
            TEMPLATE,
            {
                "name": "t",
                "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true", "volumeSize": 200}}],
                "networkInterfaces": [{"deviceIndex": 0, "securityGroups": ["sg-1"], "deleteOnTermination": "true"}],
                "tagSpecifications": [{"resourceType": "instance", "tags": {"pool": "l4"}}],
            },
            [
                {
                    "LaunchTemplateName": "t",
                    "LaunchTemplateData": {
                        "BlockDeviceMappings": [
                            {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 200}}
                        ],
                        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-1"], "DeleteOnTermination": True}],
                        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "pool", "Value": "l4"}]}],
                    },
                }
            ],
        ),
        (
            CLUSTER,
            {
                "name": "c",
                "roleArn": "r",
                "vpcConfig": {"subnetIds": ["a"]},
                "enabledClusterLogTypes": ["api"],
                "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "k"}},
                "tags": {"owner": "ml"},
            },
            [
                {
                    "logging": {"clusterLogging": [{"enabled": True, "types": ["api"]}]},
                    "name": "c",
                    "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": "k"}}],
                    "roleArn": "r",
                    "resourcesVpcConfig": {"subnetIds": ["a"]},
                    "tags": {"owner": "ml"},
                }
            ],
        ),
        (
            QUEUE,
            {"name": "q", "messageRetentionSeconds": 300, "fifoQueue": False},
            [{"QueueName": "q", "Attributes": {"MessageRetentionPeriod": "300", "FifoQueue": "false"}}],
        ),
        (
            BUDGET,
            {"name": "b", "notifications": [{**NOTIFICATION, "subscriberEmailAddresses": ["a@example.com"]}]},
            [
                {
                    "AccountId": "123456789012",
                    "Budget": {"BudgetName": "b"},
                    "NotificationsWithSubscribers": [
                        {
                            "Notification": {
                                "NotificationType": "ACTUAL",
                                "ComparisonOperator": "GREATER_THAN",
                                "Threshold": 80,
                                "ThresholdType": "PERCENTAGE",
                            },
                            "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}],
                        }
                    ],
                }
            ],
        ),
        (
            TARGET,
            {"rule": "r", "targetId": "t", "arn": "a", "deadLetterConfig": {"arn": "d"}},
            [{"Rule": "r", "Targets": [{"Id": "t", "Arn": "a", "DeadLetterConfig": {"Arn": "d"}}]}],
        ),
    ],
)
def test_inputs_become_requests(token: str, inputs: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    made = requests.of(kinds.of(token), inputs)
    assert [request.params for request in made] == wanted
    assert [request.problems for request in made] == [[] for _ in made]


def _judge(token: str, inputs: dict[str, Any]) -> list[str]:
    kind = kinds.of(token)
    found = []
    for call, request in zip(requests.sent(kind, inputs), requests.of(kind, inputs), strict=True):
        wording = {place.partition(".")[0]: name for name, place in requests.places(call)}
        found += request.problems + models.check(request.operation, request.params, request.origins, wording)
    return [f"{one.path}: {one.reason}" for one in found]


TRUST = "{}"
GOOD = {"clusterName": "c", "nodeGroupName": "n", "nodeRoleArn": "r", "subnetIds": ["a"]}


@pytest.mark.parametrize(
    ("token", "inputs", "problem"),
    [
        (NODES, {**GOOD, "amiType": "AL2_x86_64_GPUS"},
         ("amiType: 'AL2_x86_64_GPUS' is none of the 23 values that AWS knows; near it are AL2_x86_64_GPU, AL2_x86_64, "
         "AL2023_x86_64_NEURON (eks.CreateNodegroup amiType)")),
        (NODES, {**GOOD, "capacityType": "spot"},
         ("capacityType: 'spot' is not allowed; allowed are ON_DEMAND, SPOT, CAPACITY_BLOCK (eks.CreateNodegroup "
         "capacityType)")),
        (NODES, {"clusterName": "c", "nodeGroupName": "n", "subnetIds": ["a"]},
         "nodeRoleArn: required, but not given (eks.CreateNodegroup)"),
        (NODES, {**GOOD, "scalingConfig": {"maxSize": 0}},
         "scalingConfig.maxSize: 0 is not allowed; at least 1 is (eks.CreateNodegroup scalingConfig.maxSize)"),
        (NODES, {**GOOD, "updateConfig": {"maxUnavailablePercentage": 101}},
         ("updateConfig.maxUnavailablePercentage: 101 is not allowed; at most 100 is (eks.CreateNodegroup "
         "updateConfig.maxUnavailablePercentage)")),
        (NODES, {**GOOD, "diskSize": "large"},
         "diskSize: 'large' has type str; int is allowed (eks.CreateNodegroup diskSize)"),
        (NODES, {**GOOD, "taints": [{"key": "", "effect": "NO_SCHEDULE"}]},
         "taints[0].key: has length 0; at least 1 is allowed (eks.CreateNodegroup taints[0].key)"),
        (NODES, {**GOOD, "scalingConfig": {"maximum": 4}},
         "scalingConfig.maximum: the API has no such member; it has desiredSize, maxSize, minSize"),
        (ROLE, {"name": "a b", "assumeRolePolicy": TRUST},
         "name: 'a b' does not match [\\w+=,.@-]+ (iam.CreateRole RoleName)"),
        (ROLE, {"name": "r" * 65, "assumeRolePolicy": TRUST},
         "name: has length 65; at most 64 is allowed (iam.CreateRole RoleName)"),
        (ROLE, {"name": "r", "assumeRolePolicy": TRUST, "tags": {"a?": "b"}},
         'tags["a?"]: \'a?\' does not match [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+ (iam.CreateRole Tags[0].Key)'),
        (CLUSTER, {"name": "c", "roleArn": "r", "vpcConfig": {}, "encryptionConfig": {"resources": "secrets"},
                   "accessConfig": {"authenticationMode": "api"}},
         ("accessConfig.authenticationMode: 'api' is not allowed; allowed are API, API_AND_CONFIG_MAP, CONFIG_MAP "
         "(eks.CreateCluster accessConfig.authenticationMode)")),
        (BUDGET, {"name": "b", "budgetType": "COST", "timeUnit": "MONTHLY", "notifications": [NOTIFICATION]},
         ("notifications[0].subscribers: required, but not given (budgets.CreateBudget "
         "NotificationsWithSubscribers[0])")),
    ],
)  # fmt: skip
def test_the_model_refuses_with_the_path_of_the_input(token: str, inputs: dict[str, Any], problem: str) -> None:
    assert _judge(token, {"scalingConfig": {}, **inputs} if token == NODES else inputs) == [problem]


@pytest.mark.parametrize("path", ["clusterName", "subnetIds", "nodeRoleArn", "amiType", "scalingConfig"])
def test_what_is_not_known_yet_is_taken_as_right(path: str) -> None:
    assert _judge(NODES, {**GOOD, "scalingConfig": {"maxSize": 1}, path: properties.UNKNOWN}) == []


def test_unknown_elements_and_tags_are_taken_as_right() -> None:
    inputs = {**GOOD, "scalingConfig": {}, "subnetIds": ["a", properties.UNKNOWN], "tags": properties.UNKNOWN}
    assert _judge(NODES, inputs) == []
