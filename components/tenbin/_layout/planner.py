"""The planner: its Deployment, its rights, the wire document that it reads, and where gateway and people reach it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tenbin_spec import contract
from tenbin_spec.scale_target import ScaleTarget

from tenbin._layout import access, deployments, pods
from tenbin._layout.manifests import Json, Placed, label_value, labels, metadata, service

PORT_ACCESS_LOG = "access-log"
_USER = 65532
_STARTUP_S = 60
_TEMPORARY = "/tmp"  # noqa: S108 the pod's own empty volume, where the compiled engine model is kept
_GRACE_S = 15
"""It releases its Lease and ends within 5 s."""


def own_labels(stack: str) -> dict[str, str]:
    """Return the labels of the planner's objects."""
    return labels(contract.NAME_PLANNER, LABEL_STACK=stack)


def document(*, text: str, namespace: Placed, stack: str) -> Json:
    """Return the ConfigMap with the wire document, under a name that never changes."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(contract.DOCUMENT_CONFIG_MAP, namespace, own_labels(stack)),
        "data": {contract.DOCUMENT_KEY: text},
    }


def account(*, targets: Sequence[ScaleTarget], namespace: Placed, stack: str) -> list[Json]:
    """Return the planner's ServiceAccount, Role and binding, and its right to look at nodes.

    It scales the given objects and no other, marks pods before it removes them, reads and tells events, and keeps its
    state and its Lease. It cannot change a workload or a node, read a Secret or see another namespace.
    """
    configuration = (contract.DOCUMENT_CONFIG_MAP, contract.STATE_CONFIG_MAP)
    rules = [
        access.rule("", "configmaps", ["get"], configuration),
        access.rule("", "configmaps", ["update", "patch"], [contract.STATE_CONFIG_MAP]),
        access.rule("", "configmaps", ["create"]),
        access.rule("", "pods", ["get", "list", "watch", "patch"]),
        access.rule("", "events", ["create", "patch", "list"]),
        *_scaling(targets),
        access.rule("coordination.k8s.io", "leases", ["get", "update"], [contract.LEASE_PLANNER]),
        access.rule("coordination.k8s.io", "leases", ["create"]),
    ]
    own = metadata(contract.NAME_PLANNER, namespace, own_labels(stack))
    looks = {"name": f"{contract.NAME_PLANNER}-{label_value(stack)}", "labels": own_labels(stack)}
    return [
        *access.account(metadata=own, rules=rules),
        *access.clusterwide(metadata=looks, rules=[access.rule("", "nodes", ["list"])], account=own),
    ]


def _scaling(targets: Sequence[ScaleTarget]) -> Iterator[Json]:
    """Yield the rules by which objects are read and scaled: each by its name, Deployments also in one list."""
    resources = sorted({(target.group, target.plural) for target in targets})
    for group, plural in resources:
        names = sorted(target.name for target in targets if (target.group, target.plural) == (group, plural))
        if (group, plural) == ("apps", "deployments"):
            yield access.rule(group, plural, ["get", "list"])
        else:
            yield access.rule(group, plural, ["get"], names)
        yield access.rule(group, f"{plural}/scale", ["get", "update"], names)


def front(*, namespace: Placed, stack: str) -> Json:
    """Return the Service under whose address the gateway sends its access log and people read the plan."""
    return service(
        name=contract.NAME_PLANNER,
        namespace=namespace,
        labels=own_labels(stack),
        selector={contract.LABEL_NAME: contract.NAME_PLANNER},
        ports={contract.PORT_NAME_HTTP: contract.PORT_PLANNER_HTTP, PORT_ACCESS_LOG: contract.PORT_PLANNER_ACCESS_LOG},
    )


def deployment(*, image: str, enabled: bool, namespace: Placed, stack: str, scrape: bool) -> Json:
    """Return the planner's Deployment; one that is switched off keeps everything but its pod.

    A change of the document does not roll it: the planner reads the document anew.
    """
    pod = {
        "serviceAccountName": contract.NAME_PLANNER,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": pods.pod_security(user=_USER, group=_USER),
        "containers": [_container(image, stack)],
        "volumes": [{"name": "temporary", "emptyDir": {}}],
    }
    return deployments.deployment(
        metadata=metadata(contract.NAME_PLANNER, namespace, own_labels(stack)),
        selector={contract.LABEL_NAME: contract.NAME_PLANNER},
        replicas=1 if enabled else 0,
        # Only the holder of the Lease is ready, so that the access log reaches it: a new pod beside the old one would
        # never get ready, and the old one never stop.
        strategy=deployments.in_place(),
        pod=pod,
        pod_annotations=pods.scrape_annotations(contract.PORT_PLANNER_HTTP, "/metrics", wanted=scrape),
    )


def _container(image: str, stack: str) -> Json:
    return {
        "name": "planner",
        "image": image,
        "command": ["tenbin-planner"],
        "args": ["run"],
        "env": [
            pods.own_address(),
            pods.field("POD_NAME", "metadata.name"),
            pods.field("TENBIN_NAMESPACE", "metadata.namespace"),
            {"name": "TENBIN_STACK", "value": stack},
        ],
        "ports": pods.ports(
            {contract.PORT_NAME_HTTP: contract.PORT_PLANNER_HTTP, PORT_ACCESS_LOG: contract.PORT_PLANNER_ACCESS_LOG}
        ),
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "startupProbe": pods.http_probe("/healthz", contract.PORT_NAME_HTTP, period_s=1, failures=_STARTUP_S),
        "readinessProbe": pods.http_probe("/readyz", contract.PORT_NAME_HTTP, period_s=2, failures=3, timeout_s=2),
        "livenessProbe": pods.http_probe("/healthz", contract.PORT_NAME_HTTP, period_s=10, failures=6, timeout_s=5),
        "securityContext": pods.container_security(),
        "volumeMounts": [{"name": "temporary", "mountPath": _TEMPORARY}],
    }
