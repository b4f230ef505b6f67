"""Component `AcceleratorPool`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec.quantities import money_text

from tenbin import parsing
from tenbin._layout import pool as layout
from tenbin.shapes import PoolConfig


class AcceleratorPoolArgs(TypedDict):
    """Arguments of `AcceleratorPool`."""

    name: NotRequired[str]
    """Name of the pool; the component's own name when absent."""
    pool: PoolConfig
    """Its nodes."""


class AcceleratorPool(pulumi.ComponentResource):
    """Nodes of one instance type and one capacity type, and the contract by which pods get there.

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
        parsed = parsing.arguments(args, parsing.PoolArguments, component=f"AcceleratorPool {name}")
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
