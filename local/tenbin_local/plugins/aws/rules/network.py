"""Rules of VPCs, subnets, routes, endpoints and security groups."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from tenbin_local.plugins.aws import facts
from tenbin_local.plugins.aws.kinds import network as described
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View, number

_TABLE = Table()
_VPC_GUIDE = "docs.aws.amazon.com/vpc/latest/userguide"

ROUTE = "aws:ec2/route:Route"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"

_DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
_TARGETS = (
    "carrierGatewayId",
    "coreNetworkArn",
    "egressOnlyGatewayId",
    "gatewayId",
    "localGatewayId",
    "natGatewayId",
    "networkInterfaceId",
    "odbNetworkArn",
    "transitGatewayId",
    "vpcEndpointId",
    "vpcPeeringConnectionId",
)
_LOGGED = ("vpcId", "subnetId", "eniId", "transitGatewayId", "transitGatewayAttachmentId", "regionalNatGatewayId")


def cidr(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A network, None where the text is none or has bits set behind its prefix."""
    try:
        return ipaddress.ip_network(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _block(view: View, path: str) -> Iterator[Problem]:
    """The problems of a block of 16 to 65536 addresses."""
    text = view.known(path)
    if text is None:
        return
    block = cidr(text)
    if block is None:
        yield Problem(
            path, f"{text!r} is no network; it is written like 10.0.0.0/16, with no bit set behind the prefix"
        )
    elif block.version == 4 and not 16 <= block.prefixlen <= 28:
        yield Problem(path, f"{text} is /{block.prefixlen}; /16 to /28 are allowed (InvalidRange)")


@_TABLE.rule("vpc-block-is-between-16-and-28", tokens.VPC, source=f"{_VPC_GUIDE}/vpc-cidr-blocks.html")
def _vpc_block(view: View) -> Iterator[Problem]:
    yield from _block(view, "cidrBlock")
    if not any(view.has(path) for path in ("cidrBlock", "ipv4IpamPoolId")):
        yield Problem("cidrBlock", "required, unless ipv4IpamPoolId is given")


@_TABLE.rule("subnet-block-is-between-16-and-28", tokens.SUBNET, source=f"{_VPC_GUIDE}/subnet-sizing.html")
def _subnet_block(view: View) -> Iterator[Problem]:
    yield from _block(view, "cidrBlock")


@_TABLE.rule("subnet-lies-in-its-vpc", tokens.SUBNET, source=f"{_VPC_GUIDE}/subnet-sizing.html")
def _subnet_in_vpc(view: View) -> Iterator[Problem]:
    block, vpc = cidr(view.known("cidrBlock")), view.find(tokens.VPC, str(view.known("vpcId")))
    around = cidr(vpc.get("cidrBlock")) if vpc else None
    if block is None or around is None or block.version != around.version:
        return
    if not block.subnet_of(around):  # type: ignore[arg-type]
        yield Problem("cidrBlock", f"The CIDR '{block}' is invalid: the VPC has {around} (InvalidSubnet.Range)")


@_TABLE.rule("subnets-of-a-vpc-do-not-overlap", tokens.SUBNET, source=f"{_VPC_GUIDE}/subnet-sizing.html")
def _subnets_apart(view: View) -> Iterator[Problem]:
    block = cidr(view.known("cidrBlock"))
    if block is None:
        return
    for other in view.others(tokens.SUBNET):
        taken = cidr(other.get("cidrBlock"))
        if taken is not None and other.get("vpcId") == view.known("vpcId") and block.overlaps(taken):
            reason = (
                f"The CIDR '{block}' conflicts with another subnet: {other['id']} has {taken} (InvalidSubnet.Conflict)"
            )
            yield Problem("cidrBlock", reason)


@_TABLE.rule(
    "zone-belongs-to-the-region",
    tokens.SUBNET,
    tokens.CAPACITY_RESERVATION,
    source=f"{_VPC_GUIDE}/configure-subnets.html",
)
def _zone(view: View) -> Iterator[Problem]:
    zone = view.known("availabilityZone")
    if isinstance(zone, str) and not re.fullmatch(re.escape(view.region) + r"(-[a-z]+-\d)?[a-z]", zone):
        reason = f"Value ({zone}) for parameter availabilityZone is invalid: the region is {view.region}"
        yield Problem(
            "availabilityZone",
            f"{reason}, whose zones are {', '.join(one['name'] for one in described.zones(view.region))}",
        )


@_TABLE.rule(
    "route-has-one-destination-and-one-target",
    ROUTE,
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html",
)
def _route(view: View) -> Iterator[Problem]:
    for what, names in (("destination", _DESTINATIONS), ("target", _TARGETS)):
        given = [name for name in names if view.has(name)]
        if len(given) != 1:
            yield Problem(
                "", f"exactly one {what} is allowed, {', '.join(given) or 'none'} given; of {', '.join(names)}"
            )


@_TABLE.rule(
    "route-destination-is-a-network",
    ROUTE,
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html",
)
def _destination(view: View) -> Iterator[Problem]:
    text = view.known("destinationCidrBlock")
    if text is not None and cidr(text) is None:
        yield Problem(
            "destinationCidrBlock", f"Value ({text}) for parameter destinationCidrBlock is invalid: no network"
        )


@_TABLE.rule(
    "public-nat-gateway-has-an-address",
    tokens.NAT_GATEWAY,
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html",
)
def _nat_address(view: View) -> Iterator[Problem]:
    zonal = view.known("availabilityMode") == "zonal"
    if not zonal:
        return
    if view.known("connectivityType") == "public" and not view.has("allocationId"):
        yield Problem("allocationId", "required for a public NAT gateway")
    if view.known("connectivityType") == "private" and view.has("allocationId"):
        yield Problem("allocationId", "not allowed for a private NAT gateway")
    if not view.has("subnetId"):
        yield Problem("subnetId", "required for a zonal NAT gateway")


@_TABLE.rule(
    "gateway-endpoint-is-of-s3-or-dynamodb",
    ENDPOINT,
    source="docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html",
)
def _gateway_endpoint(view: View) -> Iterator[Problem]:
    name = view.known("serviceName")
    if not isinstance(name, str) or view.known("vpcEndpointType") != "Gateway":
        return
    if name.rpartition(".")[2] not in facts.GATEWAY_SERVICES:
        yield Problem(
            "vpcEndpointType", f"{name} does not support gateway endpoints; {' and '.join(facts.GATEWAY_SERVICES)} do"
        )
    for path in ("subnetIds", "securityGroupIds"):
        if view.has(path):
            yield Problem(path, "not allowed for a gateway endpoint, which has routes instead")


@_TABLE.rule(
    "interface-endpoint-has-no-route-tables",
    ENDPOINT,
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html",
)
def _interface_endpoint(view: View) -> Iterator[Problem]:
    if view.known("vpcEndpointType") == "Interface" and view.has("routeTableIds"):
        yield Problem("routeTableIds", "not allowed for an interface endpoint, which has subnets instead")


@_TABLE.rule(
    "endpoint-is-of-a-service-of-the-region",
    ENDPOINT,
    source="docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html",
)
def _endpoint_region(view: View) -> Iterator[Problem]:
    name = view.known("serviceName")
    if not isinstance(name, str) or view.has("serviceRegion"):
        return
    found = re.fullmatch(r"(?:com\.amazonaws|aws\.api|cn\.com\.amazonaws)\.([a-z0-9-]+)\..+", name)
    if found and found[1] != view.region:
        yield Problem("serviceName", f"The Vpc Endpoint Service '{name}' does not exist: the region is {view.region}")


@_TABLE.rule(
    "interface-endpoint-has-one-subnet-in-a-zone",
    ENDPOINT,
    source="docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html",
)
def _endpoint_zones(view: View) -> Iterator[Problem]:
    zones = [one.get("availabilityZone") for one in view.all_found(tokens.SUBNET, view.known("subnetIds")) or []]
    if view.known("vpcEndpointType") == "Interface" and len(zones) != len(set(zones)):
        yield Problem(
            "subnetIds", "Found another VPC endpoint subnet in the same availability zone (DuplicateSubnetsInSameZone)"
        )


@_TABLE.rule(
    "private-dns-needs-dns-of-the-vpc",
    ENDPOINT,
    source="docs.aws.amazon.com/vpc/latest/privatelink/manage-dns-names.html",
)
def _private_dns(view: View) -> Iterator[Problem]:
    vpc = view.find(tokens.VPC, str(view.known("vpcId")))
    if not view.known("privateDnsEnabled") or not vpc:
        return
    if not (vpc.get("enableDnsSupport") and vpc.get("enableDnsHostnames")):
        reason = "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true"
        yield Problem("privateDnsEnabled", f"{reason} for {vpc['id']}")


@_TABLE.rule("flow-log-has-one-subject", FLOW_LOG, source=f"{_VPC_GUIDE}/flow-logs.html")
def _flow_log(view: View) -> Iterator[Problem]:
    given = [name for name in _LOGGED if view.has(name)]
    if len(given) != 1:
        yield Problem("", f"exactly one of {', '.join(_LOGGED)} is allowed, {', '.join(given) or 'none'} given")


@_TABLE.rule("flow-log-to-cloudwatch-has-a-role", FLOW_LOG, source=f"{_VPC_GUIDE}/flow-logs-cwl.html")
def _flow_log_role(view: View) -> Iterator[Problem]:
    to_logs = view.known("logDestinationType") == "cloud-watch-logs"
    if to_logs and not view.has("iamRoleArn"):
        yield Problem("iamRoleArn", "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs")
    if to_logs and not view.has("logDestination"):
        yield Problem("logDestination", "required")
    if view.known("maxAggregationInterval") not in (None, 60, 600):
        yield Problem(
            "maxAggregationInterval", f"{view.known('maxAggregationInterval')} is not allowed; 60 and 600 are"
        )


@_TABLE.rule(
    "security-group-text-has-allowed-characters",
    tokens.SECURITY_GROUP,
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html",
)
def _group_text(view: View) -> Iterator[Problem]:
    for path in ("name", "description"):
        text = view.known(path)
        if not isinstance(text, str):
            continue
        if len(text) > 255 or not re.fullmatch(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*", text):
            yield Problem(path, f"{text!r}: up to 255 of a-z, A-Z, 0-9, space and ._-:/()#,@[]+=&;{{}}!$* are allowed")
        if path == "name" and text.startswith("sg-"):
            yield Problem(path, f"{text!r} begins with sg-, which only ids may")


def _ports(place: str, given: Any, protocol_key: str) -> Iterator[Problem]:
    protocol, first, last = str(given.get(protocol_key)), number(given.get("fromPort")), number(given.get("toPort"))
    if protocol in ("-1", "all"):
        if any(port not in (None, 0, -1) for port in (first, last)):
            yield Problem(place, f"ports {first} to {last} with all protocols: ports are 0, or left out")
        return
    if protocol in ("tcp", "udp", "6", "17") and first is not None and last is not None:
        if not 0 <= first <= last <= 65535:
            yield Problem(place, f"Invalid TCP/UDP port range ({first}:{last})")
    elif protocol in ("tcp", "udp", "6", "17") and None in (given.get("fromPort"), given.get("toPort")):
        yield Problem(place, f"fromPort and toPort are required for {protocol}")


@_TABLE.rule(
    "security-group-rule-has-ports-and-a-peer",
    tokens.SECURITY_GROUP,
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    source="docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html",
)
def _group_rules(view: View) -> Iterator[Problem]:
    single = view.has("securityGroupId")
    if single:
        yield from _ports("", view.given, "ipProtocol" if "ipProtocol" in view.given else "protocol")
    for direction in () if single else ("ingress", "egress"):
        for index, given in enumerate(view.known(direction) or []):
            yield from _ports(f"{direction}[{index}]", given, "protocol")
    for path in ("cidrIpv4", "cidrIpv6"):
        text = view.known(path)
        if text is not None and cidr(text) is None:
            yield Problem(path, f"CIDR block {text} is malformed (InvalidParameterValue)")
    peers = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
    given = [path for path in peers if view.has(path)]
    if "ipProtocol" in view.given and len(given) != 1:
        yield Problem("", f"exactly one of {', '.join(peers)} is allowed, {', '.join(given) or 'none'} given")


RULES = _TABLE.rules
