"""A pool as a managed node group of EKS with its launch template."""

from __future__ import annotations

from collections.abc import Sequence

from tenbin_spec import catalogue, images
from tenbin_spec.pools import CapacityType, LocalStorage, Pool

from tenbin._layout import efa, launch_templates
from tenbin._layout.manifests import Json, Placed, label_value
from tenbin._layout.pool import contract_of
from tenbin._layout.tags import Tags

_CAPACITY_TYPES = {
    CapacityType.ON_DEMAND: "ON_DEMAND",
    CapacityType.SPOT: "SPOT",
    # A reservation is bought as on demand and only targeted: a group knows no type for it.
    CapacityType.RESERVATION: "ON_DEMAND",
    CapacityType.CAPACITY_BLOCK: "CAPACITY_BLOCK",
}
_EFFECTS = {"NoSchedule": "NO_SCHEDULE", "NoExecute": "NO_EXECUTE", "PreferNoSchedule": "PREFER_NO_SCHEDULE"}
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
"""By which the cluster autoscaler waits for a new node's accelerators, and counts how busy they are."""
_FULL = (CapacityType.RESERVATION, CapacityType.CAPACITY_BLOCK)


def launch_template(
    pool: Pool, *, name: str, tags: Tags, security_groups: Sequence[Placed], placement_group: Placed | None
) -> Json:
    """Return the launch template.

    Args:
        pool: the pool.
        name: of its nodes in consoles.
        tags: of the pool.
        security_groups: the cluster's own first, and that of the adapters.
        placement_group: name of the group that the nodes lie in.
    """
    instance = catalogue.instances()[pool.instance_type]
    raid0 = pool.nvme is LocalStorage.RAID0 and instance.nvme_gb > 0
    network = (
        {"network_interfaces": efa.in_launch_template(instance, security_groups)}
        if pool.efa
        else launch_templates.joined(security_groups)
    )
    return {
        **launch_templates.secured(tags=tags, name=name, volume_gb=pool.volume_gb),
        **network,
        **_bought(pool),
        **({} if placement_group is None else {"placement": {"group_name": placement_group}}),
        "user_data": launch_templates.node_config(raid0=raid0),
    }


def group(pool: Pool, *, name: str, version: str) -> Json:
    """Return the node group.

    Args:
        pool: the pool.
        name: its name, which label and taint carry.
        version: of Kubernetes.
    """
    image = images.image_type(pool.instance_type)
    accelerator = catalogue.instances()[pool.instance_type].accelerator
    is_block = pool.capacity_type is CapacityType.CAPACITY_BLOCK
    # The template names the type of a block, and a group that named it too would be refused.
    types = {} if is_block else {"instance_types": [pool.instance_type]}
    return {
        "ami_type": None if image is None else str(image),
        "capacity_type": _CAPACITY_TYPES[pool.capacity_type],
        **types,
        "labels": {**contract_of(name).labels, ACCELERATOR_LABEL: label_value(accelerator.lower())},
        "taints": [{**taint, "effect": _EFFECTS[taint["effect"]]} for taint in contract_of(name).taints],
        "scaling_config": {"min_size": pool.nodes.min, "max_size": pool.nodes.max, "desired_size": pool.nodes.min},
        # Where all that was bought is in use, a new node only starts when an old one is gone.
        "update_config": {
            "max_unavailable": 1,
            "update_strategy": "MINIMAL" if pool.capacity_type in _FULL else "DEFAULT",
        },
        "node_repair_config": {"enabled": True},
        "version": version,
        **({} if pool.ami_release is None else {"release_version": pool.ami_release}),
    }


def _bought(pool: Pool) -> Json:
    if pool.capacity_reservation is None:
        return {}
    target = {"capacity_reservation_target": {"capacity_reservation_id": pool.capacity_reservation}}
    if pool.capacity_type is not CapacityType.CAPACITY_BLOCK:
        return {"capacity_reservation_specification": target}
    return {
        "instance_type": pool.instance_type,
        "instance_market_options": {"market_type": "capacity-block"},
        "capacity_reservation_specification": target,
    }
