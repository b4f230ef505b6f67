"""The way in from outside the cluster: a network load balancer, and what the gateway mounts for it."""

from __future__ import annotations

from tenbin_spec import contract
from tenbin_spec.clusters import EksCluster
from tenbin_spec.gateways import Gateway

from tenbin._layout import envoy_entrance
from tenbin._layout.envoy_entrance import Entrance
from tenbin._layout.manifests import SKIP_AWAIT, Json, Placed, labels, metadata
from tenbin._layout.tags import Tags

PORT = "entrance"
PORT_OUTSIDE = 443
_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"
_AUTO_MODE_CLASS = "eks.amazonaws.com/nlb"
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
_SECRET_MODE = 0o440


def asked(gateway: Gateway) -> Entrance | None:
    """Return what the way in asks of clients; None where there is none."""
    if not gateway.is_exposed or gateway.certificate is None:
        return None
    clients = gateway.clients
    return Entrance(
        tls=gateway.certificate.secret is not None,
        client_certificates=clients is not None and clients.authority_secret is not None,
        clients=clients.api_keys.clients if clients is not None and clients.api_keys is not None else (),
    )


def ranges(gateway: Gateway, cluster: EksCluster) -> tuple[str, ...]:
    """Return the ranges that the load balancer takes connections from."""
    return gateway.allowed_cidrs or (cluster.network.cidr,)


def callers(gateway: Gateway, cluster: EksCluster) -> tuple[str, ...]:
    """Return the ranges that the gateway's pods see: clients themselves, or the load balancer inside the network."""
    return tuple(dict.fromkeys((*ranges(gateway, cluster), cluster.network.cidr)))


def load_balancer(gateway: Gateway, cluster: EksCluster, *, namespace: Placed, stack: str) -> Json:
    """Return the Service that a load balancer is made of.

    It is not awaited: a controller makes the load balancer within minutes, and nothing in the stack needs its name.
    """
    chosen = gateway.load_balancer_class or (_AUTO_MODE_CLASS if cluster.auto_mode else None)
    # EKS's own controller reaches pods through ports of nodes, and tells them who the client is on their own node only.
    reached: Json = (
        {"externalTrafficPolicy": "Local"}
        if chosen is None
        else {"loadBalancerClass": chosen, "allocateLoadBalancerNodePorts": False}
    )
    tags = Tags(stack=stack, owner=cluster.owner, part="gateway").of()
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(
            contract.NAME_ENTRANCE,
            namespace,
            _labels(stack),
            {**SKIP_AWAIT, **_annotations(gateway, tags, by_class=chosen is not None)},
        ),
        "spec": {
            "type": "LoadBalancer",
            **reached,
            "loadBalancerSourceRanges": list(ranges(gateway, cluster)),
            "selector": {contract.LABEL_NAME: contract.NAME_GATEWAY},
            "ports": [{"name": "https", "port": PORT_OUTSIDE, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def secret_files(entrance: Entrance, *, namespace: Placed, stack: str) -> Json:
    """Return the ConfigMap that tells Envoy which mounted files hold certificates."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(contract.NAME_ENTRANCE, namespace, _labels(stack)),
        "data": envoy_entrance.secret_files(entrance),
    }


def volumes(gateway: Gateway) -> list[Json]:
    """Return the volumes of the gateway's pods: Secrets by name, files for Envoy by ConfigMap."""
    found = [_secret(name, secret) for name, (secret, _) in _mounted(gateway).items() if secret is not None]
    if any(secret is None for secret, _ in _mounted(gateway).values()):
        found.append({"name": "secrets", "configMap": {"name": contract.NAME_ENTRANCE, "defaultMode": _SECRET_MODE}})
    return found


def mounts(gateway: Gateway) -> list[Json]:
    """Return where the volumes are mounted; never by single files, which would not follow a change."""
    return [{"name": name, "mountPath": folder, "readOnly": True} for name, (_, folder) in _mounted(gateway).items()]


def _mounted(gateway: Gateway) -> dict[str, tuple[str | None, str]]:
    """Return Secret and folder by volume; the ConfigMap has no Secret."""
    certificate, clients = gateway.certificate, gateway.clients
    found: dict[str, tuple[str | None, str]] = {}
    if certificate is not None and certificate.secret is not None:
        found["certificate"] = (certificate.secret, envoy_entrance.CERTIFICATE_FOLDER)
        found["secrets"] = (None, envoy_entrance.SECRETS_FOLDER)
    if clients is not None and clients.authority_secret is not None:
        found["authority"] = (clients.authority_secret, envoy_entrance.AUTHORITY_FOLDER)
    if clients is not None and clients.api_keys is not None:
        found["keys"] = (clients.api_keys.secret, envoy_entrance.KEYS_FOLDER)
    return found


def _secret(name: str, secret: str) -> Json:
    return {"name": name, "secret": {"secretName": secret, "defaultMode": _SECRET_MODE}}


def _annotations(gateway: Gateway, tags: dict[str, str], *, by_class: bool) -> dict[str, str]:
    is_internal = gateway.exposure == "internal"
    found = {
        "additional-resource-tags": ",".join(f"{key}={value}" for key, value in sorted(tags.items())),
        "scheme": "internal" if is_internal else "internet-facing",
    }
    if by_class:
        found["nlb-target-type"] = "ip"
    else:
        found["type"] = "nlb"
        if is_internal:
            found["internal"] = "true"
    if gateway.certificate is not None and gateway.certificate.acm is not None:
        found |= {
            "ssl-cert": gateway.certificate.acm,
            "ssl-ports": str(PORT_OUTSIDE),
            "ssl-negotiation-policy": _TLS_POLICY,
            "backend-protocol": "tcp",
        }
    return {_ANNOTATION + key: value for key, value in sorted(found.items())}


def _labels(stack: str) -> dict[str, str]:
    return labels(contract.NAME_ENTRANCE, LABEL_STACK=stack)
