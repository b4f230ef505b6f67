"""What every pod of a stack shares: hardening, its own address, probes, and an orderly end.

The hardening is what the Pod Security Standard *restricted* asks for and the CIS benchmark (4.2, 4.4) adds: non-root,
no privilege, no capability, a read-only root, no token that nobody uses, and no variables of neighbouring Services (a
Service called `vllm` would set VLLM_PORT and break the engine's start).
"""

from __future__ import annotations

from tenbin._layout.manifests import Json

POD_ADDRESS = "$(POD_IP)"
"""The pod's own address in an argument; programs bind to it and never to all addresses."""


def pod_security(*, user: int, group: int) -> Json:
    """Return a pod's security context for a user and group of the image."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group or user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Json:
    """Return a container's security context."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def field(name: str, path: str) -> Json:
    """Return an environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def own_address() -> Json:
    """Return the variable that `POD_ADDRESS` names."""
    return field("POD_IP", "status.podIP")


def http_probe(path: str, port: str, *, period_s: int, failures: int, timeout_s: int = 1) -> Json:
    """Return a probe that gives up after `period_s * failures` seconds."""
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


def sleep_before_stop(seconds: int) -> Json:
    """Return a lifecycle that waits before SIGTERM; the kubelet sleeps itself, so that the image needs no shell.

    Needs Kubernetes 1.30 or newer.
    """
    return {"preStop": {"sleep": {"seconds": seconds}}}


def scrape_annotations(port: int, path: str, *, wanted: bool) -> dict[str, str]:
    """Return the annotations by which a Prometheus finds a pod's metrics, none where they are not wanted."""
    if not wanted:
        return {}
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}


def ports(numbers: dict[str, int]) -> list[Json]:
    """Return container ports by name."""
    return [{"name": name, "containerPort": number, "protocol": "TCP"} for name, number in numbers.items()]


def spread(selector: dict[str, str]) -> list[Json]:
    """Return a wish to spread pods over zones that never keeps one from running."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
    ]


def disruption_budget(*, metadata: Json, selector: dict[str, str]) -> Json:
    """Return a budget that lets drains take one pod at a time, and one that never became healthy at any time.

    `maxUnavailable`, since `minAvailable` would block the drain of a node with the only replica for ever.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
