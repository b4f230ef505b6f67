"""Launch templates."""

from typing import Any

from tenbin_local.plugins.aws.kind import Call, Kind, Making, Name
from tenbin_local.plugins.aws.kinds import references, tokens

_DATA = (
    "blockDeviceMappings capacityReservationSpecification cpuOptions creditSpecification disableApiStop "
    "disableApiTermination ebsOptimized enclaveOptions hibernationOptions iamInstanceProfile imageId "
    "instanceInitiatedShutdownBehavior instanceMarketOptions instanceRequirements instanceType kernelId keyName "
    "licenseSpecifications maintenanceOptions metadataOptions monitoring networkInterfaces networkPerformanceOptions "
    "placement privateDnsNameOptions ramDiskId secondaryInterfaces tagSpecifications userData"
)

_MEMBERS = {
    "cpuOptions": "CpuOptions",
    "networkInterfaces": "NetworkInterfaces",
    "ramDiskId": "RamDiskId",
    "vpcSecurityGroupIds": "SecurityGroupIds",
    "securityGroupNames": "SecurityGroups",
}


def _fields() -> str:
    names = {name: name[0].upper() + name[1:] for name in _DATA.split()} | _MEMBERS
    places = " ".join(f"{name}=LaunchTemplateData.{member}" for name, member in names.items())
    return f"name=LaunchTemplateName description=VersionDescription {places}"


def _outputs(making: Making) -> dict[str, Any]:
    latest = int(making.previous.get("latestVersion") or 0) + 1
    chosen = making.inputs.get("defaultVersion")
    follows = latest if making.inputs.get("updateDefaultVersion") else making.previous.get("defaultVersion")
    return {
        "arn": making.arn("ec2", f"launch-template/{making.identifier}"),
        "defaultVersion": chosen or follows or 1,
        "latestVersion": latest,
        "metadataOptions": {
            "httpEndpoint": "",
            "httpProtocolIpv6": "",
            "httpPutResponseHopLimit": 0,
            "httpTokens": "",
            "instanceMetadataTags": "",
            **(making.inputs.get("metadataOptions") or {}),
        },
    }


KINDS = (
    Kind(
        token=tokens.LAUNCH_TEMPLATE,
        label="EC2 Launch Template",
        calls=(
            Call(
                operation="ec2.CreateLaunchTemplate",
                fields=_fields(),
                renamed={
                    "networkInterfaces.securityGroups": "Groups",
                    "networkInterfaces.ipv4AddressCount": "SecondaryPrivateIpAddressCount",
                    "networkInterfaces.ipv4Addresses": "PrivateIpAddresses[].PrivateIpAddress",
                    "networkInterfaces.ipv6Addresses": "Ipv6Addresses[].Ipv6Address",
                    "networkInterfaces.ipv4Prefixes": "Ipv4Prefixes[].Ipv4Prefix",
                    "networkInterfaces.ipv6Prefixes": "Ipv6Prefixes[].Ipv6Prefix",
                },
                given={"LaunchTemplateData": {}},
                tags="spec:launch-template",
            ),
        ),
        local="namePrefix defaultVersion updateDefaultVersion",
        name=Name(prefix="namePrefix"),
        kept="defaultVersion metadataOptions",
        identity=lambda making: making.ec2_id("lt"),
        outputs=_outputs,
        replaces="name namePrefix",
        unordered="vpcSecurityGroupIds securityGroupNames networkInterfaces.securityGroups",
        changing="latestVersion defaultVersion",
        references=(
            references.security_group("vpcSecurityGroupIds"),
            references.security_group("networkInterfaces.securityGroups"),
            references.subnet("networkInterfaces.subnetId"),
        ),
        delete="ec2.DeleteLaunchTemplate",
    ),
)
