"""IAM documents: who may take a role, and what it may do. Wildcards only where AWS knows nothing narrower."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenbin._layout.manifests import Json

_VERSION = "2012-10-17"
POD_IDENTITY = "pods.eks.amazonaws.com"


def partition(region: str) -> str:
    """Return the first part of the names of a region's resources.

    >>> partition("us-gov-west-1"), partition("eu-west-1")
    ('aws-us-gov', 'aws')
    """
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def managed(region: str, policy: str) -> str:
    """Return the ARN of a policy that AWS maintains."""
    return f"arn:{partition(region)}:iam::aws:policy/{policy}"


def trust(service: str, *, tags_sessions: bool = False, conditions: Json | None = None) -> str:
    """Return the trust policy of a role that a service of AWS takes.

    Args:
        service: its principal, for example `ec2.amazonaws.com`.
        tags_sessions: whether the service tags its sessions, as Pod Identity and Auto Mode do.
        conditions: that the service must meet.
    """
    statement: Json = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"] if tags_sessions else ["sts:AssumeRole"],
    }
    return document([{**statement, "Condition": conditions} if conditions else statement])


def document(statements: Sequence[Json]) -> str:
    """Return a policy document as AWS takes it; equal statements give equal bytes."""
    return json.dumps({"Version": _VERSION, "Statement": list(statements)}, sort_keys=True)
