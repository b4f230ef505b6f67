"""What AWS would refuse of an input, and how AWS words a refusal."""

import dataclasses
import hashlib

from tenbin_local.plugins import outcomes

_SERVICES = {
    "ec2": "EC2",
    "eks": "EKS",
    "iam": "IAM",
    "kms": "KMS",
    "logs": "CloudWatch Logs",
    "sqs": "SQS",
    "events": "EventBridge",
    "s3": "S3",
    "budgets": "Budgets",
    "ce": "Cost Explorer",
    "ssm": "SSM",
}

_PLAIN_CODES = frozenset({"ec2", "s3"})
"""Services whose errors have codes, not types of their own."""


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """One thing that AWS would refuse."""

    path: str
    """Of the input, as Pulumi writes it; "" for the resource as a whole."""
    reason: str


def api_error(operation: str, code: str, message: str, status: int = 400) -> str:
    """An answer of AWS as the official provider shows it.

    Args:
        operation: for example `ec2.CreateVpc`.
        code: AWS's own.
        message: AWS's own.
        status: of HTTP.
    """
    service, _, name = operation.partition(".")
    digest = hashlib.sha256(f"{operation}{code}{message}".encode()).hexdigest()
    request = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
    kind = "api error " if service in _PLAIN_CODES else ""
    return (
        f"operation error {_SERVICES[service]}: {name}, https response error StatusCode: {status}, "
        f"RequestID: {request}, {kind}{code}: {message}"
    )


class AwsError(outcomes.RefusedError):
    """AWS would have refused the operation."""
