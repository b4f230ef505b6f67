"""Helm charts that a stack installs in the cluster it builds: each at a pinned version, whole or not at all."""

from __future__ import annotations

import dataclasses

from tenbin._layout.manifests import Json, Placed

_KEPT_REVISIONS = 3
"""So that `helm rollback` works without filling the namespace."""
_TIMEOUT_S = 600
"""Nodes for the chart's pods may have to come first."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart of an OCI registry."""

    registry: str
    """Where it lies, for example `public.ecr.aws/karpenter`."""
    name: str
    version: str


def release(
    chart: Chart, *, name: str, namespace: str, values: Placed, new_namespace: bool = False, skip_crds: bool = False
) -> Json:
    """Return a release of a chart, inputs as the Kubernetes provider takes them.

    Args:
        chart: what is installed.
        name: of the release, which no other of the namespace has.
        namespace: of its objects.
        values: of the chart.
        new_namespace: whether the release makes the namespace.
        skip_crds: whether its custom resource definitions come by another chart: Helm installs those of a chart once
            and never upgrades them.
    """
    return {
        "name": name,
        "chart": f"oci://{chart.registry}/{chart.name}",
        "version": chart.version,
        "namespace": namespace,
        "create_namespace": new_namespace,
        "skip_crds": skip_crds,
        "values": values,
        "atomic": True,
        "timeout": _TIMEOUT_S,
        "max_history": _KEPT_REVISIONS,
    }
