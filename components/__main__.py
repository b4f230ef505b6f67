# ruff: noqa: INP001 a script that the engine runs, no package
"""Serves the components as a Pulumi package, so that programs of every language can use them."""

from importlib.metadata import version

from pulumi.provider.experimental import component_provider_host
from tenbin import (
    AcceleratorPool,
    AcceleratorSupport,
    Cluster,
    ClusterAutoscaler,
    CostGuard,
    Gateway,
    Karpenter,
    LeaderWorkerSetController,
    ModelService,
    Network,
    Observability,
    Picker,
    Planner,
    Platform,
)

if __name__ == "__main__":
    component_provider_host(
        name="tenbin",
        components=[
            AcceleratorPool,
            AcceleratorSupport,
            Cluster,
            ClusterAutoscaler,
            CostGuard,
            Gateway,
            Karpenter,
            LeaderWorkerSetController,
            ModelService,
            Network,
            Observability,
            Picker,
            Planner,
            Platform,
        ],
        version=version("tenbin"),
    )
