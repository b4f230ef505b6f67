"""Tags by which a bill is divided."""

from __future__ import annotations

from collections.abc import Iterator

from tenbin_spec import contract

from tenbin_policies.rules import Resource, Rule, Settings, Severity, Violation, finops, strings
from tenbin_policies.view import View

_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
_NODE_CLASSES = frozenset({"kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "kubernetes:eks.amazonaws.com/v1:NodeClass"})
_EC2 = [
    "defaultSecurityGroup:DefaultSecurityGroup",
    "eip:Eip",
    "flowLog:FlowLog",
    "instance:Instance",
    "internetGateway:InternetGateway",
    "natGateway:NatGateway",
    "placementGroup:PlacementGroup",
    "routeTable:RouteTable",
    "securityGroup:SecurityGroup",
    "subnet:Subnet",
    "vpc:Vpc",
    "vpcEndpoint:VpcEndpoint",
    "launchTemplate:LaunchTemplate",
]
_TAGGED = frozenset(
    {
        *(f"aws:ec2/{name}" for name in _EC2),
        "aws:alb/loadBalancer:LoadBalancer",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:ebs/volume:Volume",
        "aws:ecr/repository:Repository",
        "aws:eks/addon:Addon",
        "aws:eks/cluster:Cluster",
        "aws:eks/nodeGroup:NodeGroup",
        "aws:iam/role:Role",
        "aws:kms/key:Key",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketV2:BucketV2",
        *_NODE_CLASSES,
    }
)
_LAUNCHED = ("instance", "volume")


def _tagged(resource: Resource) -> Iterator[tuple[Resource, str, View]]:
    """Yield what carries tags: the resource, and what it launches."""
    if resource.type in _NODE_CLASSES:
        yield resource, "what it launches", resource.properties.at("spec", "tags")
        return
    yield resource, "it", resource.properties.at("tags")
    if resource.type == _TEMPLATE:
        found = {item.text("resourceType"): item.at("tags") for item in resource.properties.items("tagSpecifications")}
        for kind in _LAUNCHED:
            yield resource, f"the {kind} that it launches", found.get(kind, View(None))


def _named(part: tuple[Resource, str, View], settings: Settings) -> Iterator[Violation]:
    resource, what, tags = part
    # Tags of nodes and their disks are their own: a provider's reach the template alone.
    inherited = set(resource.default_tags.keys()) if what == "it" else set()
    missing = [key for key in settings["keys"] if key not in {*tags.keys(), *inherited}]
    if missing:
        yield Violation(message=f"{what} has no tag {', '.join(missing)}")


RULES = (
    Rule(
        id="cost-tags",
        wish="Everything that costs says whose it is",
        why="A bill without tags is one number; nobody lowers a number that is nobody's.",
        repair="Set the tags, on the resource or as defaultTags of the provider, and activate them for cost allocation",
        severity=Severity.MEDIUM,
        standards=(finops("Allocation"),),
        kinds=_TAGGED,
        parts=_tagged,
        check=_named,
        settings={
            "keys": strings([contract.TAG_OWNER, contract.LABEL_STACK], "Tags that each resource of AWS must have")
        },
        before="tags: {Name: chat}",
        after="tags: {Name: chat, tenbin.dev/owner: ml-platform, tenbin.dev/stack: prod}",
    ),
)
