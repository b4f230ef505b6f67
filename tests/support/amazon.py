"""What AWS adds to a resource that it makes, in the shape that the provider returns."""

from __future__ import annotations

from typing import Any

ACCOUNT = "111122223333"


def plain_cluster(**replacements: Any) -> dict[str, Any]:
    """Return the plain form of a valid cluster of kind `eks`, with fields replaced."""
    return {
        "kind": "eks",
        "version": "1.35",
        "owner": "ml-platform",
        "network": {"zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"]},
        "administrators": [f"arn:aws:iam::{ACCOUNT}:role/platform-admin"],
        **replacements,
    }


def arn(service: str, name: str) -> str:
    """Return the name by which AWS knows what was made of the resource `name`."""
    return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{name}"


def outputs(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of a resource besides its inputs.

    Args:
        kind: type token, for example `aws:iam/role:Role`.
        name: its logical name.
        inputs: its inputs, keys as the provider writes them.
    """
    service = kind.split(":")[1].split("/", maxsplit=1)[0]
    known = {"arn": arn(service, name), "name": inputs.get("name", f"{name}-1a2b3c4")}
    match kind:
        case "aws:eks/cluster:Cluster":
            return {
                **known,
                "endpoint": "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com",
                "certificateAuthority": {"data": "Q0EK"},
                "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": "sg-cluster"},
            }
        case "aws:ec2/launchTemplate:LaunchTemplate":
            return {**known, "latestVersion": 3}
        case _:
            return known
