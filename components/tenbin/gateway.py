"""Component `Gateway`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec import contract
from tenbin_spec.services import Service

from tenbin import parsing, resources
from tenbin._layout import envoy, network_policy
from tenbin._layout import gateway as layout
from tenbin._layout.envoy_routes import ServiceRoute
from tenbin._layout.manifests import PENDING_ADDRESS, url
from tenbin.shapes import GatewayConfig, ObservabilityConfig, ServiceConfig


class GatewayArgs(TypedDict):
    """Arguments of `Gateway`."""

    gateway: NotRequired[GatewayConfig]
    """How it runs."""
    services: dict[str, ServiceConfig]
    """What may be asked for, by name."""
    namespace: pulumi.Input[str]
    """Namespace of all of its objects."""
    picker_address: pulumi.Input[str]
    """IP address that it asks for the engines' addresses."""
    planner_address: pulumi.Input[str]
    """IP address that it tells of each request."""
    observability: NotRequired[ObservabilityConfig]
    """What its pods tell a monitoring system."""


class Gateway(pulumi.ComponentResource):
    """Envoy in front of the engines: routes requests by service and class, and tells the planner how each fared."""

    url: pulumi.Output[str]
    """Where it takes requests, inside the cluster."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        placed = ("namespace", "picker_address", "planner_address")
        parsed = parsing.arguments(args, parsing.GatewayArguments, component=f"Gateway {name}", placed=placed)
        super().__init__("tenbin:index:Gateway", name, parsed.model_dump(mode="json", exclude={"services"}), opts)
        namespace, stack = args["namespace"], pulumi.get_stack()
        scrape = parsed.observability.scrape_annotations
        addresses = pulumi.Output.all(picker=args["picker_address"], planner=args["planner_address"])
        arguments = addresses.apply(lambda found: _arguments(parsed.services, found["picker"], found["planner"]))
        child = pulumi.ResourceOptions(parent=self)
        resources.create(network_policy.gateway(namespace=namespace, scrape=scrape), name=name, opts=child)
        front = resources.create(layout.front(namespace=namespace, stack=stack), name=name, opts=child)
        if parsed.gateway.replicas > 1:
            budget = layout.disruption_budget(namespace=namespace, stack=stack)
            resources.create(budget, name=name, opts=child)
        resources.create(
            layout.deployment(
                image=parsed.gateway.image,
                replicas=parsed.gateway.replicas,
                arguments=arguments,
                drain_s=max((service.engine.drain_s for service in parsed.services.values()), default=0),
                namespace=namespace,
                stack=stack,
                scrape=scrape,
            ),
            name=name,
            opts=child,
        )
        self.url = front.spec.cluster_ip.apply(lambda address: url(address, contract.PORT_GATEWAY))
        self.register_outputs({"url": self.url})


def _arguments(services: dict[str, Service], picker: str | None, planner: str | None) -> list[str]:
    routes = [
        ServiceRoute(
            name=name,
            model_id=service.model.id,
            choosable_classes=service.slo.choosable,
            default_class=service.slo.fallback_class,
        )
        for name, service in services.items()
    ]
    return envoy.arguments(
        services=routes,
        picker=envoy.Address(host=picker or PENDING_ADDRESS, port=contract.PORT_PICKER_XDS),
        planner=envoy.Address(host=planner or PENDING_ADDRESS, port=contract.PORT_PLANNER_ACCESS_LOG),
        limits=envoy.Limits(memory_bytes=layout.HEAP_BYTES),
    )
