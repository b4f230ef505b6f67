"""Pools as NodePools of Karpenter, of one's own and of Auto Mode, and the traps of both, each by its name."""

from __future__ import annotations

from typing import Any

import pytest
from support import pools
from support.registered import Registrations
from tenbin._layout import pool as contract_layout

RESERVATION = "cr-0123456789abcdef0"
AUTO: dict[str, Any] = {"auto_mode": True}


def made(instance_type: str = "g6.xlarge", **options: Any) -> Registrations:
    return pools.pool(instance_type, backend="karpenter", **options)


def node_pool(found: Registrations) -> dict[str, Any]:
    item = found.one("NodePool::fast")
    assert (item.inputs["apiVersion"], item.inputs["kind"]) == ("karpenter.sh/v1", "NodePool")
    spec: dict[str, Any] = item.inputs["spec"]
    return spec


def node_class(found: Registrations) -> dict[str, Any]:
    [item] = [item for item in found.resources if item.name == "fast-class"]
    spec: dict[str, Any] = item.inputs["spec"]
    return spec


def requirements(found: Registrations) -> dict[str, list[str]]:
    return {item["key"]: item["values"] for item in node_pool(found)["template"]["spec"]["requirements"]}


@pytest.mark.parametrize(
    ("cluster", "group", "kind"),
    [({}, "karpenter.k8s.aws", "EC2NodeClass"), (AUTO, "eks.amazonaws.com", "NodeClass")],
)
def test_a_pool_refers_to_the_class_that_comes_before_it(cluster: dict[str, Any], group: str, kind: str) -> None:
    found = made(cluster=cluster)
    reference = node_pool(found)["template"]["spec"]["nodeClassRef"]
    assert reference == {"group": group, "kind": kind, "name": "fast"}
    item = found.one(f"{kind}::fast-class")
    assert item.inputs["apiVersion"] == f"{group}/v1"
    assert item.inputs["metadata"]["name"] == "fast"
    assert f"{kind}::fast-class" in found.one("NodePool::fast").depends_on


@pytest.mark.parametrize(
    ("capacity_type", "written"),
    [("on-demand", "on-demand"), ("spot", "spot"), ("reservation", "reserved"), ("capacity-block", "reserved")],
)
@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_each_way_of_buying_is_a_capacity_type(cluster: dict[str, Any], capacity_type: str, written: str) -> None:
    reserved = {"capacity_reservation": RESERVATION} if written == "reserved" else {}
    found = made("p5.48xlarge", cluster=cluster, zones=["eu-west-1a"], capacity_type=capacity_type, **reserved)
    assert requirements(found) == {
        "node.kubernetes.io/instance-type": ["p5.48xlarge"],
        "karpenter.sh/capacity-type": [written],
        "topology.kubernetes.io/zone": ["eu-west-1a"],
    }
    terms = node_class(found).get("capacityReservationSelectorTerms")
    assert terms == ([{"id": RESERVATION}] if reserved else None)


def test_nodes_carry_the_contract_of_the_pool() -> None:
    bond, template = contract_layout.contract_of("fast"), node_pool(made())["template"]
    assert template["metadata"]["labels"] == bond.labels
    assert template["spec"]["taints"] == list(bond.taints)


def test_busy_engines_are_never_moved_together() -> None:
    disruption = node_pool(made())["disruption"]
    assert disruption["consolidationPolicy"] == "WhenEmpty"
    assert disruption["consolidateAfter"] == "15m"
    assert disruption["budgets"] == [{"nodes": "1"}]


def test_nodes_of_a_capacity_block_are_kept_as_long_as_they_are_paid_for() -> None:
    found = made("p5.48xlarge", zones=["eu-west-1a"], capacity_type="capacity-block", capacity_reservation=RESERVATION)
    assert node_pool(found)["disruption"]["consolidateAfter"] == "Never"


def test_limits_hold_whole_nodes_so_that_a_pool_goes_past_its_first() -> None:
    assert node_pool(made("g6.12xlarge", nodes={"max": 3}))["limits"] == {"cpu": "144", "nvidia.com/gpu": "12"}


@pytest.mark.parametrize(("cap", "nodes"), [("100", 4), ("2.00", 2), ("1.61", 2), ("1.60", 1), ("0.80", 0)])
def test_limits_follow_from_the_cost_cap(cap: str, nodes: int) -> None:
    found = made("g6.xlarge", nodes={"max": 4}, cap=cap, hourly_usd="0.8048")
    assert node_pool(found)["limits"]["nvidia.com/gpu"] == str(nodes)


def test_without_a_price_the_pools_own_maximum_is_the_limit() -> None:
    assert node_pool(made("p5.48xlarge", cap="1.00"))["limits"]["nvidia.com/gpu"] == "16"


def test_nodes_end_before_auto_mode_ends_them() -> None:
    assert node_pool(made(cluster=AUTO))["template"]["spec"]["expireAfter"] == "480h"
    assert node_pool(made())["template"]["spec"]["expireAfter"] == "720h"


@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_all_adapters_are_attached_and_the_first_card_has_one_beside_its_address(cluster: dict[str, Any]) -> None:
    spec = node_class(made("p5en.48xlarge", cluster=cluster, efa=True, zones=["eu-west-1a"]))
    cards = (spec["advancedNetworking"] if cluster else spec)["networkInterfaces"]
    assert cards[:2] == [
        {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"},
        {"networkCardIndex": 0, "deviceIndex": 1, "interfaceType": "efa-only"},
    ]
    assert [(card["networkCardIndex"], card["deviceIndex"]) for card in cards[2:]] == [
        (card, 0) for card in range(1, 16)
    ]
    assert {card["interfaceType"] for card in cards[1:]} == {"efa-only"}
    assert spec["securityGroupSelectorTerms"] == [{"id": "sg-cluster"}, {"id": "fast-efa-id"}]


def test_the_first_card_of_b300_has_no_adapter() -> None:
    cards = node_class(made("p6-b300.48xlarge", efa=True, zones=["eu-west-1a"]))["networkInterfaces"]
    assert [card["networkCardIndex"] for card in cards] == list(range(17))


@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_nodes_lie_in_the_subnets_of_their_zones_and_take_the_clusters_role(cluster: dict[str, Any]) -> None:
    spec = node_class(made(cluster=cluster, zones=["eu-west-1b"]))
    assert spec["subnetSelectorTerms"] == [{"id": "subnet-b"}]
    assert spec["role"] == "node"
    every = node_class(made(cluster=cluster))
    assert every["subnetSelectorTerms"] == [{"id": f"subnet-{letter}"} for letter in "abc"]


def test_nodes_of_ones_own_karpenter_have_the_profile_that_is_made_for_them() -> None:
    spec = node_class(made(place={"instance_profile_name": "nodes-of-karpenter"}))
    assert (spec["instanceProfile"], "role" in spec) == ("nodes-of-karpenter", False)


@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_placement_is_a_choice_of_its_own(cluster: dict[str, Any]) -> None:
    plain = made("p5.48xlarge", cluster=cluster, efa=True, zones=["eu-west-1a"])
    assert "placementGroupSelector" not in node_class(plain)
    close = made("p5.48xlarge", cluster=cluster, placement="cluster", zones=["eu-west-1a"])
    assert node_class(close)["placementGroupSelector"] == {"name": "fast-1a2b3c4"}


def test_own_nodes_are_as_hard_as_those_of_a_group() -> None:
    spec = node_class(made())
    assert spec["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    [device] = spec["blockDeviceMappings"]
    assert (device["ebs"]["encrypted"], device["ebs"]["volumeSize"]) == (True, "200Gi")
    assert spec["amiSelectorTerms"] == [{"alias": "al2023@latest"}]
    assert spec["instanceStorePolicy"] == "RAID0"
    assert '"FastImagePull": true' in spec["userData"]


def test_own_nodes_take_a_pinned_release_and_leave_disks_alone_when_told() -> None:
    spec = node_class(made(ami_release="v20260714", nvme="none"))
    assert spec["amiSelectorTerms"] == [{"alias": "al2023@v20260714"}]
    assert "instanceStorePolicy" not in spec


def test_a_class_of_auto_mode_names_nothing_that_it_brings_itself() -> None:
    spec = node_class(made(cluster=AUTO))
    assert spec["ephemeralStorage"] == {"size": "200Gi"}
    brought = {"amiSelectorTerms", "userData", "metadataOptions", "blockDeviceMappings", "instanceStorePolicy"}
    assert not brought & set(spec)


@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_what_is_launched_says_who_pays_and_for_which_pool(cluster: dict[str, Any]) -> None:
    tags = node_class(made(cluster=cluster))["tags"]
    assert (tags["tenbin.dev/stack"], tags["tenbin.dev/pool"], tags["tenbin.dev/owner"]) == (
        *("test", "fast", "ml-platform"),
    )
    assert "Name" not in tags


@pytest.mark.parametrize("cluster", [{}, AUTO])
def test_the_preview_of_a_new_pool_shows_all_of_it(cluster: dict[str, Any]) -> None:
    options: dict[str, Any] = {"cluster": cluster, "efa": True, "placement": "cluster", "zones": ["eu-west-1a"]}
    shown, whole = made("p5.48xlarge", preview=True, **options), made("p5.48xlarge", **options)
    assert sorted(item.key for item in shown.resources) == sorted(item.key for item in whole.resources)
