"""Facts about AWS that the rules and outputs rest on, with their sources and dates."""

import functools

from tenbin_spec import catalogue

from tenbin_local.plugins.aws import models

KUBERNETES = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
"""Versions that EKS creates clusters of, oldest first.

EKS user guide, kubernetes-versions (calendar of April 2026); 1.36 by karpenter-provider-aws,
website/content/en/preview/upgrading/compatibility.md (August 2026).
"""

KUBERNETES_DEFAULT = "1.35"

GATEWAY_SERVICES = ("s3", "dynamodb")
"""Services with gateway endpoints: docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html."""

LOG_RETENTION_DAYS = (
    0,
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""Allowed by PutRetentionPolicy: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference; 0 is never expire."""

ACCESS_POLICIES = (
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
)
"""Policies for people, and the one for nodes of Auto Mode that have a role of their own.

docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html; those for EKS's own roles cannot be associated.
"""


@functools.cache
def instance_types() -> frozenset[str]:
    """The instance types that EC2's own model knows."""
    return frozenset(models.enum("ec2.CreateLaunchTemplate", "LaunchTemplateData", "InstanceType"))


def accelerated(instance_type: str) -> catalogue.Instance | None:
    """An instance type with accelerators, None where the catalogue has none of the name."""
    return catalogue.instances().get(instance_type)


def arm(instance_type: str) -> bool:
    """Whether an instance type has a Graviton processor: its family's letters after the generation have a g."""
    known = accelerated(instance_type)
    if known is not None:
        return known.architecture is catalogue.Architecture.ARM64
    family = instance_type.partition(".")[0]
    letters = family.lstrip("abcdefghijklmnopqrstuvwxyz-").lstrip("0123456789")
    return family == "a1" or "g" in letters.partition("-")[0]
