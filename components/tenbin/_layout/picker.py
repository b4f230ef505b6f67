"""The picker: its Deployment, its rights, and the Service under whose address the gateway asks it for endpoints."""

from __future__ import annotations

from tenbin_spec import contract

from tenbin._layout import access, deployments, pods
from tenbin._layout.manifests import Json, Placed, labels, metadata, service

PORT_XDS = "xds"
PORT_HEALTH = "health"
_USER = 65532
_STARTUP_S = 60
_GRACE_S = 15


def own_labels(stack: str) -> dict[str, str]:
    """Return the labels of the picker's objects."""
    return labels(contract.NAME_PICKER, LABEL_STACK=stack)


def account(*, namespace: Placed, stack: str) -> list[Json]:
    """Return the picker's ServiceAccount, Role and binding: it reads the pods of its namespace and nothing else."""
    rules = [access.rule("", "pods", ["get", "list", "watch"])]
    return access.account(metadata=metadata(contract.NAME_PICKER, namespace, own_labels(stack)), rules=rules)


def front(*, namespace: Placed, stack: str) -> Json:
    """Return the Service that the gateway asks."""
    return service(
        name=contract.NAME_PICKER,
        namespace=namespace,
        labels=own_labels(stack),
        selector={contract.LABEL_NAME: contract.NAME_PICKER},
        ports={PORT_XDS: contract.PORT_PICKER_XDS},
    )


def deployment(*, image: str, namespace: Placed, stack: str, scrape: bool) -> Json:
    """Return the picker's Deployment.

    One replica: a gateway goes on with the endpoints that it has while the picker is away.
    """
    pod = {
        "serviceAccountName": contract.NAME_PICKER,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": pods.pod_security(user=_USER, group=_USER),
        "containers": [_container(image)],
    }
    return deployments.deployment(
        metadata=metadata(contract.NAME_PICKER, namespace, own_labels(stack)),
        selector={contract.LABEL_NAME: contract.NAME_PICKER},
        replicas=1,
        strategy=deployments.surging(),
        pod=pod,
        pod_annotations=pods.scrape_annotations(contract.PORT_PICKER_HEALTH, "/metrics", wanted=scrape),
    )


def _container(image: str) -> Json:
    return {
        "name": "picker",
        "image": image,
        "command": ["tenbin-planner"],
        "args": ["picker"],
        "env": [pods.own_address(), pods.field("TENBIN_NAMESPACE", "metadata.namespace")],
        "ports": pods.ports({PORT_XDS: contract.PORT_PICKER_XDS, PORT_HEALTH: contract.PORT_PICKER_HEALTH}),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "startupProbe": pods.http_probe("/healthz", PORT_HEALTH, period_s=1, failures=_STARTUP_S),
        "readinessProbe": pods.http_probe("/readyz", PORT_HEALTH, period_s=2, failures=3, timeout_s=2),
        "livenessProbe": pods.http_probe("/healthz", PORT_HEALTH, period_s=10, failures=6, timeout_s=5),
        "securityContext": pods.container_security(),
    }
