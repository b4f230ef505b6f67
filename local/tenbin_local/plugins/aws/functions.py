"""Functions (data sources) of the provider, answered without AWS."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from tenbin_local.plugins.aws import facts, policy_documents
from tenbin_local.plugins.aws.kinds import network
from tenbin_local.plugins.aws.settings import Settings, partition


@dataclasses.dataclass(frozen=True)
class Failure:
    """What is wrong with the arguments."""

    property: str
    reason: str


Answer = dict[str, Any] | Failure


def call(token: str, arguments: Mapping[str, Any], chosen: Settings) -> Answer:
    """The answer of a function.

    Raises:
        ValueError: the stand-in does not know it.
    """
    if token not in _FUNCTIONS:
        raise ValueError(
            f"{token}: this stand-in for the AWS provider does not know the function; it knows "
            f"{', '.join(sorted(_FUNCTIONS))}"
        )
    region = str(arguments.get("region") or chosen.region)
    if not region and token not in _WITHOUT_REGION:
        return Failure("region", "no region: set aws:region or AWS_REGION")
    return _FUNCTIONS[token](arguments, dataclasses.replace(chosen, region=region))


def _caller(_: Mapping[str, Any], chosen: Settings) -> Answer:
    return {
        "accountId": chosen.account,
        "arn": f"arn:{partition(chosen.region)}:iam::{chosen.account}:user/stand-in",
        "id": chosen.account,
        "userId": "AIDACKCEVSQ6C2EXAMPLE",
    }


def _partition(_: Mapping[str, Any], chosen: Settings) -> Answer:
    china = chosen.region.startswith("cn-")
    suffix = "amazonaws.com.cn" if china else "amazonaws.com"
    return {
        "dnsSuffix": suffix,
        "id": partition(chosen.region),
        "partition": partition(chosen.region),
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
    }


def _region(arguments: Mapping[str, Any], chosen: Settings) -> Answer:
    name = str(arguments.get("name") or chosen.region)
    return {
        "description": name,
        "endpoint": f"ec2.{name}.amazonaws.com",
        "id": name,
        "name": name,
        "region": name,
    }


def _zones(arguments: Mapping[str, Any], chosen: Settings) -> Answer:
    excluded = {*(arguments.get("excludeNames") or []), *(arguments.get("excludeZoneIds") or [])}
    zones = [one for one in network.zones(chosen.region) if not excluded & {one["name"], one["id"]}]
    return {
        **arguments,
        "groupNames": [chosen.region],
        "id": chosen.region,
        "names": [one["name"] for one in zones],
        "region": chosen.region,
        "zoneIds": [one["id"] for one in zones],
    }


def _document(arguments: Mapping[str, Any], _: Settings) -> Answer:
    text = policy_documents.render(arguments)
    return {
        **arguments,
        "id": str(sum(ord(one) for one in text)),
        "json": text,
        "minifiedJson": json.dumps(json.loads(text), separators=(",", ":")),
    }


def _instance_type(arguments: Mapping[str, Any], chosen: Settings) -> Answer:
    name = str(arguments.get("instanceType"))
    known = facts.accelerated(name)
    if known is None:
        reason = (
            "EC2 has no such instance type"
            if name not in facts.instance_types()
            else ("the stand-in knows instance types with accelerators only")
        )
        return Failure("instanceType", f"{name!r}: {reason}")
    return {
        "id": name,
        "instanceType": name,
        "region": chosen.region,
        "defaultVcpus": known.vcpu,
        "memorySize": known.memory_gib * 1024,
        "efaSupported": known.efa_interfaces > 0,
        "efaMaximumInterfaces": known.efa_interfaces,
        "maximumNetworkCards": known.network_cards,
        "gpuses": [{"count": known.accelerators, "name": known.accelerator}],
        "supportedArchitectures": ["arm64" if facts.arm(name) else "x86_64"],
        "instanceStorageSupported": known.nvme_gb > 0,
        "totalInstanceStorage": known.nvme_gb,
    }


def _parameter(arguments: Mapping[str, Any], chosen: Settings) -> Answer:
    """Public parameters name images: each has an id of its own that follows from the name."""
    name = str(arguments.get("name"))
    if not name.startswith("/aws/service/"):
        return Failure("name", f"{name!r}: the stand-in knows public parameters below /aws/service/ only")
    number = sum((place + 1) * ord(one) for place, one in enumerate(name))
    value = f"ami-0{number:016x}"
    return {
        "arn": f"arn:{partition(chosen.region)}:ssm:{chosen.region}::parameter{name}",
        "id": name,
        "name": name,
        "insecureValue": value,
        "region": chosen.region,
        "type": "String",
        "value": value,
        "version": 1,
    }


_WITHOUT_REGION = frozenset({"aws:index/getPartition:getPartition", "aws:iam/getPolicyDocument:getPolicyDocument"})

_FUNCTIONS: dict[str, Callable[[Mapping[str, Any], Settings], Answer]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:iam/getPolicyDocument:getPolicyDocument": _document,
    "aws:ec2/getInstanceType:getInstanceType": _instance_type,
    "aws:ssm/getParameter:getParameter": _parameter,
}
