"""The gateway's way in from outside the cluster: made where it is wanted, narrow, and with no secret in it."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
import tenbin
from support import amazon, stacks
from support.registered import Registrations, register

ACM = f"arn:aws:acm:eu-west-1:{amazon.ACCOUNT}:certificate/1234abcd"
INTERNAL: dict[str, Any] = {"exposure": "internal", "certificate": {"secret": "gateway-tls"}}
PUBLIC: dict[str, Any] = {
    "exposure": "public",
    "certificate": {"acm": ACM},
    "allowed_cidrs": ["203.0.113.0/24"],
    "clients": {"api_keys": {"secret": "gateway-keys", "clients": ["web"]}},
}
PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"


def platform(gateway: dict[str, Any], **cluster: Any) -> Registrations:
    plain: Any = stacks.plain_stack(cluster=amazon.plain_cluster(**cluster), gateway=gateway)
    for pool in plain["pools"].values():
        pool |= {"region": "eu-west-1", "hourly_usd": "0.36"}
        if cluster.get("auto_mode"):
            pool["backend"] = "karpenter"
    return register(lambda: tenbin.Platform("platform", plain))


def service(found: Registrations) -> tuple[dict[str, str], dict[str, Any]]:
    """Return annotations, without their prefix, and spec of the Service of the way in."""
    inputs = found.one("Service::platform-gateway-entrance").inputs
    annotations = inputs["metadata"]["annotations"]
    return {key.removeprefix(PREFIX): value for key, value in annotations.items()}, inputs["spec"]


def open_ports(found: Registrations) -> list[tuple[list[str], int]]:
    """Return ranges and port of each way into the gateway's pods for addresses."""
    rules = found.one("NetworkPolicy::platform-gateway").inputs["spec"]["ingress"]
    return [
        ([peer["ipBlock"]["cidr"] for peer in rule["from"]], rule["ports"][0]["port"])
        for rule in rules
        if all("ipBlock" in peer for peer in rule["from"])
    ]


def test_a_gateway_is_inside_the_cluster_unless_somebody_says_otherwise() -> None:
    found = platform({})
    assert not [item.name for item in found.resources if item.name.endswith("-entrance")]
    assert found.one("Service::platform-gateway").inputs["spec"]["type"] == "ClusterIP"
    assert open_ports(found) == []


def test_an_internal_load_balancer_takes_what_comes_from_its_own_network() -> None:
    found = platform(INTERNAL)
    annotations, spec = service(found)
    assert (annotations["scheme"], annotations["internal"], annotations["type"]) == ("internal", "true", "nlb")
    assert (spec["type"], spec["loadBalancerSourceRanges"]) == ("LoadBalancer", ["10.0.0.0/16"])
    assert [(port["port"], port["targetPort"]) for port in spec["ports"]] == [(443, "entrance")]
    assert open_ports(found) == [(["10.0.0.0/16"], 8443)]


def test_in_auto_mode_its_own_controller_makes_the_load_balancer() -> None:
    annotations, spec = service(platform(INTERNAL, auto_mode=True))
    assert spec["loadBalancerClass"] == "eks.amazonaws.com/nlb"
    assert annotations["nlb-target-type"] == "ip"
    assert "type" not in annotations


def test_a_public_load_balancer_takes_the_named_ranges_alone() -> None:
    annotations, spec = service(platform(PUBLIC))
    assert (annotations["scheme"], "internal" in annotations) == ("internet-facing", False)
    assert spec["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


def test_the_load_balancer_carries_the_stacks_tags() -> None:
    annotations, _ = service(platform(INTERNAL))
    tags = dict(pair.split("=") for pair in annotations["additional-resource-tags"].split(","))
    assert (tags["tenbin.dev/stack"], tags["tenbin.dev/part"], tags["tenbin.dev/owner"]) == (
        "test",
        "gateway",
        "ml-platform",
    )


@pytest.mark.parametrize(("gateway", "ends_tls"), [(INTERNAL, True), (PUBLIC, False)], ids=["secret", "acm"])
def test_tls_ends_at_the_gateway_or_at_the_load_balancer_and_nowhere_else(
    gateway: dict[str, Any], ends_tls: bool
) -> None:
    found = platform(gateway)
    container = found.one("Deployment::platform-gateway").inputs["spec"]["template"]["spec"]["containers"][0]
    [entrance] = [
        listener
        for listener in json.loads(container["args"][1])["static_resources"]["listeners"]
        if listener["name"] == "entrance"
    ]
    annotations, _ = service(found)
    assert ("transport_socket" in entrance["filter_chains"][0]) is ends_tls
    assert ("ssl-cert" in annotations) is not ends_tls
    files = [item.name for item in found.resources if item.type.endswith(":ConfigMap") and "entrance" in item.name]
    assert bool(files) is ends_tls


def test_secrets_are_mounted_by_name_for_reading_and_by_folder() -> None:
    clients = {"api_keys": {"secret": "gateway-keys", "clients": ["web"]}, "authority_secret": "gateway-clients"}
    pod = platform({**INTERNAL, "clients": clients}).one("Deployment::platform-gateway").inputs["spec"]["template"]
    volumes = {item["name"]: item.get("secret", {}).get("secretName") for item in pod["spec"]["volumes"]}
    assert volumes == {
        "certificate": "gateway-tls",
        "authority": "gateway-clients",
        "keys": "gateway-keys",
        "secrets": None,
    }
    for mount in pod["spec"]["containers"][0]["volumeMounts"]:
        assert (mount["readOnly"], "subPath" in mount) == (True, False)


def test_a_gateway_alone_asks_for_the_cluster_that_it_is_exposed_from() -> None:
    args: Any = {
        "gateway": INTERNAL,
        "services": stacks.plain_stack()["services"],
        "namespace": "inference",
        "picker_address": "10.0.0.2",
        "planner_address": "10.0.0.3",
    }
    with pytest.raises(pulumi.RunError) as caught:
        register(lambda: tenbin.Gateway("gateway", args))
    assert str(caught.value) == (
        "Gateway gateway has 1 problem:\n  - cluster: is required by exposure 'internal': a cluster of kind eks"
    )
