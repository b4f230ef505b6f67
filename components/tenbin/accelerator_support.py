"""Component `AcceleratorSupport`."""

from typing import NotRequired, TypedDict

import pulumi

from tenbin import parsing, resources
from tenbin._layout import device_plugin
from tenbin.shapes import PoolConfig


class AcceleratorSupportArgs(TypedDict):
    """Arguments of `AcceleratorSupport`."""

    pools: dict[str, PoolConfig]
    """The pools whose nodes are served."""
    device_plugin_image: NotRequired[str]
    """Image of NVIDIA's device plugin, for a registry of one's own."""


class AcceleratorSupport(pulumi.ComponentResource):
    """What pools need in the cluster before their accelerators can be asked for: NVIDIA's device plugin.

    It runs on the nodes of these pools alone. Nodes of Auto Mode have one inside; a second beside it would fight it.
    """

    served: pulumi.Output[list[str]]
    """Names of the pools that it runs on."""

    def __init__(self, name: str, args: AcceleratorSupportArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.SupportArguments, component=f"AcceleratorSupport {name}")
        pools = device_plugin.pools_served(parsed.pools)
        inputs = {"pools": list(parsed.pools), "device_plugin_image": parsed.device_plugin_image}
        super().__init__("tenbin:index:AcceleratorSupport", name, inputs, opts)
        if pools:
            manifest = device_plugin.daemon_set(
                pools=pools, image=parsed.device_plugin_image or device_plugin.IMAGE, stack=pulumi.get_stack()
            )
            resources.create(manifest, name=name, opts=pulumi.ResourceOptions(parent=self))
        self.served = pulumi.Output.from_input(list(pools))
        self.register_outputs({"served": self.served})
