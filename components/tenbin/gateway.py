"""Component `Gateway`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec import contract
from tenbin_spec.services import Service

from tenbin import parsing, resources
from tenbin._layout import entrance, envoy, network_policy
from tenbin._layout import gateway as layout
from tenbin._layout.envoy_entrance import Entrance
from tenbin._layout.envoy_routes import ServiceRoute
from tenbin._layout.manifests import PENDING_ADDRESS, url
from tenbin.shapes import ClusterConfig, GatewayConfig, ObservabilityConfig, ServiceConfig


class GatewayArgs(TypedDict):
    """Arguments of `Gateway`."""

    gateway: NotRequired[GatewayConfig]
    """How it runs, and who reaches it."""
    cluster: NotRequired[ClusterConfig]
    """The cluster's settings, of kind `eks`: needed where it is reached from outside the cluster."""
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
    """Envoy in front of the engines: routes requests by service and class, and tells the planner how each fared.

    From outside the cluster it is reached by a load balancer, with TLS, by those that say who they are; what is not let
    in never becomes demand.
    """

    url: pulumi.Output[str]
    """Where it takes requests, inside the cluster."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        placed = ("namespace", "picker_address", "planner_address")
        parsed = parsing.arguments(args, parsing.GatewayArguments, component=f"Gateway {name}", placed=placed)
        own = parsed.model_dump(mode="json", exclude={"services", "cluster"}, exclude_none=True)
        super().__init__("tenbin:index:Gateway", name, own, opts)
        namespace, stack, gateway = args["namespace"], pulumi.get_stack(), parsed.gateway
        scrape, asked = parsed.observability.scrape_annotations, entrance.asked(gateway)
        addresses = pulumi.Output.all(picker=args["picker_address"], planner=args["planner_address"])
        arguments = addresses.apply(lambda found: _arguments(parsed.services, asked, found["picker"], found["planner"]))
        child = pulumi.ResourceOptions(parent=self)
        outside: tuple[str, ...] = ()
        if asked is not None and parsed.cluster is not None:
            outside = entrance.callers(gateway, parsed.cluster)
            way_in = entrance.load_balancer(gateway, parsed.cluster, namespace=namespace, stack=stack)
            resources.create(way_in, name=f"{name}-entrance", opts=child)
            if asked.tls:
                files = entrance.secret_files(asked, namespace=namespace, stack=stack)
                resources.create(files, name=f"{name}-entrance", opts=child)
        policy = network_policy.gateway(namespace=namespace, scrape=scrape, outside=outside)
        resources.create(policy, name=name, opts=child)
        front = resources.create(layout.front(namespace=namespace, stack=stack), name=name, opts=child)
        if gateway.replicas > 1:
            budget = layout.disruption_budget(namespace=namespace, stack=stack)
            resources.create(budget, name=name, opts=child)
        resources.create(
            layout.deployment(
                gateway=gateway,
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


def _arguments(
    services: dict[str, Service], asked: Entrance | None, picker: str | None, planner: str | None
) -> list[str]:
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
        entrance=asked,
    )
