"""The network of a cluster that a stack owns: address range, zones, and the ways out."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from tenbin_spec.quantities import Frozen, Text

_REGION = "(?!cn-)[a-z]{2}(-[a-z]+)+-[0-9]"

Region = Annotated[str, Text(_REGION, "a region of AWS outside China", "us-east-1")]
"""A region of AWS; those in China name accounts and services in their own way."""

Zone = Annotated[str, Text(f"{_REGION}[a-z]", "an availability zone of AWS outside China", "us-east-1a")]
"""An availability zone of AWS; local zones are none, since control planes do not span them."""

EVERY_SERVICE = (
    *("autoscaling", "ec2", "ec2messages", "ecr.api", "ecr.dkr", "eks", "eks-auth"),
    *("logs", "ssm", "ssmmessages", "sts"),
)
"""Services that nodes of a private cluster call: images, tokens, logs, the cluster itself and Session Manager."""
_SERVICES_WITHOUT_NAT = ("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "sts")
"""Without these a node that has no way out never joins, or never pulls an image (EKS user guide, private clusters)."""
_WIDEST, _NARROWEST = 16, 28
"""Prefix lengths that a VPC and a subnet may have (VPC user guide)."""


def _cidr(value: Any) -> str:
    try:
        if isinstance(value, str):
            return str(ipaddress.IPv4Network(value))
    except ValueError:
        pass
    hint = f"{value!r} is not an IPv4 range whose address is its first, for example '10.0.0.0/16'"
    raise PydanticCustomError("tenbin", "{hint}", {"hint": hint})


Cidr = Annotated[
    str,
    BeforeValidator(_cidr),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$",
            "description": "An IPv4 range",
            "examples": ["10.0.0.0/16"],
        }
    ),
]
"""An IPv4 range whose address is its first."""


def is_not_everywhere(value: str) -> str:
    """Refuse the range of all addresses.

    Raises:
        PydanticCustomError: saying what is allowed.
    """
    if value.endswith("/0"):
        hint = f"{value!r} is the whole internet. Allowed: the ranges that those who may come in come from"
        raise PydanticCustomError("tenbin", "{hint}", {"hint": hint})
    return value


_Prefix = Annotated[int, Field(strict=True, ge=_WIDEST, le=_NARROWEST)]


class Network(Frozen):
    """A VPC with three subnets in each zone: public (ways in and out), private (nodes), intra (the control plane)."""

    cidr: Cidr = "10.0.0.0/16"
    """Its addresses; they cannot be changed later."""
    zones: Annotated[tuple[Zone, ...], Field(min_length=2, max_length=6)]
    """Availability zones, named, since a computed choice could later replace what lies in them. Only ever add at the
    end: the subnets of a zone follow from its place."""
    private_prefix: _Prefix = 19
    """Prefix length of a private subnet; every pod has an address there."""
    public_prefix: _Prefix = 24
    """Prefix length of a public subnet."""
    intra_prefix: _Prefix = 27
    """Prefix length of an intra subnet, which has no way out."""
    nat: Literal["zone", "single", "none"] = "zone"
    """NAT gateways: one in each zone, a single one (cheaper, and its zone takes all down), or none."""
    endpoints: tuple[Annotated[str, Text("[a-z0-9.-]{2,60}", "a service of AWS", "ecr.api")], ...] = EVERY_SERVICE
    """Services reached inside the VPC, besides S3, which always is."""
    flow_log_days: Literal[0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557] = (
        90
    )
    """Days that records of all connections are kept; 0 keeps them for ever."""

    @model_validator(mode="after")
    def _has_a_range_of_a_vpc(self) -> Self:
        length = ipaddress.IPv4Network(self.cidr).prefixlen
        if not _WIDEST <= length <= _NARROWEST:
            raise ValueError(f"cidr {self.cidr} is no range of a VPC. Allowed: /{_WIDEST} to /{_NARROWEST}")
        return self

    @model_validator(mode="after")
    def _names_things_once(self) -> Self:
        for what, names in (("zones", self.zones), ("endpoints", self.endpoints)):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{what} names {', '.join(repeated)} more than once")
        return self

    @model_validator(mode="after")
    def _is_of_one_region(self) -> Self:
        regions = sorted({zone[:-1] for zone in self.zones})
        if len(regions) > 1:
            raise ValueError(f"zones are of {len(regions)} regions: {', '.join(regions)}. Allowed: zones of one region")
        return self

    @model_validator(mode="after")
    def _nodes_reach_what_they_need(self) -> Self:
        missing = [name for name in _SERVICES_WITHOUT_NAT if name not in self.endpoints]
        if self.nat == "none" and missing:
            raise ValueError(f"endpoints lacks {', '.join(missing)}, which nodes need where nat is none")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        room = zones_that_fit(self.cidr, self.private_prefix, self.public_prefix, self.intra_prefix)
        if len(self.zones) > room:
            raise ValueError(
                f"cidr {self.cidr} holds the subnets of {room} zones, zones has {len(self.zones)}."
                " Allowed: a wider cidr or longer prefixes"
            )
        return self

    @property
    def region(self) -> str:
        """Region of its zones."""
        return self.zones[0][:-1]


def zones_that_fit(cidr: str, private_prefix: int, public_prefix: int, intra_prefix: int) -> int:
    """Return for how many zones a range has room.

    Each zone takes one private subnet and a pair of public and intra ones, both as large as the larger of the two.

    >>> zones_that_fit("10.0.0.0/16", 19, 24, 27)
    7
    """
    total = ipaddress.IPv4Network(cidr).num_addresses
    pair = 2 * 2 ** (32 - min(public_prefix, intra_prefix))
    return int(total // (2 ** (32 - private_prefix) + pair))
