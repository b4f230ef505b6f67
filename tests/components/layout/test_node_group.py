"""Every pool that can be bought: each instance type, each way of buying, each version, with and without EFA."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from support import amazon
from tenbin._layout import karpenter, node_group
from tenbin._layout.tags import Tags
from tenbin_spec import catalogue, images
from tenbin_spec.eks_pools import pool_problems
from tenbin_spec.pools import CapacityType, Pool

TYPES = sorted(name for name in catalogue.instances() if images.image_type(name))
TAGS = Tags(stack="test", owner="ml-platform", part="pool", pool="fast")
ZONE = "eu-west-1a"


def buyable(instance_type: str) -> list[Pool]:
    """Return the pools of an instance type that no rule refuses, in one zone."""
    found = []
    for capacity_type, backend, efa in itertools.product(CapacityType, ("managed", "karpenter"), (False, True)):
        reserved = capacity_type in {CapacityType.RESERVATION, CapacityType.CAPACITY_BLOCK}
        plain: dict[str, Any] = {
            "instance_type": instance_type,
            "capacity_type": str(capacity_type),
            "backend": backend,
            "efa": efa,
            "nodes": {"max": 3},
            "region": "eu-west-1",
            "zones": [ZONE],
            **({"capacity_reservation": "cr-0123456789abcdef0"} if reserved else {}),
        }
        if not pool_problems(amazon.plain_cluster(), "fast", plain):
            found.append(Pool.model_validate(plain))
    return found


def template(pool: Pool) -> dict[str, Any]:
    return node_group.launch_template(
        pool, name="fast", tags=TAGS, security_groups=["sg-cluster"], placement_group=None
    )


@pytest.mark.parametrize("instance_type", TYPES)
def test_every_way_of_buying_is_there_that_aws_sells(instance_type: str) -> None:
    instance = catalogue.instances()[instance_type]
    ways = {(pool.capacity_type, pool.efa) for pool in buyable(instance_type)}
    capacity = set(CapacityType) - (set() if instance.capacity_block else {CapacityType.CAPACITY_BLOCK})
    assert ways == set(itertools.product(capacity, (False, True) if instance.efa_interfaces else (False,)))


@pytest.mark.parametrize("version", sorted(catalogue.addon_versions()))
@pytest.mark.parametrize("instance_type", TYPES)
def test_group_and_template_share_out_what_each_may_name(instance_type: str, version: str) -> None:
    for pool in buyable(instance_type):
        group, launched = node_group.group(pool, name="fast", version=version), template(pool)
        assert group["version"] == version
        assert group["ami_type"] == images.image_type(instance_type)
        # One of the two names the type, and never both.
        named = [group.get("instance_types") == [instance_type], launched.get("instance_type") == instance_type]
        assert sorted(named) == [False, True], pool
        assert ("instance_market_options" in launched) is (pool.capacity_type is CapacityType.CAPACITY_BLOCK)
        assert ("capacity_reservation_specification" in launched) is (pool.capacity_reservation is not None)
        assert ("network_interfaces" in launched) is pool.efa
        assert ("vpc_security_group_ids" in launched) is not pool.efa
        assert not {"subnet_id", "image_id", "iam_instance_profile"} & set(launched)


@pytest.mark.parametrize("instance_type", TYPES)
def test_limits_of_karpenter_are_whole_nodes(instance_type: str) -> None:
    instance = catalogue.instances()[instance_type]
    resource = catalogue.accelerators()[instance.accelerator].resource
    for pool, auto_mode in itertools.product(buyable(instance_type), (False, True)):
        setting = karpenter.Setting(
            name="fast",
            pool=pool,
            stack="test",
            tags=TAGS,
            auto_mode=auto_mode,
            role_name="node",
            subnet_ids=["subnet-a"],
            security_group_ids=["sg-cluster"],
            placement_group=None,
            nodes=3,
        )
        limits = karpenter.node_pool(setting)["spec"]["limits"]
        assert limits == {"cpu": str(3 * instance.vcpu), resource: str(3 * instance.accelerators)}
