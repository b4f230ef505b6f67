"""Connections that the policies allow, seen from both ends."""

from __future__ import annotations

from typing import Any

import pytest
from tenbin._layout import network_policy
from tenbin_spec import contract
from tenbin_spec.engine_metrics import EngineMetrics

ALL = {
    contract.NAME_ENGINE: network_policy.engine(service="chat", namespace="tenbin", weights=True, scrape=True),
    contract.NAME_GATEWAY: network_policy.gateway(namespace="tenbin", scrape=True),
    contract.NAME_PICKER: network_policy.picker(namespace="tenbin", scrape=True),
    contract.NAME_PLANNER: network_policy.planner(namespace="tenbin", scrape=True, metrics=EngineMetrics()),
}
CONNECTIONS = {
    (contract.NAME_GATEWAY, contract.NAME_ENGINE, contract.PORT_ENGINE),
    (contract.NAME_GATEWAY, contract.NAME_PICKER, contract.PORT_PICKER_XDS),
    (contract.NAME_GATEWAY, contract.NAME_PLANNER, contract.PORT_PLANNER_ACCESS_LOG),
    (contract.NAME_PLANNER, contract.NAME_ENGINE, contract.PORT_ENGINE),
}


def connections(direction: str, peers: str) -> set[tuple[str, str, int]]:
    """Return (from, to, port) of all rules between pods of the namespace."""
    found: set[tuple[str, str, int]] = set()
    for app, policy in ALL.items():
        for rule in policy["spec"].get(direction, []):
            for peer in rule.get(peers, []):
                other = peer.get("podSelector", {}).get("matchLabels", {}).get(contract.LABEL_NAME)
                if other:
                    pair = (other, app) if direction == "ingress" else (app, other)
                    found.update((*pair, port["port"]) for port in rule["ports"])
    return found


def test_both_ends_of_each_connection_allow_it_and_no_other() -> None:
    assert connections("ingress", "from") == CONNECTIONS
    assert connections("egress", "to") == CONNECTIONS


def test_everything_else_in_the_namespace_is_denied() -> None:
    spec = network_policy.deny_all(namespace="tenbin")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("policy", ALL.values(), ids=ALL)
def test_a_policy_selects_its_own_pods_and_bounds_both_directions(policy: dict[str, Any]) -> None:
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["podSelector"]["matchLabels"]


def test_only_the_gateways_request_port_is_open_to_the_whole_cluster() -> None:
    for app, policy in ALL.items():
        for rule in policy["spec"]["ingress"]:
            if {"namespaceSelector": {}} in rule["from"]:
                assert app == contract.NAME_GATEWAY
                assert rule["ports"] == [{"protocol": "TCP", "port": contract.PORT_GATEWAY}]


def test_an_engine_without_weights_to_fetch_reaches_nothing() -> None:
    spec = network_policy.engine(service="chat", namespace="tenbin", weights=False, scrape=True)["spec"]
    assert "egress" not in spec


def test_an_engine_never_reaches_the_metadata_service_of_its_node() -> None:
    [addresses] = [rule["to"] for rule in ALL[contract.NAME_ENGINE]["spec"]["egress"] if "to" in rule]
    assert {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}} in addresses


def test_metrics_are_closed_where_scraping_is_off() -> None:
    without = [
        network_policy.engine(service="chat", namespace="tenbin", weights=True, scrape=False),
        network_policy.gateway(namespace="tenbin", scrape=False),
        network_policy.picker(namespace="tenbin", scrape=False),
        network_policy.planner(namespace="tenbin", scrape=False, metrics=EngineMetrics()),
    ]
    for policy in without:
        for rule in policy["spec"]["ingress"]:
            assert {"namespaceSelector": {"matchLabels": network_policy.SCRAPE_LABEL}} not in rule["from"]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prometheus.monitoring:9090", 9090),
        ("https://metrics.example.com/prometheus", 443),
        ("http://prometheus", 80),
    ],
)
def test_a_planner_that_asks_prometheus_reaches_it_and_no_engine(url: str, port: int) -> None:
    metrics = EngineMetrics.model_validate({"source": "prometheus", "url": url})
    egress = network_policy.planner(namespace="tenbin", scrape=True, metrics=metrics)["spec"]["egress"]
    names, monitoring, outside = egress[1:]
    assert {entry["port"] for entry in names["ports"]} == {53}
    assert monitoring == {"to": [{"namespaceSelector": {"matchLabels": network_policy.SCRAPE_LABEL}}]}
    assert outside["ports"] == [{"protocol": "TCP", "port": port}]
    assert {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}} in outside["to"]
    assert all("podSelector" not in peer for rule in egress for peer in rule.get("to", []))


def test_pods_of_a_replica_that_spans_nodes_reach_those_of_their_own_service_and_of_no_other() -> None:
    policy = network_policy.engine(service="chat", namespace="tenbin", weights=True, scrape=True, groups=True)
    own = {contract.LABEL_NAME: contract.NAME_ENGINE, contract.LABEL_SERVICE: "chat"}
    peers = [{"podSelector": {"matchLabels": own}}]
    assert {"from": peers} in policy["spec"]["ingress"]
    assert {"to": peers} in policy["spec"]["egress"]
    alone = ALL[contract.NAME_ENGINE]["spec"]
    assert peers not in [rule.get("from", rule.get("to")) for rule in [*alone["ingress"], *alone["egress"]]]
