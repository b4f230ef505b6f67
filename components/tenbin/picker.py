"""Component `Picker`."""

from typing import NotRequired, TypedDict

import pulumi

from tenbin import parsing, resources
from tenbin._layout import network_policy
from tenbin._layout import picker as layout
from tenbin.shapes import ObservabilityConfig


class PickerArgs(TypedDict):
    """Arguments of `Picker`."""

    image: str
    """Container image."""
    namespace: pulumi.Input[str]
    """Namespace whose engines it serves."""
    observability: NotRequired[ObservabilityConfig]
    """What its pod tells a monitoring system."""


class Picker(pulumi.ComponentResource):
    """Tells the gateway the addresses of the engines (Envoy's EDS), from the pods of its namespace."""

    address: pulumi.Output[str]
    """IP address of its Service."""

    def __init__(self, name: str, args: PickerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.PickerArguments, component=f"Picker {name}", placed=("namespace",))
        super().__init__("tenbin:index:Picker", name, parsed.model_dump(mode="json"), opts)
        namespace, stack = args["namespace"], pulumi.get_stack()
        scrape = parsed.observability.scrape_annotations
        child = pulumi.ResourceOptions(parent=self)
        rights = [
            resources.create(manifest, name=name, opts=child)
            for manifest in layout.account(namespace=namespace, stack=stack)
        ]
        resources.create(network_policy.picker(namespace=namespace, scrape=scrape), name=name, opts=child)
        front = resources.create(layout.front(namespace=namespace, stack=stack), name=name, opts=child)
        resources.create(
            layout.deployment(image=parsed.image, namespace=namespace, stack=stack, scrape=scrape),
            name=name,
            opts=pulumi.ResourceOptions(parent=self, depends_on=rights),
        )
        self.address = front.spec.cluster_ip
        self.register_outputs({"address": self.address})
