"""Component `Platform`: everything that an agreement needs, composed."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NotRequired, TypedDict, cast

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from tenbin_spec import cost, document, registered, registries, words
from tenbin_spec.checks import Finding, findings
from tenbin_spec.clusters import EksCluster
from tenbin_spec.cost import Estimate, HourlyRange
from tenbin_spec.cost import words as cost_words
from tenbin_spec.pools import Backend
from tenbin_spec.quantities import money_text
from tenbin_spec.stack import Stack

from tenbin import parsing, resources
from tenbin._layout import (
    cluster_autoscaler,
    device_plugin,
    eks,
    karpenter_controller,
    leader_worker_sets,
    network_policy,
)
from tenbin._layout import namespace as namespace_layout
from tenbin.accelerator_pool import AcceleratorPool, AcceleratorPoolArgs
from tenbin.accelerator_support import AcceleratorSupport
from tenbin.cluster import Cluster
from tenbin.cluster_autoscaler import ClusterAutoscaler
from tenbin.cost_guard import CostGuard
from tenbin.gateway import Gateway, GatewayArgs
from tenbin.karpenter import Karpenter
from tenbin.leader_worker_set_controller import LeaderWorkerSetController
from tenbin.model_service import ModelService
from tenbin.network import Network, NetworkArgs
from tenbin.observability import Observability
from tenbin.picker import Picker
from tenbin.planner import Planner
from tenbin.shapes import (
    ClusterConfig,
    CostCapConfig,
    GatewayConfig,
    GuardConfig,
    ImagesConfig,
    ObservabilityConfig,
    PlannerConfig,
    PoolConfig,
    PricesConfig,
    ReviewConfig,
    ServiceConfig,
)


class PlatformArgs(TypedDict):
    """Arguments of `Platform`: the configuration of a stack."""

    cluster: ClusterConfig
    """Where everything runs."""
    pools: dict[str, PoolConfig]
    """Accelerators, by name."""
    services: dict[str, ServiceConfig]
    """Agreements, by name."""
    cost: CostCapConfig
    """What all services together may cost."""
    guard: NotRequired[GuardConfig]
    """Who hears when the bill on AWS leaves the cap."""
    prices: NotRequired[PricesConfig]
    """Where prices come from that are newer than the catalogue's."""
    gateway: NotRequired[GatewayConfig]
    """The way in."""
    planner: NotRequired[PlannerConfig]
    """Who scales."""
    observability: NotRequired[ObservabilityConfig]
    """What the stack tells a monitoring system."""
    review: NotRequired[ReviewConfig]
    """What a change may cost before somebody must agree."""
    images: NotRequired[ImagesConfig]
    """Where nodes pull images from."""


class Platform(pulumi.ComponentResource):
    """Model services with their pools, gateway, picker and planner, from one agreement.

    A configuration that cannot be built ends the program with all of its problems. Findings, where it can be built but
    breaks the agreement, are warnings here and never stop a program: a policy pack refuses them, from the parsed
    agreement and the cost estimate that are registered as this component's inputs.
    """

    namespace: pulumi.Output[str]
    """Namespace that everything lives in."""
    gateway_url: pulumi.Output[str]
    """Where requests go, inside the cluster."""
    planner_url: pulumi.Output[str]
    """Where the planner serves its plan, inside the cluster."""
    hourly_usd: pulumi.Output[dict[str, str]]
    """`minimum` and `maximum` price per hour under the cap, as text; `unknown` where a price is."""
    cost: pulumi.Output[dict[str, Any]]
    """Estimate of the bill: USD per hour and month at minimum, expected and maximum, by service, pool and line, USD per
    million tokens, what is committed, and what is `unknown`."""
    slo: pulumi.Output[dict[str, str]]
    """Objectives in words, by service."""
    findings: pulumi.Output[list[dict[str, str]]]
    """Where the configuration breaks the agreement: `id`, `path`, `message` and `repair` of each finding."""

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        args = cast("PlatformArgs", parsing.priced(args))
        args = cast("PlatformArgs", parsing.pulled(args, parsing.stack(args)))
        stack = parsing.stack(args)
        found = findings(stack)
        capped = cost.stack_range(stack).capped(stack.cost.hourly_usd)
        estimate = cost.of(stack)
        super().__init__("tenbin:index:Platform", name, _inputs(stack, found, estimate), opts)
        pulumi.log.info(cost_words.sentence(estimate), resource=self)
        for finding in found:
            pulumi.log.warn(str(finding), resource=self)
        parts = _Parts(self, name, args, stack)
        parts.guard()
        parts.pools()
        text = document.document_of(stack, pulumi.get_stack(), tuple(map(str, found))).to_json()
        planner = parts.planner(text)
        gateway = parts.gateway(planner)
        parts.services(planner)
        parts.monitoring(text)
        self.namespace = parts.namespace
        self.gateway_url, self.planner_url = gateway.url, planner.url
        self.hourly_usd = pulumi.Output.from_input(_texts(capped))
        self.cost = pulumi.Output.from_input(estimate.plain())
        self.slo = pulumi.Output.from_input({key: words.slo_text(item.slo) for key, item in stack.services.items()})
        self.findings = pulumi.Output.from_input(_plain(found))
        self.register_outputs(
            {
                "namespace": self.namespace,
                "gateway_url": self.gateway_url,
                "planner_url": self.planner_url,
                "hourly_usd": self.hourly_usd,
                "cost": self.cost,
                "slo": self.slo,
                "findings": self.findings,
            }
        )


class _Ground:
    """What a platform stands on: a cluster that exists, or one that it builds with its network."""

    def __init__(self, parent: Platform, name: str, args: PlatformArgs, stack: Stack) -> None:
        self._parent, self._name, self._args = parent, name, args
        self.providers: list[pulumi.ProviderResource] = []
        self.pools: dict[str, Any] = {}
        """What pools need to know to make their nodes."""
        self._built: list[pulumi.Resource] = []
        if stack.cluster.kind == "existing":
            self.kubernetes = self._provider([], context=stack.cluster.context)
        else:
            self.kubernetes = self._build(stack.cluster, stack)
        self.providers.append(self.kubernetes)

    def after(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        """Return options of what waits for a cluster that is built: nodes need its network plugin to become ready."""
        return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=self._built))

    def _build(self, cluster: EksCluster, stack: Stack) -> kubernetes.Provider:
        alone = pulumi.ResourceOptions(parent=self._parent)
        amazon = aws.Provider(self._name, region=cluster.region, opts=alone)
        self.providers.append(amazon)
        opts = pulumi.ResourceOptions(parent=self._parent, providers=[amazon])
        plain = self._args["cluster"]
        network_args: dict[str, Any] = {"network": plain["network"], "owner": cluster.owner}
        if cluster.name is not None:
            network_args["cluster_name"] = cluster.name
        network = Network(f"{self._name}-network", cast("NetworkArgs", network_args), opts)
        # Nodes find their ways out when they start, and keep them until the last one is gone.
        later = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[network]))
        made = Cluster(
            f"{self._name}-cluster",
            {
                "cluster": plain,
                "control_subnet_ids": network.intra_subnet_ids,
                "node_subnet_ids": network.private_subnet_ids,
            },
            later,
        )
        self._built.append(made)
        self.pools = {
            "cluster": plain,
            "hourly_cap_usd": money_text(stack.cost.hourly_usd),
            "cluster_name": made.name,
            "vpc_id": network.vpc_id,
            "subnet_ids": network.private_subnet_ids,
            "security_group_id": made.security_group_id,
            "node_role_arn": made.node_role_arn,
            "node_role_name": made.node_role_name,
        }
        # Whoever talks to the cluster must have been let in, and find nodes to run on.
        provider = self._provider([made], kubeconfig=made.kubeconfig)
        if cluster.auto_mode:
            switch = pulumi.ResourceOptions(parent=self._parent, provider=provider)
            resources.create(eks.network_policy_switch(), name=f"{self._name}-network-policies", opts=switch)
        return provider

    def _provider(self, after: Sequence[pulumi.Resource], **reached: Any) -> kubernetes.Provider:
        # The planner's document must change in place: without this a change would replace the ConfigMap.
        return kubernetes.Provider(
            self._name,
            **reached,
            enable_config_map_mutable=True,
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=list(after)),
        )


class _Parts:
    """Builds the parts of a platform, all of them children of it."""

    def __init__(self, parent: Platform, name: str, args: PlatformArgs, stack: Stack) -> None:
        self._name, self._args, self._stack = name, args, stack
        self._ground = _Ground(parent, name, args, stack)
        self._opts = pulumi.ResourceOptions(parent=parent, providers=self._ground.providers)
        alone = pulumi.ResourceOptions(parent=parent, provider=self._ground.kubernetes)
        manifest = namespace_layout.manifest(name=stack.cluster.namespace, stack=pulumi.get_stack())
        self.namespace: pulumi.Output[str] = resources.create(manifest, name=name, opts=alone).metadata.name
        resources.create(network_policy.deny_all(namespace=self.namespace), name=name, opts=alone)
        self._observability = args.get("observability", {})

    def guard(self) -> None:
        """Build the alarms on the bill, where somebody is to hear them."""
        cluster = self._stack.cluster
        if cluster.kind == "eks" and self._stack.guard.is_set:
            CostGuard(
                f"{self._name}-cost",
                {"cost": self._args["cost"], "guard": self._args["guard"], "owner": cluster.owner},
                self._opts,
            )

    def pools(self) -> None:
        """Build the pools, and what gives their accelerators to pods where the stack makes the nodes."""
        after = self._ground.after(self._opts)
        karpenter, after_karpenter = self._karpenter(after)
        for key, pool in self._args["pools"].items():
            is_its = self._stack.pools[key].backend is Backend.KARPENTER
            given = cast(
                "AcceleratorPoolArgs",
                {"name": key, "pool": pool, **self._ground.pools, **(karpenter if is_its else {})},
            )
            AcceleratorPool(f"{self._name}-{key}", given, after_karpenter if is_its else after)
        if self._stack.cluster.kind == "eks" and not self._stack.cluster.auto_mode:
            AcceleratorSupport(
                f"{self._name}-accelerators",
                {
                    "pools": self._args["pools"],
                    "device_plugin_image": self._pulled(device_plugin.NVIDIA.image),
                    "efa_plugin_image": self._pulled(device_plugin.EFA.image),
                },
                after,
            )
            ClusterAutoscaler(
                f"{self._name}-autoscaler",
                {
                    "cluster": self._args["cluster"],
                    "cluster_name": self._ground.pools["cluster_name"],
                    "image": self._pulled(cluster_autoscaler.image(self._stack.cluster.version)),
                },
                after,
            )

    def _pulled(self, image: str) -> str:
        """Return the name of an image that the configuration does not name, where nodes pull it from."""
        return registries.mirrored(image, self._stack.images.mirrors)

    def _karpenter(self, after: pulumi.ResourceOptions) -> tuple[dict[str, Any], pulumi.ResourceOptions]:
        """Build Karpenter where the stack runs its own; return what its pools know of it, and what they wait for."""
        if self._stack.cluster.kind != "eks" or not self._stack.cluster.karpenter:
            return {}, after
        made = Karpenter(
            f"{self._name}-karpenter",
            {
                "cluster": self._args["cluster"],
                "cluster_name": self._ground.pools["cluster_name"],
                "registry": self._pulled(karpenter_controller.REGISTRY),
            },
            after,
        )
        later = pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(depends_on=[made]))
        return {"instance_profile_name": made.instance_profile_name}, later

    def planner(self, text: str) -> Planner:
        """Build the planner with its wire document."""
        return Planner(
            f"{self._name}-planner",
            {
                "planner": self._args.get("planner", {}),
                "document": text,
                "namespace": self.namespace,
                "observability": self._observability,
            },
            self._opts,
        )

    def gateway(self, planner: Planner) -> Gateway:
        """Build the picker and the gateway."""
        picker = Picker(
            f"{self._name}-picker",
            {
                "image": self._stack.gateway.picker_image,
                "namespace": self.namespace,
                "observability": self._observability,
            },
            self._opts,
        )
        gateway: GatewayArgs = {
            "gateway": self._args.get("gateway", {}),
            "services": self._args["services"],
            "namespace": self.namespace,
            "picker_address": picker.address,
            "planner_address": planner.address,
            "observability": self._observability,
        }
        if self._stack.cluster.kind == "eks":
            gateway["cluster"] = self._args["cluster"]
        return Gateway(f"{self._name}-gateway", gateway, self._opts)

    def services(self, planner: Planner) -> None:
        """Build the services."""
        planned, namespace = self._stack.planner.enabled, self.namespace
        if not planned:
            # A planner that still runs would undo the counts that the services are about to declare.
            namespace = pulumi.Output.all(namespace, planner.name).apply(lambda both: str(both[0]))
        groups = self._groups()
        for key, service in self._args["services"].items():
            spans_nodes = self._stack.services[key].engine.nodes_per_replica > 1
            ModelService(
                f"{self._name}-{key}",
                {
                    "name": key,
                    "service": service,
                    "pools": {pool: self._args["pools"][pool] for pool in service["pools"]},
                    "namespace": namespace,
                    "planned": planned,
                    "observability": self._observability,
                },
                groups if spans_nodes else self._opts,
            )

    def _groups(self) -> pulumi.ResourceOptions:
        """Build what makes groups of pods where a replica spans nodes; return what such a service waits for."""
        spanning = [item for item in self._stack.services.values() if item.engine.nodes_per_replica > 1]
        if self._stack.cluster.kind != "eks" or not spanning:
            return self._opts
        made = LeaderWorkerSetController(
            f"{self._name}-groups",
            {"registry": self._pulled(leader_worker_sets.REGISTRY)},
            self._ground.after(self._opts),
        )
        return pulumi.ResourceOptions.merge(self._opts, pulumi.ResourceOptions(depends_on=[made]))

    def monitoring(self, text: str) -> None:
        """Build alerts and a dashboard, where they are wanted."""
        kind = self._stack.observability.monitoring
        if kind != "off":
            Observability(
                f"{self._name}-observability",
                {"document": text, "namespace": self.namespace, "scrape": kind},
                self._opts,
            )


def _inputs(stack: Stack, found: Sequence[Finding], estimate: Estimate) -> dict[str, Any]:
    """Return what rules over the whole stack need: a policy pack sees resources and their inputs, no configuration."""
    return {
        "version": registered.VERSION,
        "agreement": stack.model_dump(mode="json", exclude_none=True),
        "cost": {
            "cap_usd": stack.cost.model_dump(mode="json", exclude_none=True),
            "hourly_usd": _texts(cost.stack_range(stack)),
            "services_hourly_usd": {key: _texts(cost.service_range(stack, key)) for key in stack.services},
            "estimate": estimate.plain(),
        },
        "findings": _plain(found),
    }


def _plain(found: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"id": str(item.id), "path": item.path, "message": item.message, "repair": item.repair} for item in found]


def _texts(prices: HourlyRange) -> dict[str, str]:
    return {"minimum": _text(prices.minimum), "maximum": _text(prices.maximum)}


def _text(amount: Decimal | None) -> str:
    return "unknown" if amount is None else money_text(amount)
