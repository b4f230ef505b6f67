"""VPCs, subnets, routes and flow logs."""

from typing import Any

from tenbin_local.plugins.aws.kind import THIS, Call, Kind, Making, Reference
from tenbin_local.plugins.aws.kinds import references, tokens


def _attribute(name: str, member: str) -> Call:
    return Call(operation="ec2.ModifyVpcAttribute", fields=f"{name}={member}.Value", given={"VpcId": THIS}, when=name)


def _vpc(making: Making) -> dict[str, Any]:
    ipv6 = making.inputs.get("assignGeneratedIpv6CidrBlock")
    return {
        "arn": making.arn("ec2", f"vpc/{making.identifier}"),
        "defaultNetworkAclId": making.ec2_id("acl"),
        "defaultRouteTableId": making.ec2_id("rtb"),
        "defaultSecurityGroupId": making.ec2_id("sg"),
        "dhcpOptionsId": "dopt-0" + making.account[:8] * 2,
        "ipv6AssociationId": making.ec2_id("vpc-cidr-assoc") if ipv6 else "",
        "ipv6CidrBlock": making.inputs.get("ipv6CidrBlock")
        or (f"2600:1f18:{making.digits('ipv6', 4)}:100::/56" if ipv6 else ""),
        "ipv6CidrBlockNetworkBorderGroup": making.region if ipv6 else "",
        "mainRouteTableId": making.ec2_id("rtb"),
        "ownerId": making.account,
    }


def zones(region: str) -> list[dict[str, str]]:
    """Three zones of a region, with names and ids as AWS has them."""
    head, middle, number = (
        region.rpartition("-")[0].partition("-")[0],
        region.split("-")[-2],
        region.rsplit("-", maxsplit=1)[-1],
    )
    short = {"northeast": "ne", "southeast": "se", "northwest": "nw", "southwest": "sw"}.get(middle, middle[0])
    gov = "g" if "-gov-" in region else ""
    return [
        {"name": f"{region}{letter}", "id": f"{head}{gov}{short}{number}-az{index}"}
        for index, letter in enumerate("abc", start=1)
    ]


def _subnet(making: Making) -> dict[str, Any]:
    known = zones(making.region)
    name, identity = (making.inputs.get(key) for key in ("availabilityZone", "availabilityZoneId"))
    zone = next((one for one in known if name == one["name"] or identity == one["id"]), known[0])
    return {
        "arn": making.arn("ec2", f"subnet/{making.identifier}"),
        "availabilityZone": name or zone["name"],
        "availabilityZoneId": identity or zone["id"],
        "ipv6CidrBlock": making.inputs.get("ipv6CidrBlock") or "",
        "ipv6CidrBlockAssociationId": making.ec2_id("subnet-cidr-assoc") if making.inputs.get("ipv6CidrBlock") else "",
        "ownerId": making.account,
        "privateDnsHostnameTypeOnLaunch": making.inputs.get("privateDnsHostnameTypeOnLaunch") or "ip-name",
    }


def _route(making: Making) -> str:
    given = making.inputs
    keys = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
    destination = next((given[key] for key in keys if given.get(key)), "")
    table = str(given["routeTableId"])
    # The provider's ids have a checksum of the destination.
    return f"r-{table}{sum(ord(one) * 31**place for place, one in enumerate(destination)) % 2**32}"


_TARGETS = (
    "carrierGatewayId coreNetworkArn egressOnlyGatewayId=EgressOnlyInternetGatewayId gatewayId localGatewayId "
    "natGatewayId networkInterfaceId odbNetworkArn transitGatewayId vpcEndpointId vpcPeeringConnectionId"
)

_TARGET_REFERENCES = (
    Reference(
        path="natGatewayId",
        to=tokens.NAT_GATEWAY,
        code="InvalidNatGatewayID.NotFound",
        message="The natGateway ID '{value}' does not exist",
    ),
    Reference(
        path="gatewayId",
        to=tokens.INTERNET_GATEWAY,
        code="InvalidGatewayID.NotFound",
        message="The gateway ID '{value}' does not exist",
        foreign="local|vgw-.*",
    ),
)

KINDS = (
    Kind(
        token=tokens.VPC,
        label="EC2 VPC",
        calls=(
            Call(
                operation="ec2.CreateVpc",
                fields="cidrBlock instanceTenancy ipv4IpamPoolId ipv4NetmaskLength ipv6CidrBlock ipv6IpamPoolId "
                "ipv6NetmaskLength ipv6CidrBlockNetworkBorderGroup "
                "assignGeneratedIpv6CidrBlock=AmazonProvidedIpv6CidrBlock",
                tags="spec:vpc",
            ),
            _attribute("enableDnsHostnames", "EnableDnsHostnames"),
            _attribute("enableDnsSupport", "EnableDnsSupport"),
            _attribute("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"),
        ),
        kept="cidrBlock enableDnsHostnames enableNetworkAddressUsageMetrics ipv6CidrBlock "
        "ipv6CidrBlockNetworkBorderGroup",
        identity=lambda making: making.ec2_id("vpc"),
        outputs=_vpc,
        defaults={
            "enableDnsHostnames": False,
            "enableDnsSupport": True,
            "enableNetworkAddressUsageMetrics": False,
            "instanceTenancy": "default",
        },
        replaces="cidrBlock instanceTenancy ipv4IpamPoolId ipv4NetmaskLength",
        in_use=("DependencyViolation", "The vpc '{value}' has dependencies and cannot be deleted."),
        delete="ec2.DeleteVpc",
        provides={
            tokens.SECURITY_GROUP: "defaultSecurityGroupId",
            tokens.ROUTE_TABLE: "mainRouteTableId",
        },
    ),
    Kind(
        token=tokens.SUBNET,
        label="EC2 Subnet",
        calls=(
            Call(
                operation="ec2.CreateSubnet",
                fields="vpcId cidrBlock ipv6CidrBlock availabilityZone availabilityZoneId outpostArn ipv6Native "
                "ipv4IpamPoolId ipv4NetmaskLength ipv6IpamPoolId ipv6NetmaskLength",
                tags="spec:subnet",
            ),
            Call(
                operation="ec2.ModifySubnetAttribute",
                fields="mapPublicIpOnLaunch=MapPublicIpOnLaunch.Value enableDns64=EnableDns64.Value "
                "assignIpv6AddressOnCreation=AssignIpv6AddressOnCreation.Value "
                "enableResourceNameDnsARecordOnLaunch=EnableResourceNameDnsARecordOnLaunch.Value "
                "enableResourceNameDnsAaaaRecordOnLaunch=EnableResourceNameDnsAAAARecordOnLaunch.Value "
                "mapCustomerOwnedIpOnLaunch=MapCustomerOwnedIpOnLaunch.Value "
                "privateDnsHostnameTypeOnLaunch customerOwnedIpv4Pool enableLniAtDeviceIndex",
                given={"SubnetId": THIS},
            ),
        ),
        kept="availabilityZone availabilityZoneId cidrBlock ipv6CidrBlock privateDnsHostnameTypeOnLaunch",
        identity=lambda making: making.ec2_id("subnet"),
        outputs=_subnet,
        defaults={
            "assignIpv6AddressOnCreation": False,
            "enableDns64": False,
            "mapPublicIpOnLaunch": False,
            "enableResourceNameDnsARecordOnLaunch": False,
            "enableResourceNameDnsAaaaRecordOnLaunch": False,
            "ipv6Native": False,
        },
        replaces="availabilityZone availabilityZoneId cidrBlock ipv4IpamPoolId ipv4NetmaskLength ipv6IpamPoolId "
        "ipv6Native ipv6NetmaskLength outpostArn vpcId",
        references=(references.vpc(),),
        in_use=("DependencyViolation", "The subnet '{value}' has dependencies and cannot be deleted."),
        delete="ec2.DeleteSubnet",
    ),
    Kind(
        token=tokens.ROUTE_TABLE,
        label="EC2 Route Table",
        calls=(Call(operation="ec2.CreateRouteTable", fields="vpcId", tags="spec:route-table"),),
        local="routes propagatingVgws",
        kept="propagatingVgws routes",
        identity=lambda making: making.ec2_id("rtb"),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"route-table/{making.identifier}"),
            "ownerId": making.account,
            "propagatingVgws": making.inputs.get("propagatingVgws") or [],
            "routes": making.inputs.get("routes") or [],
        },
        replaces="vpcId",
        unordered="routes propagatingVgws",
        references=(references.vpc(),),
        in_use=("DependencyViolation", "The routeTable '{value}' has dependencies and cannot be deleted."),
        delete="ec2.DeleteRouteTable",
    ),
    Kind(
        token="aws:ec2/route:Route",
        label="Route in Route Table",
        calls=(
            Call(
                operation="ec2.CreateRoute",
                fields="routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId " + _TARGETS,
            ),
        ),
        kept="networkInterfaceId",
        identity=_route,
        outputs=lambda _: {
            "instanceId": "",
            "instanceOwnerId": "",
            "networkInterfaceId": "",
            "origin": "CreateRoute",
            "state": "active",
        },
        replaces="routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId",
        references=(references.route_table(), *_TARGET_REFERENCES),
        taken=("RouteAlreadyExists", "The route identified by {destinationCidrBlock} already exists."),
        delete="ec2.DeleteRoute",
    ),
    Kind(
        token="aws:ec2/routeTableAssociation:RouteTableAssociation",
        label="Route Table Association",
        calls=(Call(operation="ec2.AssociateRouteTable", fields="routeTableId subnetId gatewayId"),),
        identity=lambda making: making.ec2_id("rtbassoc"),
        outputs=lambda _: {},
        replaces="subnetId gatewayId",
        references=(references.route_table(), references.subnet()),
        delete="ec2.DisassociateRouteTable",
    ),
    Kind(
        token="aws:ec2/flowLog:FlowLog",
        label="Flow Log",
        calls=(
            Call(
                operation="ec2.CreateFlowLogs",
                fields="vpcId=ResourceIds[0] subnetId=ResourceIds[0] eniId=ResourceIds[0] "
                "transitGatewayId=ResourceIds[0] transitGatewayAttachmentId=ResourceIds[0] "
                "regionalNatGatewayId=ResourceIds[0] iamRoleArn=DeliverLogsPermissionArn deliverCrossAccountRole "
                "destinationOptions logDestination logDestinationType logFormat maxAggregationInterval trafficType "
                "tagFieldSpecifications",
                given={"ResourceType": "VPC"},
                tags="spec:vpc-flow-log",
            ),
        ),
        kept="logDestination logFormat",
        identity=lambda making: making.ec2_id("fl"),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"vpc-flow-log/{making.identifier}"),
            "logDestination": making.inputs.get("logDestination") or "",
            "logFormat": making.inputs.get("logFormat")
            or "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
            "${packets} ${bytes} ${start} ${end} ${action} ${log-status}",
        },
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        replaces="deliverCrossAccountRole destinationOptions eniId iamRoleArn logDestination logDestinationType "
        "logFormat maxAggregationInterval subnetId trafficType transitGatewayAttachmentId transitGatewayId vpcId",
        references=(references.vpc(), references.subnet()),
        delete="ec2.DeleteFlowLogs",
    ),
)
