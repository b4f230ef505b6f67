"""The gateway: Envoy in front of the engines, and the Service that clients send requests to."""

from __future__ import annotations

from tenbin_spec import contract
from tenbin_spec.gateways import Gateway

from tenbin._layout import deployments, entrance, pods
from tenbin._layout.manifests import Json, Placed, labels, metadata, service

PORT_HEALTH = "health"
HEAP_BYTES = 512 * 1024 * 1024
"""Envoy sheds requests before its heap passes this."""
_CONTAINER_MEMORY_MIB = HEAP_BYTES // 2**20 + 128
_USER = 101
"""User `envoy` of the official image."""
_STARTUP_PERIOD_S = 2
_STARTUP_FAILURES = 300
"""Envoy listens once it knows its endpoints, so a gateway waits for the picker: up to 10 minutes."""
_TEARDOWN_S = 5


def own_labels(stack: str) -> dict[str, str]:
    """Return the labels of the gateway's objects."""
    return labels(contract.NAME_GATEWAY, LABEL_STACK=stack)


def selector() -> dict[str, str]:
    """Return what tells the gateway's pods from all others."""
    return {contract.LABEL_NAME: contract.NAME_GATEWAY}


def front(*, namespace: Placed, stack: str) -> Json:
    """Return the Service that clients use."""
    return service(
        name=contract.NAME_GATEWAY,
        namespace=namespace,
        labels=own_labels(stack),
        selector=selector(),
        ports={contract.PORT_NAME_HTTP: contract.PORT_GATEWAY},
    )


def disruption_budget(*, namespace: Placed, stack: str) -> Json:
    """Return the budget of a gateway with several replicas."""
    own = metadata(contract.NAME_GATEWAY, namespace, own_labels(stack))
    return pods.disruption_budget(metadata=own, selector=selector())


def deployment(
    *, gateway: Gateway, arguments: Placed, drain_s: int, namespace: Placed, stack: str, scrape: bool
) -> Json:
    """Return the gateway's Deployment.

    Args:
        gateway: image, number of replicas, and its way in from outside the cluster.
        arguments: of the Envoy process, its whole configuration among them; a change of it rolls the gateway.
        drain_s: seconds that running streams have when a gateway stops. Envoy itself stops at once on SIGTERM, so the
            kubelet waits with the signal; new requests go to the other gateways meanwhile.
        namespace: of everything in the stack.
        stack: the stack's name.
        scrape: whether pods carry annotations for Prometheus.
    """
    volumes = entrance.volumes(gateway)
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": drain_s + _TEARDOWN_S,
        "topologySpreadConstraints": pods.spread(selector()),
        "securityContext": pods.pod_security(user=_USER, group=_USER),
        "containers": [_container(gateway, arguments, drain_s)],
        **({"volumes": volumes} if volumes else {}),
    }
    return deployments.deployment(
        metadata=metadata(contract.NAME_GATEWAY, namespace, own_labels(stack)),
        selector=selector(),
        replicas=gateway.replicas,
        strategy=deployments.surging(),
        pod=pod,
        pod_annotations=pods.scrape_annotations(contract.PORT_GATEWAY_HEALTH, "/stats/prometheus", wanted=scrape),
    )


def _container(gateway: Gateway, arguments: Placed, drain_s: int) -> Json:
    mounts = entrance.mounts(gateway)
    ports = {contract.PORT_NAME_HTTP: contract.PORT_GATEWAY, PORT_HEALTH: contract.PORT_GATEWAY_HEALTH}
    if gateway.is_exposed:
        ports[entrance.PORT] = contract.PORT_GATEWAY_ENTRANCE
    memory = f"{_CONTAINER_MEMORY_MIB}Mi"
    return {
        "name": "envoy",
        "image": gateway.image,
        # Not the image's entry point: that changes the owner of the standard streams, for which it needs root.
        "command": ["envoy"],
        "args": arguments,
        "env": [pods.own_address()],
        "ports": pods.ports(ports),
        "resources": {"requests": {"cpu": "500m", "memory": memory}, "limits": {"cpu": "2", "memory": memory}},
        "startupProbe": pods.http_probe(
            "/ready", PORT_HEALTH, period_s=_STARTUP_PERIOD_S, failures=_STARTUP_FAILURES, timeout_s=2
        ),
        "readinessProbe": pods.http_probe("/ready", PORT_HEALTH, period_s=3, failures=2, timeout_s=2),
        "livenessProbe": pods.http_probe("/ready", PORT_HEALTH, period_s=10, failures=6, timeout_s=5),
        "lifecycle": pods.sleep_before_stop(drain_s),
        "securityContext": pods.container_security(),
        **({"volumeMounts": mounts} if mounts else {}),
    }
