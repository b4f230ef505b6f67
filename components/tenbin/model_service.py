"""Component `ModelService`."""

from typing import NotRequired, TypedDict

import pulumi
from tenbin_spec import words
from tenbin_spec.engines import EngineKind

from tenbin import parsing, resources
from tenbin._layout import engine, engine_groups, network_policy
from tenbin.shapes import ObservabilityConfig, PoolConfig, ServiceConfig


class ModelServiceArgs(TypedDict):
    """Arguments of `ModelService`."""

    name: NotRequired[str]
    """Name of the service; the component's own name when absent."""
    service: ServiceConfig
    """The agreement."""
    pools: dict[str, PoolConfig]
    """The pools that the service names."""
    namespace: pulumi.Input[str]
    """Namespace of all of its objects."""
    planned: NotRequired[bool]
    """Whether a planner owns the replica counts (true when absent); else the service runs its minimum."""
    observability: NotRequired[ObservabilityConfig]
    """What its pods tell a monitoring system."""


class ModelService(pulumi.ComponentResource):
    """One model served with one agreement: a workload in each of its pools, and what protects them.

    A workload is a Deployment, or a LeaderWorkerSet where one replica spans nodes (`nodes_per_replica`): the
    cluster then needs its controller (`LeaderWorkerSetController`).
    """

    workloads: pulumi.Output[list[str]]
    """Names of its workloads, cheapest pool first."""
    slo: pulumi.Output[str]
    """Its objectives in words."""

    def __init__(self, name: str, args: ModelServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        component = f"ModelService {name}"
        parsed = parsing.arguments(args, parsing.ServiceArguments, component=component, placed=("namespace",))
        service_name = parsed.name or name
        placements = parsing.service_placements(service_name, parsed, component=component)
        super().__init__("tenbin:index:ModelService", name, parsed.model_dump(mode="json", exclude_none=True), opts)
        setting = engine.Setting(
            service=parsed.service,
            pools=parsed.pools,
            stack=pulumi.get_stack(),
            namespace=args["namespace"],
            planned=parsed.planned,
            scrape=parsed.observability.scrape_annotations,
        )
        # Whoever scales a workload owns its count; a declared one would fight with it at every update.
        children = resources.child_options(self, opts)
        ignored = pulumi.ResourceOptions(ignore_changes=["spec.replicas"] if parsed.planned else [])
        owned = pulumi.ResourceOptions.merge(children, ignored)
        counts = engine.first_replicas(parsed.service, placements, planned=parsed.planned)
        for placement in placements:
            child = f"{name}-{placement.role}-{placement.pool}"
            layout = engine.deployment if placement.nodes == 1 else engine_groups.leader_worker_set
            manifest = layout(setting, placement, replicas=counts[placement.workload])
            resources.create(manifest, name=child, opts=owned)
            budget = engine.disruption_budget(setting, placement)
            resources.create(budget, name=child, opts=children)
        policy = network_policy.engine(
            service=service_name,
            namespace=args["namespace"],
            weights=parsed.service.engine.kind is EngineKind.VLLM,
            scrape=setting.scrape,
            groups=parsed.service.engine.nodes_per_replica > 1,
        )
        resources.create(policy, name=name, opts=children)
        self.workloads = pulumi.Output.from_input([placement.workload for placement in placements])
        self.slo = pulumi.Output.from_input(words.slo_text(parsed.service.slo))
        self.register_outputs({"workloads": self.workloads, "slo": self.slo})
