"""What connects a VPC to the rest: gateways, addresses, endpoints."""

from typing import Any

from tenbin_local.plugins.aws.kind import THIS, Call, Kind, Making, Reference
from tenbin_local.plugins.aws.kinds import references, tokens

_ADDRESS = Reference(
    path="allocationId",
    to=tokens.EIP,
    code="InvalidAllocationID.NotFound",
    message="The allocation ID '{value}' does not exist",
)


def _address(making: Making, salt: str, head: str) -> str:
    """An address that is the resource's own, in a network of which `head` is the beginning."""
    high, low = bytes.fromhex(making.digits(salt, 4))
    return f"{head}.{high}.{low}"


def _nat_gateway(making: Making) -> dict[str, Any]:
    subnet = making.find(tokens.SUBNET, str(making.inputs.get("subnetId"))) or {}
    public = making.inputs.get("connectivityType") == "public"
    address = making.find(tokens.EIP, str(making.inputs.get("allocationId"))) or {}
    return {
        "associationId": making.ec2_id("eipassoc") if public else "",
        "autoProvisionZones": "",
        "autoScalingIps": "",
        "networkInterfaceId": making.ec2_id("eni"),
        "privateIp": making.inputs.get("privateIp") or _address(making, "private", "10.0"),
        "publicIp": address.get("publicIp") or "",
        "regionalNatGatewayAddresses": [],
        "regionalNatGatewayAutoMode": "",
        "routeTableId": "",
        "secondaryAllocationIds": making.inputs.get("secondaryAllocationIds") or [],
        "secondaryPrivateIpAddressCount": making.inputs.get("secondaryPrivateIpAddressCount") or 0,
        "secondaryPrivateIpAddresses": making.inputs.get("secondaryPrivateIpAddresses") or [],
        "vpcId": making.inputs.get("vpcId") or subnet.get("vpcId") or "",
    }


def _eip(making: Making) -> dict[str, Any]:
    public = making.inputs.get("address") or _address(making, "public", "198.51")
    host = str(public).replace(".", "-")
    zone = "compute-1" if making.region == "us-east-1" else f"{making.region}.compute"
    return {
        "allocationId": making.identifier,
        "arn": making.arn("ec2", f"elastic-ip/{making.identifier}"),
        "associationId": "",
        "carrierIp": "",
        "customerOwnedIp": "",
        "instance": making.inputs.get("instance") or "",
        "domain": "vpc",
        "ipamPoolId": making.inputs.get("ipamPoolId") or "",
        "privateDns": "",
        "privateIp": "",
        "networkBorderGroup": making.inputs.get("networkBorderGroup") or making.region,
        "networkInterface": making.inputs.get("networkInterface") or "",
        "ptrRecord": "",
        "publicDns": f"ec2-{host}.{zone}.amazonaws.com",
        "publicIp": public,
        "publicIpv4Pool": making.inputs.get("publicIpv4Pool") or "amazon",
    }


def _endpoint(making: Making) -> dict[str, Any]:
    given = making.inputs
    gateway = given["vpcEndpointType"] == "Gateway"
    subnets = given.get("subnetIds") or []
    name = str(given.get("serviceName") or "")
    host = f"{making.identifier}-{making.digits('dns', 8)}.{'.'.join(name.split('.')[3:])}.{making.region}"
    return {
        "arn": making.arn("ec2", f"vpc-endpoint/{making.identifier}"),
        "cidrBlocks": ["198.51.100.0/24"] if gateway else [],
        "dnsEntries": [] if gateway else [{"dnsName": f"{host}.vpce.amazonaws.com", "hostedZoneId": "Z7HUB22UULQXV"}],
        "dnsOptions": given.get("dnsOptions") or {"dnsRecordIpType": "ipv4"},
        "ipAddressType": given.get("ipAddressType") or "ipv4",
        "networkInterfaceIds": [f"eni-0{making.digits(str(subnet), 16)}" for subnet in subnets],
        "ownerId": making.account,
        "policy": given.get("policy")
        or '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}',
        "prefixListId": making.ec2_id("pl") if gateway else "",
        "privateDnsEnabled": bool(given.get("privateDnsEnabled")),
        "requesterManaged": False,
        "routeTableIds": given.get("routeTableIds") or [],
        "securityGroupIds": given.get("securityGroupIds") or [],
        "serviceRegion": given.get("serviceRegion") or making.region,
        "state": "available",
        "subnetConfigurations": given.get("subnetConfigurations") or [],
        "subnetIds": subnets,
    }


KINDS = (
    Kind(
        token=tokens.INTERNET_GATEWAY,
        label="EC2 Internet Gateway",
        calls=(
            Call(operation="ec2.CreateInternetGateway", tags="spec:internet-gateway"),
            Call(
                operation="ec2.AttachInternetGateway", fields="vpcId", given={"InternetGatewayId": THIS}, when="vpcId"
            ),
        ),
        kept="vpcId",
        identity=lambda making: making.ec2_id("igw"),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"internet-gateway/{making.identifier}"),
            "ownerId": making.account,
            "vpcId": making.inputs.get("vpcId") or "",
        },
        references=(references.vpc(),),
        in_use=("DependencyViolation", "The internetGateway '{value}' has dependencies and cannot be deleted."),
        delete="ec2.DeleteInternetGateway",
    ),
    Kind(
        token=tokens.NAT_GATEWAY,
        label="EC2 NAT Gateway",
        calls=(
            Call(
                operation="ec2.CreateNatGateway",
                fields="allocationId availabilityMode availabilityZoneAddresses connectivityType "
                "privateIp=PrivateIpAddress secondaryAllocationIds secondaryPrivateIpAddressCount "
                "secondaryPrivateIpAddresses subnetId vpcId",
                tags="spec:natgateway",
            ),
        ),
        kept="availabilityMode privateIp secondaryAllocationIds secondaryPrivateIpAddressCount "
        "secondaryPrivateIpAddresses vpcId",
        identity=lambda making: making.ec2_id("nat"),
        outputs=_nat_gateway,
        defaults={"availabilityMode": "zonal", "connectivityType": "public"},
        replaces="allocationId availabilityMode connectivityType privateIp subnetId vpcId",
        unordered="secondaryAllocationIds secondaryPrivateIpAddresses",
        references=(references.subnet(), references.vpc(), _ADDRESS),
        in_use=("DependencyViolation", "The natGateway '{value}' has dependencies and cannot be deleted."),
        delete="ec2.DeleteNatGateway",
    ),
    Kind(
        token=tokens.EIP,
        label="EC2 EIP",
        calls=(
            Call(
                operation="ec2.AllocateAddress",
                fields="address customerOwnedIpv4Pool domain ipamPoolId networkBorderGroup publicIpv4Pool",
                tags="spec:elastic-ip",
            ),
        ),
        local="associateWithPrivateIp instance networkInterface",
        kept="domain instance ipamPoolId networkBorderGroup networkInterface publicIpv4Pool",
        identity=lambda making: making.ec2_id("eipalloc"),
        outputs=_eip,
        defaults={"domain": "vpc"},
        replaces="address customerOwnedIpv4Pool domain ipamPoolId networkBorderGroup publicIpv4Pool",
        in_use=("InvalidIPAddress.InUse", "Address with allocation id '{value}' is in use."),
        delete="ec2.ReleaseAddress",
    ),
    Kind(
        token="aws:ec2/vpcEndpoint:VpcEndpoint",
        label="EC2 VPC Endpoint",
        calls=(
            Call(
                operation="ec2.CreateVpcEndpoint",
                fields="dnsOptions ipAddressType policy=PolicyDocument privateDnsEnabled resourceConfigurationArn "
                "routeTableIds securityGroupIds serviceName serviceNetworkArn serviceRegion subnetConfigurations "
                "subnetIds vpcEndpointType vpcId",
                tags="spec:vpc-endpoint",
            ),
        ),
        local="autoAccept",
        kept="dnsOptions ipAddressType policy privateDnsEnabled routeTableIds securityGroupIds "
        "serviceRegion subnetConfigurations subnetIds",
        identity=lambda making: making.ec2_id("vpce"),
        outputs=_endpoint,
        defaults={"vpcEndpointType": "Gateway", "privateDnsEnabled": False},
        replaces="dnsOptions.privateDnsPreference dnsOptions.privateDnsSpecifiedDomains resourceConfigurationArn "
        "serviceName serviceNetworkArn serviceRegion vpcEndpointType vpcId",
        unordered="routeTableIds securityGroupIds subnetIds subnetConfigurations",
        documents="policy",
        references=(
            references.vpc(),
            references.subnet("subnetIds"),
            references.route_table("routeTableIds"),
            references.security_group("securityGroupIds"),
        ),
        delete="ec2.DeleteVpcEndpoints",
    ),
)
