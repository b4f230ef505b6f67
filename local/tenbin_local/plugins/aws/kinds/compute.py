"""Capacity: placement groups, reservations and capacity blocks."""

from typing import Any

from tenbin_local.plugins.aws.kind import Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.kinds.iam import CREATED


def _block(making: Making) -> dict[str, Any]:
    """A capacity block; what an offering is of is known to AWS alone, so the stand-in gives a plausible one."""
    return {
        "arn": making.arn("ec2", f"capacity-reservation/{making.identifier}"),
        "availabilityZone": f"{making.region}a",
        "createdDate": CREATED,
        "ebsOptimized": True,
        "endDate": "2026-01-08T11:30:00Z",
        "endDateType": "limited",
        "instanceCount": 1,
        "instanceType": "p5.48xlarge",
        "outpostArn": "",
        "placementGroupArn": "",
        "reservationType": "capacity-block",
        "startDate": "2026-01-01T11:30:00Z",
        "tenancy": "default",
    }


KINDS = (
    Kind(
        token=tokens.PLACEMENT_GROUP,
        label="EC2 Placement Group",
        calls=(
            Call(
                operation="ec2.CreatePlacementGroup",
                fields="name=GroupName partitionCount spreadLevel strategy",
                tags="spec:placement-group",
            ),
        ),
        name=Name(),
        kept="partitionCount spreadLevel",
        identity=lambda making: str(making.inputs["name"]),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"placement-group/{making.identifier}"),
            "partitionCount": making.inputs.get("partitionCount") or 0,
            "placementGroupId": making.ec2_id("pg"),
            "spreadLevel": making.inputs.get("spreadLevel") or "",
        },
        replaces="name partitionCount spreadLevel strategy",
        taken=("InvalidPlacementGroup.Duplicate", "The placement group '{value}' already exists."),
        in_use=("InvalidPlacementGroup.InUse", "The placement group '{value}' is in use and may not be deleted."),
        delete="ec2.DeletePlacementGroup",
    ),
    Kind(
        token=tokens.CAPACITY_RESERVATION,
        label="EC2 Capacity Reservation",
        calls=(
            Call(
                operation="ec2.CreateCapacityReservation",
                fields="availabilityZone ebsOptimized endDate endDateType ephemeralStorage instanceCount "
                "instanceMatchCriteria instancePlatform instanceType outpostArn placementGroupArn tenancy",
                tags="spec:capacity-reservation",
            ),
        ),
        identity=lambda making: making.ec2_id("cr"),
        outputs=lambda making: {
            "arn": making.arn("ec2", f"capacity-reservation/{making.identifier}"),
            "ownerId": making.account,
        },
        defaults={
            "ebsOptimized": False,
            "endDateType": "unlimited",
            "ephemeralStorage": False,
            "instanceMatchCriteria": "open",
            "tenancy": "default",
        },
        replaces="availabilityZone ebsOptimized ephemeralStorage instanceMatchCriteria instancePlatform instanceType "
        "outpostArn placementGroupArn tenancy",
        references=(
            Reference(
                path="placementGroupArn",
                to=tokens.PLACEMENT_GROUP,
                by="arn",
                code="InvalidPlacementGroup.Unknown",
                message="The placement group '{value}' is unknown",
            ),
        ),
        delete="ec2.CancelCapacityReservation",
    ),
    Kind(
        token="aws:ec2/capacityBlockReservation:CapacityBlockReservation",
        label="EC2 Capacity Block Reservation",
        calls=(
            Call(
                operation="ec2.PurchaseCapacityBlock",
                fields="capacityBlockOfferingId instancePlatform",
                tags="spec:capacity-reservation",
            ),
        ),
        local="timeouts",
        identity=lambda making: making.ec2_id("cr"),
        outputs=_block,
        replaces="capacityBlockOfferingId instancePlatform",
        delete="ec2.CancelCapacityReservation",
    ),
)
