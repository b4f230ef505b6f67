"""Pulumi components that build LLM services from an SLO and a cost cap.

    import tenbin

    platform = tenbin.Platform("platform", tenbin.stack_configuration())
    pulumi.export("gateway", platform.gateway_url)

`Platform` composes the rest, each of which also stands alone on a cluster that has its neighbours.
"""

from tenbin.accelerator_pool import AcceleratorPool, AcceleratorPoolArgs
from tenbin.accelerator_support import AcceleratorSupport, AcceleratorSupportArgs
from tenbin.cluster import Cluster, ClusterArgs
from tenbin.cluster_autoscaler import ClusterAutoscaler, ClusterAutoscalerArgs
from tenbin.cost_guard import CostGuard, CostGuardArgs
from tenbin.gateway import Gateway, GatewayArgs
from tenbin.karpenter import Karpenter, KarpenterArgs
from tenbin.leader_worker_set_controller import LeaderWorkerSetController, LeaderWorkerSetControllerArgs
from tenbin.model_service import ModelService, ModelServiceArgs
from tenbin.network import Network, NetworkArgs
from tenbin.observability import Observability, ObservabilityArgs
from tenbin.parsing import stack_configuration
from tenbin.picker import Picker, PickerArgs
from tenbin.planner import Planner, PlannerArgs
from tenbin.platform import Platform, PlatformArgs

__all__ = [
    "AcceleratorPool",
    "AcceleratorPoolArgs",
    "AcceleratorSupport",
    "AcceleratorSupportArgs",
    "Cluster",
    "ClusterArgs",
    "ClusterAutoscaler",
    "ClusterAutoscalerArgs",
    "CostGuard",
    "CostGuardArgs",
    "Gateway",
    "GatewayArgs",
    "Karpenter",
    "KarpenterArgs",
    "LeaderWorkerSetController",
    "LeaderWorkerSetControllerArgs",
    "ModelService",
    "ModelServiceArgs",
    "Network",
    "NetworkArgs",
    "Observability",
    "ObservabilityArgs",
    "Picker",
    "PickerArgs",
    "Planner",
    "PlannerArgs",
    "Platform",
    "PlatformArgs",
    "stack_configuration",
]
