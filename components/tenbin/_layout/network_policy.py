"""Who may talk to whom: nothing at all in the namespace, and then each connection that the design has.

    clients -> gateway -> engines        picker, planner -> API server
               gateway -> picker         planner -> engines (metrics)
               gateway -> planner        engines -> weights (HTTPS)
               engines of one service,   planner -> Prometheus, where it reads there
               where replicas span nodes

Kubelets probe their own pods past these policies. Metrics are open to namespaces that carry `SCRAPE_LABEL`.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence

from tenbin_spec import contract
from tenbin_spec.engine_metrics import EngineMetrics

from tenbin._layout.manifests import Json, Placed, labels, metadata

SCRAPE_LABEL = {f"{contract.API_GROUP}/scrape": "allowed"}
"""Label of a namespace whose pods may read metrics."""

_API_SERVER_PORTS = (443, 6443, 8443, 16443)
"""Ports of API servers behind their Service: EKS, GKE and AKS; kubeadm, k3s and kind; minikube; MicroK8s."""
_LINK_LOCAL = "169.254.0.0/16"
"""Metadata services of clouds, from which a pod could take its node's identity."""
_ANYWHERE: list[Json] = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [_LINK_LOCAL]}}, {"ipBlock": {"cidr": "::/0"}}]


def deny_all(*, namespace: Placed) -> Json:
    """Return the policy that forbids what no other policy allows."""
    return _policy("tenbin-deny-all", namespace, labels("tenbin"), {}, ingress=[], egress=[])


def engine(*, service: str, namespace: Placed, weights: bool, scrape: bool, groups: bool = False) -> Json:
    """Return the policy of a service's engines.

    Args:
        service: its name.
        namespace: of everything in the stack.
        weights: whether the engine fetches weights from outside.
        scrape: whether monitoring may read metrics.
        groups: whether replicas span nodes, whose pods then talk to each other on ports that they choose themselves.
    """
    callers = [_pods(contract.NAME_GATEWAY), _pods(contract.NAME_PLANNER)]
    own = {contract.LABEL_NAME: contract.NAME_ENGINE, contract.LABEL_SERVICE: service}
    peers: list[Json] = [{"podSelector": {"matchLabels": own}}] if groups else []
    return _policy(
        f"{contract.NAME_ENGINE}-{service}",
        namespace,
        labels(contract.NAME_ENGINE, LABEL_SERVICE=service),
        own,
        ingress=[_from([*callers, *_scrapers(scrape)], contract.PORT_ENGINE), *({"from": [peer]} for peer in peers)],
        egress=[*([_name_service(), _https()] if weights else []), *({"to": [peer]} for peer in peers)],
    )


def gateway(*, namespace: Placed, scrape: bool, outside: Sequence[str] = ()) -> Json:
    """Return the policy of the gateway: any pod of the cluster may send requests.

    Args:
        namespace: of everything in the stack.
        scrape: whether monitoring may read metrics.
        outside: ranges that its way in from outside the cluster takes connections from.
    """
    anybody: Json = {"namespaceSelector": {}}
    ingress = [_from([anybody], contract.PORT_GATEWAY)]
    if scrape:
        ingress.append(_from(_scrapers(scrape), contract.PORT_GATEWAY_HEALTH))
    if outside:
        ingress.append(_from([{"ipBlock": {"cidr": cidr}} for cidr in outside], contract.PORT_GATEWAY_ENTRANCE))
    return _policy(
        contract.NAME_GATEWAY,
        namespace,
        labels(contract.NAME_GATEWAY),
        {contract.LABEL_NAME: contract.NAME_GATEWAY},
        ingress=ingress,
        egress=[
            _to([_pods(contract.NAME_ENGINE)], contract.PORT_ENGINE),
            _to([_pods(contract.NAME_PICKER)], contract.PORT_PICKER_XDS),
            _to([_pods(contract.NAME_PLANNER)], contract.PORT_PLANNER_ACCESS_LOG),
        ],
    )


def picker(*, namespace: Placed, scrape: bool) -> Json:
    """Return the policy of the picker."""
    ingress = [_from([_pods(contract.NAME_GATEWAY)], contract.PORT_PICKER_XDS)]
    if scrape:
        ingress.append(_from(_scrapers(scrape), contract.PORT_PICKER_HEALTH))
    return _policy(
        contract.NAME_PICKER,
        namespace,
        labels(contract.NAME_PICKER),
        {contract.LABEL_NAME: contract.NAME_PICKER},
        ingress=ingress,
        egress=[_api_server()],
    )


def planner(*, namespace: Placed, scrape: bool, metrics: EngineMetrics) -> Json:
    """Return the policy of the planner.

    Args:
        namespace: of everything in the stack.
        scrape: whether monitoring may read metrics.
        metrics: where it reads what engines say of themselves.
    """
    ingress = [_from([_pods(contract.NAME_GATEWAY)], contract.PORT_PLANNER_ACCESS_LOG)]
    if scrape:
        ingress.append(_from(_scrapers(scrape), contract.PORT_PLANNER_HTTP))
    return _policy(
        contract.NAME_PLANNER,
        namespace,
        labels(contract.NAME_PLANNER),
        {contract.LABEL_NAME: contract.NAME_PLANNER},
        ingress=ingress,
        egress=[_api_server(), *_engine_metrics(metrics)],
    )


def _policy(
    name: str,
    namespace: Placed,
    own: dict[str, str],
    selector: dict[str, str],
    *,
    ingress: list[Json],
    egress: list[Json],
) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, namespace, own),
        "spec": {
            "podSelector": {"matchLabels": selector} if selector else {},
            "policyTypes": ["Ingress", "Egress"],
            **({"ingress": ingress} if ingress else {}),
            **({"egress": egress} if egress else {}),
        },
    }


def _pods(app: str) -> Json:
    return {"podSelector": {"matchLabels": {contract.LABEL_NAME: app}}}


def _scrapers(scrape: bool) -> list[Json]:
    return [{"namespaceSelector": {"matchLabels": SCRAPE_LABEL}}] if scrape else []


def _ports(numbers: Sequence[int], protocol: str = "TCP") -> list[Json]:
    return [{"protocol": protocol, "port": number} for number in numbers]


def _from(peers: list[Json], port: int) -> Json:
    return {"from": peers, "ports": _ports([port])}


def _to(peers: list[Json], port: int) -> Json:
    return {"to": peers, "ports": _ports([port])}


def _api_server() -> Json:
    # The API server is no pod: neither a selector nor a fixed address names it.
    return {"ports": _ports(_API_SERVER_PORTS)}


def _engine_metrics(metrics: EngineMetrics) -> list[Json]:
    if metrics.url is None:
        return [_to([_pods(contract.NAME_ENGINE)], contract.PORT_ENGINE)]
    # A Service may have another port than its pods, so that the address does not name theirs.
    monitoring: Json = {"to": _scrapers(scrape=True)}
    return [_name_service(), monitoring, {"to": _ANYWHERE, "ports": _ports([_port(metrics.url)])}]


def _port(url: str) -> int:
    parts = urllib.parse.urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _name_service() -> Json:
    return {"ports": [*_ports([53]), *_ports([53], "UDP")]}


def _https() -> Json:
    return {"to": _ANYWHERE, "ports": _ports([443])}
