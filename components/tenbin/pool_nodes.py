"""The nodes of a pool on AWS: a managed node group, or what Karpenter needs to make them."""

from __future__ import annotations

import dataclasses

import pulumi
import pulumi_aws as aws
from tenbin_spec.pools import Backend, PlacementStrategy

from tenbin import resources
from tenbin._layout import efa, karpenter, node_group
from tenbin._layout.tags import Tags
from tenbin.parsing import PoolArguments


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where nodes are made: ids of what the cluster and its network are made of."""

    cluster_name: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[dict[str, str]]
    """By zone."""
    security_group_id: pulumi.Input[str]
    """That control plane and nodes share."""
    node_role_arn: pulumi.Input[str]
    node_role_name: pulumi.Input[str]
    instance_profile_name: pulumi.Input[str] | None
    """Of nodes that a Karpenter of one's own makes."""


def build(*, opts: pulumi.ResourceOptions, name: str, pool_name: str, parsed: PoolArguments, place: Place) -> None:
    """Build a pool's nodes, all of it children of the pool.

    Args:
        opts: of its children.
        name: first part of the names of resources.
        pool_name: of the pool, which label and taint carry.
        parsed: its arguments; the cluster is of kind `eks`.
        place: where it lies.
    """
    cluster, pool = parsed.cluster, parsed.pool
    if cluster is None or cluster.kind != "eks":
        return
    tags = Tags(stack=pulumi.get_stack(), owner=cluster.owner, part="pool", pool=pool_name)
    groups = [place.security_group_id, *([_adapters(name, place, tags, opts)] if pool.efa else [])]
    subnets = _in_zones(place.subnet_ids, pool.zones or cluster.network.zones)
    placement_group = _placement_group(name, parsed, tags, opts)
    if pool.backend is Backend.MANAGED:
        template = aws.ec2.LaunchTemplate(
            name,
            **node_group.launch_template(
                pool, name=name, tags=tags, security_groups=groups, placement_group=placement_group
            ),
            opts=opts,
        )
        aws.eks.NodeGroup(
            name,
            **node_group.group(pool, name=pool_name, version=cluster.version),
            cluster_name=place.cluster_name,
            node_role_arn=place.node_role_arn,
            subnet_ids=subnets,
            launch_template={"id": template.id, "version": template.latest_version.apply(str)},
            tags=tags.of(),
            # How many run is decided while they do, between minimum and maximum.
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(ignore_changes=["scalingConfig.desiredSize"])
            ),
        )
        return
    setting = karpenter.Setting(
        name=pool_name,
        pool=pool,
        stack=pulumi.get_stack(),
        tags=tags,
        auto_mode=cluster.auto_mode,
        role_name=place.node_role_name,
        instance_profile=place.instance_profile_name,
        subnet_ids=subnets,
        security_group_ids=groups,
        placement_group=placement_group,
        nodes=karpenter.affordable_nodes(pool, parsed.hourly_cap_usd),
    )
    made = resources.create(karpenter.node_class(setting), name=f"{name}-class", opts=opts)
    later = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[made]))
    resources.create(karpenter.node_pool(setting), name=name, opts=later)


def _adapters(name: str, place: Place, tags: Tags, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Build the security group of the adapters, whose members reach each other alone."""
    child = f"{name}-efa"
    group = aws.ec2.SecurityGroup(
        child,
        vpc_id=place.vpc_id,
        description="Elastic Fabric Adapters of one pool",
        revoke_rules_on_delete=True,
        tags=tags.of(child),
        opts=opts,
    )
    rule = efa.rule(group.id)
    aws.vpc.SecurityGroupIngressRule(child, **rule, tags=tags.of(child), opts=opts)
    aws.vpc.SecurityGroupEgressRule(child, **rule, tags=tags.of(child), opts=opts)
    found: pulumi.Output[str] = group.id
    return found


def _placement_group(
    name: str, parsed: PoolArguments, tags: Tags, opts: pulumi.ResourceOptions
) -> pulumi.Input[str] | None:
    if parsed.pool.placement is not PlacementStrategy.CLUSTER:
        return parsed.pool.placement_group
    made: pulumi.Output[str] = aws.ec2.PlacementGroup(name, strategy="cluster", tags=tags.of(name), opts=opts).name
    return made


def _in_zones(subnet_ids: pulumi.Input[dict[str, str]], zones: tuple[str, ...]) -> list[pulumi.Output[str]]:
    known = pulumi.Output.from_input(subnet_ids)
    return [known.apply(lambda found, zone=zone: found[zone]) for zone in sorted(zones)]  # type: ignore[misc]
