"""`Network`: what it builds for each way out, and what it refuses."""

from __future__ import annotations

import functools
import json
from typing import Any

import pulumi
import pytest
import tenbin
from support.registered import Registered, Registrations, register

ZONES = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def network(*, preview: bool = False, **fields: Any) -> Registrations:
    return _registered(json.dumps({"zones": ZONES, **fields}, sort_keys=True), preview)


@functools.cache
def _registered(text: str, preview: bool) -> Registrations:
    args: Any = {"network": json.loads(text), "owner": "ml-platform"}
    return register(lambda: tenbin.Network("net", args), preview=preview)


def refused(**fields: Any) -> list[str]:
    with pytest.raises(pulumi.RunError) as caught:
        network(**fields)
    return str(caught.value).splitlines()


def of_kind(found: Registrations, kind: str) -> dict[str, Registered]:
    return {item.name: item for item in found.resources if item.type.endswith(f":{kind}")}


def test_it_builds_exactly_these_parts() -> None:
    [children] = [names for parent, names in network(endpoints=["ecr.api"]).tree().items() if parent]
    expected = [
        "DefaultSecurityGroup::net-default",
        *(f"Eip::net-nat-{zone}" for zone in ZONES),
        "FlowLog::net-flow-logs",
        "InternetGateway::net",
        "LogGroup::net-flow-logs",
        *(f"NatGateway::net-nat-{zone}" for zone in ZONES),
        *(f"Route::net-private-{zone}" for zone in ZONES),
        "Route::net-public",
        "RouteTable::net-intra",
        *(f"RouteTable::net-private-{zone}" for zone in ZONES),
        "RouteTable::net-public",
        *(f"RouteTableAssociation::net-{kind}-{zone}" for kind in ("intra", "private", "public") for zone in ZONES),
        "Role::net-flow-logs",
        "RolePolicy::net-flow-logs",
        "SecurityGroup::net-endpoints",
        "SecurityGroupIngressRule::net-endpoints",
        *(f"Subnet::net-{kind}-{zone}" for kind in ("intra", "private", "public") for zone in ZONES),
        "Vpc::net",
        "VpcEndpoint::net-ecr-api",
        "VpcEndpoint::net-s3",
    ]
    assert children == sorted(expected)


@pytest.mark.parametrize(
    ("nat", "gateways"),
    [
        ("zone", {zone: zone for zone in ZONES}),
        ("single", dict.fromkeys(ZONES, "eu-west-1a")),
        ("none", {}),
    ],
)
def test_private_subnets_leave_through_the_gateways_that_were_chosen(nat: str, gateways: dict[str, str]) -> None:
    found = network(nat=nat)
    routes = of_kind(found, "Route")
    assert {
        zone: routes[f"net-private-{zone}"].inputs["natGatewayId"] for zone in ZONES if f"net-private-{zone}" in routes
    } == {zone: f"net-nat-{place}-id" for zone, place in gateways.items()}
    assert sorted(of_kind(found, "NatGateway")) == sorted({f"net-nat-{place}" for place in gateways.values()})


def test_intra_subnets_have_no_way_out() -> None:
    found = network()
    assert not [item for item in of_kind(found, "Route").values() if item.inputs["routeTableId"] == "net-intra-id"]
    for zone in ZONES:
        association = of_kind(found, "RouteTableAssociation")[f"net-intra-{zone}"].inputs
        assert association == {"routeTableId": "net-intra-id", "subnetId": f"net-intra-{zone}-id"}


def test_s3_is_reached_inside_the_vpc_from_every_subnet_that_has_nodes_or_the_control_plane() -> None:
    endpoint = network(endpoints=[]).one("VpcEndpoint::net-s3").inputs
    assert endpoint["vpcEndpointType"] == "Gateway"
    assert endpoint["serviceName"] == "com.amazonaws.eu-west-1.s3"
    assert sorted(endpoint["routeTableIds"]) == ["net-intra-id", *(f"net-private-{zone}-id" for zone in ZONES)]


def test_services_are_reached_by_https_from_the_vpc_and_from_nowhere_else() -> None:
    found = network(cidr="10.7.0.0/16")
    rule = found.one("SecurityGroupIngressRule::net-endpoints").inputs
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.7.0.0/16", 443, 443)
    interface = [
        item for item in of_kind(found, "VpcEndpoint").values() if item.inputs["vpcEndpointType"] == "Interface"
    ]
    assert len(interface) == 11
    for item in interface:
        assert item.inputs["privateDnsEnabled"] is True
        assert item.inputs["securityGroupIds"] == ["net-endpoints-id"]
        assert item.inputs["subnetIds"] == [f"net-private-{zone}-id" for zone in ZONES]


def test_no_instance_gets_a_public_address_by_lying_somewhere() -> None:
    for item in of_kind(network(), "Subnet").values():
        assert item.inputs["mapPublicIpOnLaunch"] is False


def test_the_default_security_group_lets_nothing_through() -> None:
    inputs = network().one("DefaultSecurityGroup::net-default").inputs
    assert (inputs["ingress"], inputs["egress"]) == ([], [])


def test_all_connections_are_recorded_and_the_writer_may_write_nothing_else() -> None:
    found = network(flow_log_days=30)
    log = found.one("FlowLog::net-flow-logs").inputs
    assert (log["trafficType"], log["logDestinationType"]) == ("ALL", "cloud-watch-logs")
    assert found.one("LogGroup::net-flow-logs").inputs["retentionInDays"] == 30
    policy = found.one("RolePolicy::net-flow-logs").inputs["policy"]
    assert '"Resource": ["arn:aws:cloudwatch:us-east-1:111122223333:net-flow-logs:*"]' in policy


def test_every_resource_that_can_carry_tags_says_stack_part_and_owner() -> None:
    without = {"Route", "RouteTableAssociation", "RolePolicy"}
    for item in network().resources:
        if item.type.startswith("aws:") and item.type.rpartition(":")[2] not in without:
            tags = item.inputs["tags"]
            assert tags["tenbin.dev/stack"] == "test", item.key
            assert tags["tenbin.dev/part"] == "network", item.key
            assert tags["tenbin.dev/owner"] == "ml-platform", item.key


def test_load_balancers_and_karpenter_find_their_subnets() -> None:
    found = of_kind(network(), "Subnet")
    public, private, intra = (found[f"net-{kind}-eu-west-1a"].inputs["tags"] for kind in ("public", "private", "intra"))
    assert public["kubernetes.io/role/elb"] == "1"
    assert private["kubernetes.io/role/internal-elb"] == "1"
    assert private["karpenter.sh/discovery"] == "tenbin-test"
    assert not {"kubernetes.io/role/elb", "kubernetes.io/role/internal-elb", "karpenter.sh/discovery"} & set(intra)
    assert "karpenter.sh/discovery" not in public


def test_the_preview_of_a_new_network_shows_all_of_it() -> None:
    assert sorted(item.key for item in network(preview=True).resources) == sorted(
        item.key for item in network().resources
    )


def test_zones_are_found_by_name_in_the_outputs() -> None:
    outputs = network().outputs["Network::net"]
    assert outputs["private_subnet_ids"] == {zone: f"net-private-{zone}-id" for zone in ZONES}
    assert outputs["vpc_id"] == "net-id"


def test_every_problem_is_named_at_once() -> None:
    assert refused(cidr="10.0.0.1/16", zones=["eu-west-1", "eu-west-1b"], nat="both", private_prefix=30) == [
        "Network net has 4 problems:",
        "  - network.cidr: '10.0.0.1/16' is not an IPv4 range whose address is its first, for example '10.0.0.0/16'",
        "  - network.nat: 'both' is not allowed. Allowed: 'zone', 'single', 'none'",
        "  - network.private_prefix: 30: input should be less than or equal to 28",
        "  - network.zones[0]: 'eu-west-1' is not an availability zone of AWS outside China, for example 'us-east-1a'",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cidr": "10.0.0.0/12"}, "cidr 10.0.0.0/12 is no range of a VPC. Allowed: /16 to /28"),
        ({"zones": ["eu-west-1a", "eu-west-1a"]}, "zones names eu-west-1a more than once"),
        (
            {"zones": ["eu-west-1a", "us-east-1a"]},
            "zones are of 2 regions: eu-west-1, us-east-1. Allowed: zones of one region",
        ),
        (
            {"nat": "none", "endpoints": ["ec2", "eks", "sts", "eks-auth"]},
            "endpoints lacks ecr.api, ecr.dkr, which nodes need where nat is none",
        ),
        (
            {"cidr": "10.0.0.0/20", "private_prefix": 21},
            "cidr 10.0.0.0/20 holds the subnets of 1 zones, zones has 3. Allowed: a wider cidr or longer prefixes",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], message: str) -> None:
    assert refused(**fields) == ["Network net has 1 problem:", f"  - network: {message}"]
