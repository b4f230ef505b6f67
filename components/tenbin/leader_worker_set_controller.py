"""Component `LeaderWorkerSetController`."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from tenbin import parsing, resources
from tenbin._layout import charts
from tenbin._layout import leader_worker_sets as layout


class LeaderWorkerSetControllerArgs(TypedDict):
    """Arguments of `LeaderWorkerSetController`."""

    registry: NotRequired[str]
    """Registry of its chart and its image, for one's own copy of them: `registry.k8s.io/lws` when absent."""


class LeaderWorkerSetController(pulumi.ComponentResource):
    """What makes groups of pods out of replicas that span nodes: the controller of LeaderWorkerSets.

    A cluster has one. Where it is there already, this component is not needed.
    """

    version: pulumi.Output[str]
    """Version of its chart."""

    def __init__(
        self, name: str, args: LeaderWorkerSetControllerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        parsed = parsing.arguments(args, parsing.GroupArguments, component=f"LeaderWorkerSetController {name}")
        super().__init__("tenbin:index:LeaderWorkerSetController", name, parsed.model_dump(mode="json"), opts)
        registry = parsed.registry or layout.REGISTRY
        release = charts.release(
            layout.chart(registry),
            name=layout.NAME,
            namespace=layout.NAMESPACE,
            values=layout.values(registry),
            new_namespace=True,
        )
        kubernetes.helm.v3.Release(name, **release, opts=resources.child_options(self, opts))
        self.version = pulumi.Output.from_input(layout.VERSION)
        self.register_outputs({"version": self.version})
