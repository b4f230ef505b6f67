"""Security groups and their rules."""

from typing import Any

from tenbin_local.plugins.aws.kind import THIS, Call, Kind, Making, Name
from tenbin_local.plugins.aws.kinds import references, tokens


def _inline(direction: str) -> Call:
    permission = {
        f"{direction}.{name}": place
        for name, place in {
            "protocol": "IpProtocol",
            "cidrBlocks": "IpRanges[].CidrIp",
            "ipv6CidrBlocks": "Ipv6Ranges[].CidrIpv6",
            "prefixListIds": "PrefixListIds[].PrefixListId",
            "securityGroups": "UserIdGroupPairs[].GroupId",
            "self": "",
            "description": "",
        }.items()
    }
    return Call(
        operation=f"ec2.AuthorizeSecurityGroup{direction.capitalize()}",
        fields=f"{direction}=IpPermissions",
        renamed=permission,
        given={"GroupId": THIS},
        when=direction,
    )


def _group(making: Making) -> dict[str, Any]:
    given = making.inputs
    return {
        "arn": making.arn("ec2", f"security-group/{making.identifier}"),
        "description": given.get("description") or "Managed by Pulumi",
        "egress": given.get("egress") or [],
        "ingress": given.get("ingress") or [],
        "ownerId": making.account,
        "vpcId": given.get("vpcId") or making.ec2_id("vpc"),
    }


def _default_group(making: Making) -> dict[str, Any]:
    return {**_group(making), "description": "default VPC security group", "name": "default", "namePrefix": ""}


def _identity_of_default(making: Making) -> str:
    """The group that the VPC came with; managing it makes no new one."""
    vpc = making.find(tokens.VPC, str(making.inputs.get("vpcId"))) or {}
    return str(vpc.get("defaultSecurityGroupId") or making.ec2_id("sg"))


def _single(direction: str) -> Kind:
    """One rule as a resource of its own, with an id and tags."""
    permission = "IpPermissions[0]"
    return Kind(
        token=f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule",
        label=f"VPC Security Group {direction} Rule",
        calls=(
            Call(
                operation=f"ec2.AuthorizeSecurityGroup{direction}",
                fields=f"securityGroupId=GroupId ipProtocol={permission}.IpProtocol fromPort={permission}.FromPort "
                f"toPort={permission}.ToPort cidrIpv4={permission}.IpRanges[0].CidrIp "
                f"cidrIpv6={permission}.Ipv6Ranges[0].CidrIpv6 "
                f"prefixListId={permission}.PrefixListIds[0].PrefixListId "
                f"referencedSecurityGroupId={permission}.UserIdGroupPairs[0].GroupId",
                tags="spec:security-group-rule",
            ),
        ),
        local="description",
        identity=lambda making: making.ec2_id("sgr"),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"security-group-rule/{making.identifier}"),
            "securityGroupRuleId": making.identifier,
        },
        replaces="securityGroupId",
        references=(
            references.security_group("securityGroupId"),
            references.security_group("referencedSecurityGroupId"),
        ),
        delete=f"ec2.RevokeSecurityGroup{direction}",
    )


KINDS = (
    Kind(
        token=tokens.SECURITY_GROUP,
        label="EC2 Security Group",
        calls=(
            Call(
                operation="ec2.CreateSecurityGroup",
                fields="name=GroupName description vpcId",
                given={"Description": "Managed by Pulumi"},
                tags="spec:security-group",
            ),
            _inline("ingress"),
            _inline("egress"),
        ),
        local="namePrefix revokeRulesOnDelete",
        name=Name(prefix="namePrefix"),
        kept="egress ingress vpcId",
        identity=lambda making: making.ec2_id("sg"),
        outputs=_group,
        defaults={"revokeRulesOnDelete": False},
        replaces="description name namePrefix vpcId",
        unordered="ingress egress ingress.cidrBlocks egress.cidrBlocks ingress.securityGroups egress.securityGroups",
        references=(
            references.vpc(),
            references.security_group("ingress.securityGroups"),
            references.security_group("egress.securityGroups"),
        ),
        in_use=("DependencyViolation", "resource {value} has a dependent object"),
        delete="ec2.DeleteSecurityGroup",
    ),
    Kind(
        token="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        label="EC2 Default Security Group",
        calls=(
            Call(
                operation="ec2.CreateTags",
                given={"Resources[0]": THIS, "Tags": []},
                tags="list:Tags",
            ),
            _inline("ingress"),
            _inline("egress"),
        ),
        local="vpcId revokeRulesOnDelete",
        kept="egress ingress vpcId",
        identity=_identity_of_default,
        outputs=_default_group,
        replaces="vpcId",
        unordered="ingress egress",
        references=(references.vpc(),),
        delete="ec2.DeleteTags",
    ),
    Kind(
        token="aws:ec2/securityGroupRule:SecurityGroupRule",
        label="EC2 Security Group Rule",
        calls=(
            Call(
                operation="ec2.AuthorizeSecurityGroupIngress",
                fields="securityGroupId=GroupId protocol=IpPermissions[0].IpProtocol "
                "fromPort=IpPermissions[0].FromPort toPort=IpPermissions[0].ToPort "
                "sourceSecurityGroupId=IpPermissions[0].UserIdGroupPairs[0].GroupId",
            ),
        ),
        local="cidrBlocks description ipv6CidrBlocks prefixListIds self type",
        kept="sourceSecurityGroupId",
        identity=lambda making: f"sgrule-{int(making.digits('rule', 8), 16)}",
        outputs=lambda making: {
            "securityGroupRuleId": making.ec2_id("sgr"),
            "sourceSecurityGroupId": making.inputs.get("sourceSecurityGroupId") or "",
        },
        defaults={"self": False},
        replaces="cidrBlocks fromPort ipv6CidrBlocks prefixListIds protocol securityGroupId self "
        "sourceSecurityGroupId toPort type",
        references=(
            references.security_group("securityGroupId"),
            references.security_group("sourceSecurityGroupId"),
        ),
        delete="ec2.RevokeSecurityGroupIngress",
    ),
    _single("Ingress"),
    _single("Egress"),
)
