"""Component `Planner`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec import contract
from tenbin_spec.document import parse_document
from tenbin_spec.problems import ConfigurationError

from tenbin import parsing, resources
from tenbin._layout import network_policy
from tenbin._layout import planner as layout
from tenbin._layout.manifests import url
from tenbin.shapes import ObservabilityConfig, PlannerConfig


class PlannerArgs(TypedDict):
    """Arguments of `Planner`."""

    planner: NotRequired[PlannerConfig]
    """How it runs."""
    document: str
    """The wire document: JSON of `tenbin_spec.document`."""
    namespace: pulumi.Input[str]
    """Namespace whose workloads it scales."""
    observability: NotRequired[ObservabilityConfig]
    """What its pod tells a monitoring system."""


class Planner(pulumi.ComponentResource):
    """Holds the objectives at run time with the fewest dollars; reads the agreement from a ConfigMap.

    The provider must have `enable_config_map_mutable`: without it a change of the agreement replaces the ConfigMap, and
    for a moment there is none. Switched off, everything is there but the pod.
    """

    name: pulumi.Output[str]
    """Name of its Deployment, known once its pod runs or, switched off, has been told to stop."""
    address: pulumi.Output[str]
    """IP address of its Service."""
    url: pulumi.Output[str]
    """Where it serves its plan, metrics and health."""

    def __init__(self, name: str, args: PlannerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.PlannerArguments, component=f"Planner {name}", placed=("namespace",))
        try:
            document = parse_document(parsed.document)
        except ConfigurationError as error:
            raise pulumi.RunError(str(error)) from None
        super().__init__("tenbin:index:Planner", name, parsed.model_dump(mode="json", exclude={"document"}), opts)
        namespace, stack = args["namespace"], document.stack
        scrape = parsed.observability.scrape_annotations
        child = pulumi.ResourceOptions(parent=self)
        before = [
            resources.create(manifest, name=name, opts=child)
            for manifest in layout.account(
                targets=[workload.scaled for workload in document.workloads], namespace=namespace, stack=stack
            )
        ]
        text = layout.document(text=parsed.document, namespace=namespace, stack=stack)
        before.append(resources.create(text, name=f"{name}-document", opts=child))
        policy = network_policy.planner(namespace=namespace, scrape=scrape, metrics=document.planner.metrics)
        resources.create(policy, name=name, opts=child)
        front = resources.create(layout.front(namespace=namespace, stack=stack), name=name, opts=child)
        deployment = resources.create(
            layout.deployment(
                image=parsed.planner.image,
                enabled=parsed.planner.enabled,
                namespace=namespace,
                stack=stack,
                scrape=scrape,
            ),
            name=name,
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.name = deployment.metadata.name
        self.address = front.spec.cluster_ip
        self.url = self.address.apply(lambda address: url(address, contract.PORT_PLANNER_HTTP))
        self.register_outputs({"name": self.name, "address": self.address, "url": self.url})
