"""Rules of launch templates, placement groups and reservations."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from tenbin_local.plugins.aws import facts
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View, number

_TABLE = Table()
_EC2 = "docs.aws.amazon.com/AWSEC2/latest"
_EFA = f"{_EC2}/UserGuide/efa-acc-inst-types.html"

EFA_TYPES = ("efa", "efa-only")


def efa_interfaces(template: Any) -> list[tuple[int, Any]]:
    """The network interfaces of a launch template that are EFAs, each with its place."""
    given = template.get("networkInterfaces")
    listed = given if isinstance(given, list) else []
    return [
        (index, one)
        for index, one in enumerate(listed)
        if isinstance(one, Mapping) and one.get("interfaceType") in EFA_TYPES
    ]


def efa_problems(template: Any, instance_type: str, path: str = "networkInterfaces") -> Iterator[Problem]:
    """What is wrong with EFAs on an instance type; nothing where the catalogue does not know it."""
    known, wanted = facts.accelerated(instance_type), efa_interfaces(template)
    if known is None or not wanted:
        return
    if not known.efa_interfaces:
        yield Problem(path, f"{instance_type} does not support EFA")
        return
    for index, one in wanted:
        card = one.get("networkCardIndex") or 0
        if isinstance(card, int) and card not in known.efa_cards:
            cards = f"{known.efa_cards.start} to {known.efa_cards.stop - 1}"
            yield Problem(
                f"{path}[{index}]", f"{instance_type} has no EFA on network card {card}; it has them on {cards}"
            )
    if len(wanted) > known.efa_interfaces:
        yield Problem(path, f"{instance_type} has {known.efa_interfaces} EFAs at most, {len(wanted)} given")


@_TABLE.rule("efa-lies-on-cards-of-the-instance-type", tokens.LAUNCH_TEMPLATE, source=_EFA)
def _efa(view: View) -> Iterator[Problem]:
    instance_type = view.known("instanceType")
    if isinstance(instance_type, str):
        yield from efa_problems(view.given, instance_type)


@_TABLE.rule("first-interface-carries-the-address", tokens.LAUNCH_TEMPLATE, source=f"{_EC2}/UserGuide/create-efa.html")
def _devices(view: View) -> Iterator[Problem]:
    listed = view.known("networkInterfaces") or []
    places = [(one.get("networkCardIndex") or 0, one.get("deviceIndex") or 0) for one in listed]
    for index, (card, device) in enumerate(places):
        place = f"networkInterfaces[{index}]"
        if (card, device) in places[:index]:
            yield Problem(place, f"another interface has network card {card} and device {device}")
        if isinstance(card, int) and card > 0 and device == 0:
            yield Problem(
                f"{place}.deviceIndex", f"0 on network card {card}: only card 0 has a device 0, others begin with 1"
            )
        if card == 0 and device == 0 and listed[index].get("interfaceType") == "efa-only":
            yield Problem(
                f"{place}.interfaceType", "efa-only has no address, so the first interface is efa or interface"
            )
    if listed and (0, 0) not in places:
        yield Problem("networkInterfaces", "one interface must have network card 0 and device 0")


@_TABLE.rule(
    "security-groups-stand-in-one-place",
    tokens.LAUNCH_TEMPLATE,
    source="docs.aws.amazon.com/eks/latest/userguide/launch-templates.html",
)
def _groups(view: View) -> Iterator[Problem]:
    given = view.given.get("networkInterfaces")
    if view.has("vpcSecurityGroupIds") and isinstance(given, list) and given:
        yield Problem(
            "vpcSecurityGroupIds",
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        )


@_TABLE.rule(
    "user-data-is-base64", tokens.LAUNCH_TEMPLATE, source=f"{_EC2}/APIReference/API_RequestLaunchTemplateData.html"
)
def _user_data(view: View) -> Iterator[Problem]:
    text = view.known("userData")
    if not isinstance(text, str):
        return
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        yield Problem("userData", "Invalid BASE64 encoding of user data (InvalidUserData.Malformed)")
        return
    if size > 16384:
        yield Problem("userData", f"{size} bytes; User data is limited to 16384 bytes")


@_TABLE.rule(
    "metadata-hops-are-1-to-64",
    tokens.LAUNCH_TEMPLATE,
    source=f"{_EC2}/APIReference/API_LaunchTemplateInstanceMetadataOptionsRequest.html",
)
def _hops(view: View) -> Iterator[Problem]:
    hops = view.number("metadataOptions.httpPutResponseHopLimit")
    if hops is not None and not 1 <= hops <= 64:
        yield Problem("metadataOptions.httpPutResponseHopLimit", f"{hops} is not allowed; 1 to 64 are")


@_TABLE.rule(
    "volume-fits-its-type",
    tokens.LAUNCH_TEMPLATE,
    source="docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html",
)
def _volumes(view: View) -> Iterator[Problem]:
    for index, mapping in enumerate(view.known("blockDeviceMappings") or []):
        ebs, place = mapping.get("ebs") or {}, f"blockDeviceMappings[{index}].ebs"
        kind, size = ebs.get("volumeType", "gp2"), number(ebs.get("volumeSize"))
        throughput, iops = number(ebs.get("throughput")), number(ebs.get("iops"))
        if throughput is not None and kind != "gp3":
            yield Problem(
                f"{place}.throughput", f"The parameter throughput is not supported for {kind} volumes; it is for gp3"
            )
        elif throughput is not None and not 125 <= throughput <= 2000:
            yield Problem(f"{place}.throughput", f"{throughput} is not allowed; 125 to 2000 are")
        if iops is not None and kind not in ("gp3", "io1", "io2"):
            yield Problem(
                f"{place}.iops", f"The parameter iops is not supported for {kind} volumes; it is for gp3, io1 and io2"
            )
        elif iops is not None and kind == "gp3" and not 3000 <= iops <= 80000:
            yield Problem(f"{place}.iops", f"{iops} is not allowed for gp3; 3000 to 80000 are")
        if size is not None and not 1 <= size <= 65536:
            yield Problem(f"{place}.volumeSize", f"{size} is not allowed; 1 to 65536 GiB are")
        if ebs.get("kmsKeyId") and str(ebs.get("encrypted")).lower() != "true":
            yield Problem(f"{place}.kmsKeyId", "not allowed unless encrypted is true")


@_TABLE.rule(
    "reservation-is-targeted-once",
    tokens.LAUNCH_TEMPLATE,
    source=f"{_EC2}/APIReference/API_LaunchTemplateCapacityReservationSpecificationRequest.html",
)
def _reservation(view: View) -> Iterator[Problem]:
    base = "capacityReservationSpecification"
    target = f"{base}.capacityReservationTarget"
    preference = view.known(f"{base}.capacityReservationPreference")
    if view.unclear(base):
        return
    if view.has(target) and preference not in (None, "capacity-reservations-only"):
        yield Problem(base, f"a preference of {preference} and a target may not be given together")
    if view.has(f"{target}.capacityReservationId") and view.has(f"{target}.capacityReservationResourceGroupArn"):
        yield Problem(target, "either an id or a resource group, not both")


@_TABLE.rule(
    "capacity-block-names-its-reservation",
    tokens.LAUNCH_TEMPLATE,
    source="docs.aws.amazon.com/eks/latest/userguide/capacity-blocks-mng.html",
)
def _block(view: View) -> Iterator[Problem]:
    if view.known("instanceMarketOptions.marketType") != "capacity-block":
        return
    if not view.has("capacityReservationSpecification.capacityReservationTarget"):
        yield Problem(
            "capacityReservationSpecification.capacityReservationTarget", "required with market type capacity-block"
        )
    if not view.has("instanceType"):
        yield Problem("instanceType", "required with market type capacity-block")
    known = facts.accelerated(str(view.known("instanceType")))
    if known is not None and not known.capacity_block:
        yield Problem("instanceType", f"AWS sells no capacity blocks of {view.known('instanceType')}")


@_TABLE.rule(
    "placement-group-options-fit-its-strategy",
    tokens.PLACEMENT_GROUP,
    source=f"{_EC2}/UserGuide/placement-strategies.html",
)
def _placement(view: View) -> Iterator[Problem]:
    strategy = view.known("strategy")
    for path, needed in (("partitionCount", "partition"), ("spreadLevel", "spread")):
        if view.has(path) and strategy not in (None, needed):
            yield Problem(path, f"not allowed with strategy {strategy}; it is with {needed}")
    count = view.number("partitionCount")
    if count is not None and not 1 <= count <= 7:
        yield Problem("partitionCount", f"{count} is not allowed; 1 to 7 are")


@_TABLE.rule(
    "limited-reservation-has-an-end",
    tokens.CAPACITY_RESERVATION,
    source=f"{_EC2}/APIReference/API_CreateCapacityReservation.html",
)
def _end(view: View) -> Iterator[Problem]:
    if view.unclear("endDateType", "endDate"):
        return
    limited = view.known("endDateType") == "limited"
    if limited is not view.has("endDate"):
        yield Problem(
            "endDate", "required with endDateType limited" if limited else "allowed with endDateType limited only"
        )


@_TABLE.rule(
    "reserved-instance-type-exists",
    tokens.CAPACITY_RESERVATION,
    source=f"{_EC2}/APIReference/API_CreateCapacityReservation.html",
)
def _reserved(view: View) -> Iterator[Problem]:
    name = view.known("instanceType")
    if isinstance(name, str) and name not in facts.instance_types():
        yield Problem("instanceType", f"Invalid value '{name}' for instanceType: EC2 has no such instance type")


RULES = _TABLE.rules
