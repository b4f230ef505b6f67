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
    efa_plugin_image: NotRequired[str]
    """Image of the device plugin of the Elastic Fabric Adapter, for a registry of one's own."""


class AcceleratorSupport(pulumi.ComponentResource):
    """What pools need in the cluster before accelerators and adapters can be asked for: their device plugins.

    NVIDIA's runs on the nodes of pools with its accelerators, that of the Elastic Fabric Adapter where a pool has
    adapters, and neither anywhere else. Nodes of Auto Mode have both inside; a second beside one would fight it.
    """

    served: pulumi.Output[list[str]]
    """Names of the pools that NVIDIA's runs on."""
    efa: pulumi.Output[list[str]]
    """Names of the pools that the one of the adapters runs on."""

    def __init__(self, name: str, args: AcceleratorSupportArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.SupportArguments, component=f"AcceleratorSupport {name}")
        inputs = {
            "pools": list(parsed.pools),
            "device_plugin_image": parsed.device_plugin_image,
            "efa_plugin_image": parsed.efa_plugin_image,
        }
        super().__init__("tenbin:index:AcceleratorSupport", name, inputs, opts)
        nvidia, efa = device_plugin.nvidia_pools(parsed.pools), device_plugin.efa_pools(parsed.pools)
        for child, plugin, pools, image in (
            (name, device_plugin.NVIDIA, nvidia, parsed.device_plugin_image),
            (f"{name}-efa", device_plugin.EFA, efa, parsed.efa_plugin_image),
        ):
            if pools:
                manifest = device_plugin.daemon_set(plugin, pools=pools, image=image, stack=pulumi.get_stack())
                resources.create(manifest, name=child, opts=pulumi.ResourceOptions(parent=self))
        self.served, self.efa = pulumi.Output.from_input(list(nvidia)), pulumi.Output.from_input(list(efa))
        self.register_outputs({"served": self.served, "efa": self.efa})
