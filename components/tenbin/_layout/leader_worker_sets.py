"""The controller of LeaderWorkerSets (kubernetes-sigs/lws): its chart, and values that fit onto small system nodes."""

from __future__ import annotations

from tenbin._layout.charts import Chart
from tenbin._layout.manifests import Json

NAME = "lws"
NAMESPACE = "lws-system"
REGISTRY = "registry.k8s.io/lws"
VERSION = "0.9.0"


def chart(registry: str) -> Chart:
    """Return its chart, which brings the definitions of its resources."""
    return Chart(registry=f"{registry}/charts", name="lws", version=VERSION)


def values(registry: str) -> Json:
    """Return the values of its chart; one replica leads and the other is there when a node goes."""
    return {
        "replicaCount": 2,
        "image": {"manager": {"repository": f"{registry}/lws", "tag": f"v{VERSION}", "pullPolicy": "IfNotPresent"}},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    }
