"""The state of a resource: what was asked for, what AWS assumes, and what AWS adds."""

from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties
from tenbin_local.plugins.aws import changes
from tenbin_local.plugins.aws.kind import Kind, Making, Values


def of(kind: Kind, making: Making, inputs: Values) -> dict[str, Any]:
    """The state of a resource that was made or changed.

    Args:
        kind: its type.
        making: what its outputs follow from.
        inputs: with all tags.
    """
    general: dict[str, Any] = {"region": making.region} if kind.regional else {}
    if kind.name is not None and kind.name.prefix:
        general[kind.name.prefix] = ""
    settled = changes.merged(kind.defaults, inputs)
    return {**general, **settled, **kind.outputs(making), "id": making.identifier}


def foretold(kind: Kind, inputs: Values) -> dict[str, Any]:
    """What a preview knows of the state of a new resource; the engine takes what is left out as unknown."""
    return _hidden(kind, changes.merged(kind.defaults, inputs))


def foretold_update(kind: Kind, old: Values, inputs: Values) -> dict[str, Any]:
    """What a preview knows of the state of a changed resource."""
    known = {**old, **changes.merged(kind.defaults, with_kept(kind, old, inputs))}
    for path in kind.paths("computed"):
        head, _, below = path.partition(".")
        part, before = known.get(head), old.get(head)
        if below and isinstance(part, Mapping) and isinstance(before, Mapping) and below in before:
            known[head] = {below: before[below], **part}
    return {**known, **dict.fromkeys(kind.paths("changing"), properties.UNKNOWN)}


def with_kept(kind: Kind, old: Values, inputs: Values) -> dict[str, Any]:
    """The inputs, with what AWS keeps of a resource's state where the program says nothing."""
    kept = {key: old[key] for key in kind.paths("kept") if key not in inputs and old.get(key) not in (None, "")}
    return {**kept, **inputs}


def _hidden(kind: Kind, state: dict[str, Any]) -> dict[str, Any]:
    """The state with what AWS fills in within inputs unknown."""
    for path in kind.paths("computed"):
        head, _, below = path.partition(".")
        part = state.get(head)
        if below and isinstance(part, Mapping) and below not in part:
            state[head] = {**part, below: properties.UNKNOWN}
    return state


def insufficient_capacity(group: Values, identifier: str, zone: str) -> str:
    """How the official provider tells that a node group gets no instances, with EKS's own words.

    Args:
        group: outputs of the node group.
        identifier: its id.
        zone: where it asked.
    """
    types = group.get("instanceTypes") or ["(of the launch template)"]
    scaling_group = group["resources"][0]["autoscalingGroups"][0]["name"]
    if group["capacityType"] == "SPOT":
        why = (
            "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill capacity due to your request "
            "configuration. Please adjust your request and try again. Launching EC2 instance failed."
        )
    else:
        why = (
            "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient "
            f"{types[0]} capacity in the Availability Zone you requested ({zone}). Our system will be working on "
            "provisioning additional capacity. Launching EC2 instance failed."
        )
    return (
        f"waiting for EKS Node Group ({identifier}) create: unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'. "
        f"last error: {scaling_group}: AsgInstanceLaunchFailures: {why}"
    )
