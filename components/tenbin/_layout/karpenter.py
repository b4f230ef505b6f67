"""A pool as a NodePool of Karpenter with its node class, on a Karpenter of one's own or the one inside Auto Mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

from tenbin_spec import catalogue, contract
from tenbin_spec.pools import CapacityType, LocalStorage, Pool

from tenbin._layout import efa, launch_templates
from tenbin._layout.manifests import Json, Placed, label_value
from tenbin._layout.pool import contract_of
from tenbin._layout.tags import Tags

_CAPACITY_TYPES = {
    CapacityType.ON_DEMAND: "on-demand",
    CapacityType.SPOT: "spot",
    CapacityType.RESERVATION: "reserved",
    CapacityType.CAPACITY_BLOCK: "reserved",
}
_EMPTY_FOR = "15m"
"""An empty node is kept so long: a replica that comes back within it saves the minutes of a new one."""
_LIFE = "720h"
_LIFE_IN_AUTO_MODE = "480h"
"""Auto Mode ends a node after 21 days whatever is written here: a day before is a drain at a time of one's own."""
_DRAIN = "1h"
"""Longest that a node waits for its pods; longer than any engine's own drain."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a pool's nodes are made; its ids may be promises of other resources."""

    name: str
    """Of the pool."""
    pool: Pool
    stack: str
    tags: Tags
    auto_mode: bool
    role_name: Placed
    instance_profile: Placed | None = None
    """Name of the profile that nodes have, with that role; None: Karpenter makes one from the role."""
    subnet_ids: Sequence[Placed]
    security_group_ids: Sequence[Placed]
    placement_group: Placed | None
    nodes: int
    """Nodes at most, by the pool and by the cost cap."""


def affordable_nodes(pool: Pool, hourly_cap_usd: Decimal | None) -> int:
    """Return how many nodes a pool may have at most within an hourly cap; its own maximum where a price is unknown."""
    price = catalogue.node_price(pool)
    if hourly_cap_usd is None or not price:
        return pool.nodes.max
    return min(pool.nodes.max, int(hourly_cap_usd // price))


def node_class(setting: Setting) -> Json:
    """Return the node class: how a node is launched."""
    return _auto_node_class(setting) if setting.auto_mode else _ec2_node_class(setting)


def node_pool(setting: Setting) -> Json:
    """Return the NodePool: which nodes, how many, and when they go."""
    bond, pool = contract_of(setting.name), setting.pool
    requirements = {
        "node.kubernetes.io/instance-type": [pool.instance_type],
        "karpenter.sh/capacity-type": [_CAPACITY_TYPES[pool.capacity_type]],
        **({"topology.kubernetes.io/zone": list(pool.zones)} if pool.zones else {}),
    }
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": _metadata(setting),
        "spec": {
            "template": {
                "metadata": {"labels": bond.labels},
                "spec": {
                    "nodeClassRef": _reference(setting),
                    "taints": list(bond.taints),
                    "requirements": [
                        {"key": key, "operator": "In", "values": values} for key, values in requirements.items()
                    ],
                    "expireAfter": _LIFE_IN_AUTO_MODE if setting.auto_mode else _LIFE,
                    "terminationGracePeriod": _DRAIN,
                },
            },
            "disruption": _disruption(pool),
            "limits": _limits(setting),
        },
    }


def _disruption(pool: Pool) -> Json:
    # Karpenter does not see how busy an accelerator is: moving pods together would end warm engines.
    is_block = pool.capacity_type is CapacityType.CAPACITY_BLOCK
    return {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "Never" if is_block else _EMPTY_FOR,
        "budgets": [{"nodes": "1"}],
    }


def _limits(setting: Setting) -> Json:
    instance = catalogue.instances()[setting.pool.instance_type]
    resource = catalogue.accelerators()[instance.accelerator].resource
    return {"cpu": str(setting.nodes * instance.vcpu), resource: str(setting.nodes * instance.accelerators)}


def _reference(setting: Setting) -> Json:
    group, kind = ("eks.amazonaws.com", "NodeClass") if setting.auto_mode else ("karpenter.k8s.aws", "EC2NodeClass")
    return {"group": group, "kind": kind, "name": setting.name}


def _metadata(setting: Setting) -> Json:
    own = {contract.LABEL_MANAGED_BY: contract.MANAGED_BY, contract.LABEL_STACK: label_value(setting.stack)}
    return {"name": setting.name, "labels": {**own, contract.LABEL_POOL: setting.name}}


def _shared(setting: Setting) -> Json:
    reservation = setting.pool.capacity_reservation
    return {
        "subnetSelectorTerms": [{"id": subnet} for subnet in setting.subnet_ids],
        "securityGroupSelectorTerms": [{"id": group} for group in setting.security_group_ids],
        **({} if reservation is None else {"capacityReservationSelectorTerms": [{"id": reservation}]}),
        **({} if setting.placement_group is None else {"placementGroupSelector": {"name": setting.placement_group}}),
        # Karpenter names instances itself.
        "tags": setting.tags.of(),
    }


def _ec2_node_class(setting: Setting) -> Json:
    pool, instance = setting.pool, catalogue.instances()[setting.pool.instance_type]
    raid0 = pool.nvme is LocalStorage.RAID0 and instance.nvme_gb > 0
    config = {
        "apiVersion": "node.eks.aws/v1alpha1",
        "kind": "NodeConfig",
        "spec": {"featureGates": {"FastImagePull": True}},
    }
    profile = setting.instance_profile
    volume = {"volumeSize": f"{pool.volume_gb}Gi", "volumeType": "gp3", "encrypted": True, "deleteOnTermination": True}
    return {
        "apiVersion": "karpenter.k8s.aws/v1",
        "kind": "EC2NodeClass",
        "metadata": _metadata(setting),
        "spec": {
            "amiSelectorTerms": [{"alias": f"al2023@{pool.ami_release or 'latest'}"}],
            **({"role": setting.role_name} if profile is None else {"instanceProfile": profile}),
            **_shared(setting),
            "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
            "blockDeviceMappings": [{"deviceName": launch_templates.ROOT_DEVICE, "ebs": volume}],
            **({"instanceStorePolicy": "RAID0"} if raid0 else {}),
            **({"networkInterfaces": efa.in_node_class(instance)} if pool.efa else {}),
            "userData": launch_templates.mime(config),
        },
    }


def _auto_node_class(setting: Setting) -> Json:
    pool, instance = setting.pool, catalogue.instances()[setting.pool.instance_type]
    interfaces = efa.in_node_class(instance)
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "NodeClass",
        "metadata": _metadata(setting),
        "spec": {
            "role": setting.role_name,
            **_shared(setting),
            "ephemeralStorage": {"size": f"{pool.volume_gb}Gi"},
            **({"advancedNetworking": {"networkInterfaces": interfaces}} if pool.efa else {}),
        },
    }
