"""References that many resource types have, with AWS's answers where what they name does not exist."""

from tenbin_local.plugins.aws.kind import Reference
from tenbin_local.plugins.aws.kinds import tokens


def vpc(path: str = "vpcId") -> Reference:
    """A VPC by its id."""
    return Reference(
        path=path, to=tokens.VPC, code="InvalidVpcID.NotFound", message="The vpc ID '{value}' does not exist"
    )


def subnet(path: str = "subnetId", *, eks: bool = False) -> Reference:
    """A subnet by its id."""
    if eks:
        return Reference(
            path=path,
            to=tokens.SUBNET,
            code="InvalidParameterException",
            message="The subnet ID '{value}' does not exist (Service: AmazonEC2; Status Code: 400; Error Code: "
            "InvalidSubnetID.NotFound)",
        )
    return Reference(
        path=path, to=tokens.SUBNET, code="InvalidSubnetID.NotFound", message="The subnet ID '{value}' does not exist"
    )


def security_group(path: str, *, eks: bool = False) -> Reference:
    """A security group by its id."""
    code, message = ("InvalidGroup.NotFound", "The security group '{value}' does not exist")
    if eks:
        code, message = "InvalidParameterException", "The security group '{value}' does not exist"
    return Reference(path=path, to=tokens.SECURITY_GROUP, code=code, message=message)


def route_table(path: str = "routeTableId") -> Reference:
    """A route table by its id."""
    return Reference(
        path=path,
        to=tokens.ROUTE_TABLE,
        code="InvalidRouteTableID.NotFound",
        message="The routeTable ID '{value}' does not exist",
    )


def cluster(path: str = "clusterName") -> Reference:
    """An EKS cluster by its name."""
    return Reference(
        path=path, to=tokens.CLUSTER, code="ResourceNotFoundException", message="No cluster found for name: {value}."
    )


def role(path: str, *, code: str = "InvalidParameterException", message: str = "") -> Reference:
    """An IAM role by its ARN; AWS lets it be deleted while it is used."""
    text = message or "The role with arn {value} could not be assumed because it does not exist or the trusted entity "
    return Reference(
        path=path,
        to=tokens.ROLE,
        by="arn",
        code=code,
        message=text if message else f"{text}is not correct",
        holds=False,
    )


def role_name(path: str = "role") -> Reference:
    """An IAM role by its name, which cannot be deleted while something is attached to it."""
    return Reference(
        path=path, to=tokens.ROLE, code="NoSuchEntity", message="The role with name {value} cannot be found."
    )


def key(path: str) -> Reference:
    """A KMS key by its ARN, id or alias."""
    return Reference(
        path=path,
        to=tokens.KEY,
        by="arn|id",
        code="InvalidParameterException",
        message="The KMS key {value} does not exist",
        holds=False,
    )


def bucket(path: str = "bucket") -> Reference:
    """An S3 bucket by its name."""
    return Reference(path=path, to=tokens.BUCKET, code="NoSuchBucket", message="The specified bucket does not exist")
