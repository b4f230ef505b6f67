"""Component `AcceleratorPool`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec.quantities import money_text

from tenbin import parsing, pool_nodes, resources
from tenbin._layout import pool as layout
from tenbin.shapes import ClusterConfig, PoolConfig

_PLACED = ("cluster_name", "vpc_id", "subnet_ids", "security_group_id", "node_role_arn", "node_role_name")
_OPTIONAL = ("instance_profile_name",)


class AcceleratorPoolArgs(TypedDict):
    """Arguments of `AcceleratorPool`."""

    name: NotRequired[str]
    """Name of the pool; the component's own name when absent."""
    pool: PoolConfig
    """Its nodes."""
    cluster: NotRequired[ClusterConfig]
    """The cluster that it belongs to; somebody else makes the nodes when it is absent or of kind `existing`."""
    hourly_cap_usd: NotRequired[str]
    """Money limit per hour, which Karpenter's limits follow, for example "30.00"."""
    cluster_name: NotRequired[pulumi.Input[str]]
    """Of `eks`, required: name of the cluster."""
    vpc_id: NotRequired[pulumi.Input[str]]
    """Of `eks`, required: the VPC that it lies in."""
    subnet_ids: NotRequired[pulumi.Input[dict[str, str]]]
    """Of `eks`, required: subnets of nodes, by zone."""
    security_group_id: NotRequired[pulumi.Input[str]]
    """Of `eks`, required: security group that control plane and nodes share."""
    node_role_arn: NotRequired[pulumi.Input[str]]
    """Of `eks`, required: role of the nodes."""
    node_role_name: NotRequired[pulumi.Input[str]]
    """Of `eks`, required: name of that role."""
    instance_profile_name: NotRequired[pulumi.Input[str]]
    """Of `eks` with a Karpenter of one's own: instance profile of its nodes; it makes one of the role when absent."""


class AcceleratorPool(pulumi.ComponentResource):
    """Nodes of one instance type and one capacity type, and the contract by which pods get there.

    On a cluster of kind `eks` it makes the nodes: a managed node group, or a NodePool of Karpenter with its node class.
    On an existing cluster the nodes are somebody else's, so that it creates nothing: it registers the labels and taints
    that these nodes must carry, what they offer and what they cost at most, for the people who make the nodes and for
    policies that check the stack.
    """

    labels: pulumi.Output[dict[str, str]]
    """Labels that every node of the pool carries."""
    taints: pulumi.Output[list[dict[str, str]]]
    """Taints that every node of the pool has."""
    accelerators_per_node: pulumi.Output[int]
    """Accelerators of one node."""
    maximum_hourly_usd: pulumi.Output[str]
    """Price per hour with all nodes; `unknown` without a price."""

    def __init__(self, name: str, args: AcceleratorPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.pool_arguments(args, component=f"AcceleratorPool {name}", placed=_PLACED, optional=_OPTIONAL)
        pool_name = parsed.name or name
        bond, facts = layout.contract_of(pool_name), layout.facts_of(parsed.pool)
        price = "unknown" if facts.node_hourly_usd is None else money_text(facts.node_hourly_usd)
        maximum = "unknown" if facts.maximum_hourly_usd is None else money_text(facts.maximum_hourly_usd)
        inputs = {
            "name": pool_name,
            "pool": parsed.pool.model_dump(mode="json", exclude_none=True),
            "accelerator": facts.accelerator,
            "node_hourly_usd": price,
            "maximum_hourly_usd": maximum,
        }
        super().__init__("tenbin:index:AcceleratorPool", name, inputs, opts)
        if parsed.cluster is not None and parsed.cluster.kind == "eks":
            place = pool_nodes.Place(
                cluster_name=args["cluster_name"],
                vpc_id=args["vpc_id"],
                subnet_ids=args["subnet_ids"],
                security_group_id=args["security_group_id"],
                node_role_arn=args["node_role_arn"],
                node_role_name=args["node_role_name"],
                instance_profile_name=args.get("instance_profile_name"),
            )
            children = resources.child_options(self, opts)
            pool_nodes.build(opts=children, name=name, pool_name=pool_name, parsed=parsed, place=place)
        self.labels = pulumi.Output.from_input(bond.labels)
        self.taints = pulumi.Output.from_input(list(bond.taints))
        self.accelerators_per_node = pulumi.Output.from_input(facts.accelerators_per_node)
        self.maximum_hourly_usd = pulumi.Output.from_input(maximum)
        self.register_outputs(
            {
                "labels": self.labels,
                "taints": self.taints,
                "accelerators_per_node": self.accelerators_per_node,
                "maximum_hourly_usd": self.maximum_hourly_usd,
            }
        )
