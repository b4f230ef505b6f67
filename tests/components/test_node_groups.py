"""Pools as managed node groups: each way of buying on each kind of node, and the traps of AWS, each by its name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support import pools
from support.registered import Registrations
from tenbin._layout import pool as contract_layout
from tenbin_spec import catalogue, images
from tenbin_spec.pools import CapacityType

RESERVATION = "cr-0123456789abcdef0"
BUILDABLE = sorted(name for name in catalogue.instances() if images.image_type(name))
WITH_EFA = sorted(name for name in BUILDABLE if catalogue.instances()[name].efa_interfaces)
BLOCKS = sorted(name for name in BUILDABLE if catalogue.instances()[name].capacity_block)


def template(found: Registrations) -> dict[str, Any]:
    return found.one("LaunchTemplate::fast").inputs


def group(found: Registrations) -> dict[str, Any]:
    return found.one("NodeGroup::fast").inputs


def node_config(found: Registrations) -> dict[str, Any]:
    text = base64.b64decode(template(found)["userData"]).decode()
    assert "Content-Type: application/node.eks.aws" in text
    [line] = [line for line in text.splitlines() if line.startswith("{")]
    plain: dict[str, Any] = json.loads(line)
    return plain


def bought(capacity_type: str) -> dict[str, Any]:
    reserved = capacity_type in {"reservation", "capacity-block"}
    return {"capacity_type": capacity_type, **({"capacity_reservation": RESERVATION} if reserved else {})}


@pytest.mark.parametrize("instance_type", ["g6.xlarge", "g5g.xlarge", "inf2.xlarge", "p5.48xlarge"])
@pytest.mark.parametrize("version", sorted(catalogue.addon_versions()))
def test_image_and_version_follow_from_accelerator_architecture_and_cluster(instance_type: str, version: str) -> None:
    found = group(pools.pool(instance_type, cluster={"version": version}))
    instance = catalogue.instances()[instance_type]
    vendor = catalogue.accelerators()[instance.accelerator].vendor
    architecture = {"amd64": "x86_64", "arm64": "ARM_64"}[instance.architecture]
    assert found["amiType"] == f"AL2023_{architecture}_{'NVIDIA' if vendor == 'nvidia' else 'NEURON'}"
    assert found["version"] == version


@pytest.mark.parametrize("instance_type", BUILDABLE)
def test_no_image_is_of_amazon_linux_2_and_each_has_the_architecture_of_its_nodes(instance_type: str) -> None:
    image = str(images.image_type(instance_type))
    assert image.startswith("AL2023_")
    assert ("ARM_64" in image) is (catalogue.instances()[instance_type].architecture == "arm64")


@pytest.mark.parametrize(
    ("capacity_type", "group_type"),
    [
        ("on-demand", "ON_DEMAND"),
        ("spot", "SPOT"),
        ("reservation", "ON_DEMAND"),
        ("capacity-block", "CAPACITY_BLOCK"),
    ],
)
def test_each_way_of_buying_is_a_type_of_the_group(capacity_type: str, group_type: str) -> None:
    found = pools.pool("p5.48xlarge", zones=["eu-west-1a"], **bought(capacity_type))
    assert group(found)["capacityType"] == group_type
    market = template(found).get("instanceMarketOptions")
    assert market == ({"marketType": "capacity-block"} if capacity_type == CapacityType.CAPACITY_BLOCK else None)


@pytest.mark.parametrize("instance_type", BLOCKS)
def test_a_capacity_block_has_market_type_target_and_instance_type_in_the_template_and_none_on_the_group(
    instance_type: str,
) -> None:
    found = pools.pool(instance_type, zones=["eu-west-1b"], **bought("capacity-block"))
    launched = template(found)
    assert launched["instanceType"] == instance_type
    assert launched["instanceMarketOptions"] == {"marketType": "capacity-block"}
    target = launched["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": RESERVATION}
    assert "instanceTypes" not in group(found)
    assert group(found)["subnetIds"] == ["subnet-b"]


def test_a_capacity_block_has_no_nodes_before_it_begins() -> None:
    found = group(pools.pool("p5.48xlarge", zones=["eu-west-1a"], **bought("capacity-block")))
    assert found["scalingConfig"] == {"minSize": 0, "maxSize": 2, "desiredSize": 0}


def test_a_targeted_reservation_has_a_target_and_no_market_type() -> None:
    found = pools.pool("p5.48xlarge", zones=["eu-west-1a"], **bought("reservation"))
    launched = template(found)
    assert "instanceMarketOptions" not in launched
    assert "instanceType" not in launched
    target = launched["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": RESERVATION}
    assert group(found)["instanceTypes"] == ["p5.48xlarge"]


@pytest.mark.parametrize("capacity_type", ["on-demand", "spot"])
def test_what_is_bought_at_once_names_no_reservation(capacity_type: str) -> None:
    launched = template(pools.pool("g6.xlarge", capacity_type=capacity_type))
    assert not {"capacityReservationSpecification", "instanceMarketOptions", "instanceType"} & set(launched)


@pytest.mark.parametrize("instance_type", WITH_EFA)
def test_every_card_with_efa_has_an_adapter_and_none_but_the_first_takes_an_address(instance_type: str) -> None:
    instance = catalogue.instances()[instance_type]
    cards = template(pools.pool(instance_type, efa=True, zones=["eu-west-1a"]))["networkInterfaces"]
    first, *others = cards
    assert (first["networkCardIndex"], first["deviceIndex"]) == (0, 0)
    assert first["interfaceType"] == ("efa" if instance.efa_interfaces == instance.network_cards else "interface")
    assert [card["networkCardIndex"] for card in others] == [card for card in instance.efa_cards if card]
    assert {(card["deviceIndex"], card["interfaceType"]) for card in others} <= {(1, "efa-only")}
    assert sum(card["interfaceType"].startswith("efa") for card in cards) == instance.efa_interfaces


def test_the_first_card_of_b300_has_no_adapter() -> None:
    cards = template(pools.pool("p6-b300.48xlarge", efa=True, zones=["eu-west-1a"]))["networkInterfaces"]
    assert [card["interfaceType"] for card in cards] == ["interface", *["efa-only"] * 16]


@pytest.mark.parametrize("efa", [False, True])
def test_a_launch_template_of_a_managed_group_names_no_subnet(efa: bool) -> None:
    launched = template(pools.pool("p5.48xlarge", efa=efa, zones=["eu-west-1a"]))
    assert "subnet" not in json.dumps(launched).lower()
    assert not {"imageId", "iamInstanceProfile", "keyName"} & set(launched)


def test_security_groups_lie_in_one_place_and_name_the_clusters_own() -> None:
    plain = template(pools.pool("p5.48xlarge"))
    assert plain["vpcSecurityGroupIds"] == ["sg-cluster"]
    with_efa = template(pools.pool("p5.48xlarge", efa=True, zones=["eu-west-1a"]))
    assert "vpcSecurityGroupIds" not in with_efa
    assert {tuple(card["securityGroups"]) for card in with_efa["networkInterfaces"]} == {("sg-cluster", "fast-efa-id")}


def test_adapters_reach_each_other_in_both_directions_and_nothing_else() -> None:
    found = pools.pool("p5.48xlarge", efa=True, zones=["eu-west-1a"])
    for direction in ("Ingress", "Egress"):
        rule = found.one(f"SecurityGroup{direction}Rule::fast-efa").inputs
        assert rule["ipProtocol"] == "-1"
        assert rule["securityGroupId"] == rule["referencedSecurityGroupId"] == "fast-efa-id"
        assert not {"cidrIpv4", "cidrIpv6", "fromPort"} & set(rule)


def test_efa_forces_no_placement_group() -> None:
    found = pools.pool("p5.48xlarge", efa=True, zones=["eu-west-1a"])
    assert "placement" not in template(found)
    assert not [item for item in found.resources if item.key.startswith("PlacementGroup")]


def test_placement_is_a_choice_of_its_own() -> None:
    made = pools.pool("p5.48xlarge", placement="cluster", zones=["eu-west-1a"])
    assert template(made)["placement"] == {"groupName": "fast-1a2b3c4"}
    assert made.one("PlacementGroup::fast").inputs["strategy"] == "cluster"
    existing = pools.pool(
        "p5.48xlarge", placement="existing", placement_group="bought", zones=["eu-west-1a"], **bought("reservation")
    )
    assert template(existing)["placement"] == {"groupName": "bought"}
    assert not [item for item in existing.resources if item.key.startswith("PlacementGroup")]


def test_nodes_carry_label_and_taints_that_the_pods_of_the_pool_select_and_tolerate() -> None:
    bond, found = contract_layout.contract_of("fast"), group(pools.pool("g6.xlarge"))
    assert found["labels"] == {**bond.node_selector, "k8s.amazonaws.com/accelerator": "l4"}
    effects = {"NO_SCHEDULE": "NoSchedule"}
    for taint in found["taints"]:
        [toleration] = [item for item in bond.tolerations if item["key"] == taint["key"]]
        assert toleration["effect"] == effects[taint["effect"]]
        assert toleration["operator"] == "Exists" or toleration["value"] == taint["value"]


@pytest.mark.parametrize(
    ("instance_type", "nvme", "strategy"),
    [("g6.xlarge", "raid0", "RAID0"), ("g6.xlarge", "none", None), ("g5g.xlarge", "raid0", None)],
)
def test_disks_become_one_volume_where_there_are_any_and_it_is_wanted(
    instance_type: str, nvme: str, strategy: str | None
) -> None:
    spec = node_config(pools.pool(instance_type, nvme=nvme))["spec"]
    assert spec.get("instance", {}).get("localStorage", {}).get("strategy") == strategy
    assert spec["featureGates"] == {"FastImagePull": True}


def test_a_default_template_brings_no_unencrypted_disk_and_none_of_20_gb() -> None:
    [device] = template(pools.pool("g6.xlarge"))["blockDeviceMappings"]
    assert (device["ebs"]["encrypted"], device["ebs"]["volumeSize"], device["ebs"]["volumeType"]) == (True, 200, "gp3")


def test_no_pod_takes_the_identity_of_its_node() -> None:
    metadata = template(pools.pool("g6.xlarge"))["metadataOptions"]
    assert metadata == {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}


def test_nodes_are_repaired_and_updated_one_by_one() -> None:
    found = group(pools.pool("g6.xlarge"))
    assert found["nodeRepairConfig"] == {"enabled": True}
    assert found["updateConfig"] == {"maxUnavailable": 1, "updateStrategy": "DEFAULT"}


@pytest.mark.parametrize("capacity_type", ["reservation", "capacity-block"])
def test_an_update_needs_no_node_beyond_what_was_bought(capacity_type: str) -> None:
    found = group(pools.pool("p5.48xlarge", zones=["eu-west-1a"], **bought(capacity_type)))
    assert found["updateConfig"]["updateStrategy"] == "MINIMAL"


def test_the_count_of_nodes_is_not_fought_over() -> None:
    item = pools.pool("g6.xlarge", nodes={"min": 1, "max": 3}).one("NodeGroup::fast")
    assert item.inputs["scalingConfig"] == {"minSize": 1, "maxSize": 3, "desiredSize": 1}
    assert item.ignore_changes == ("scalingConfig.desiredSize",)


def test_a_pinned_release_is_the_groups() -> None:
    assert "releaseVersion" not in group(pools.pool("g6.xlarge"))
    assert group(pools.pool("g6.xlarge", ami_release="1.35.2-20260714"))["releaseVersion"] == "1.35.2-20260714"


def test_nodes_lie_in_the_pools_zones_or_in_all_of_the_clusters() -> None:
    assert group(pools.pool("g6.xlarge"))["subnetIds"] == ["subnet-a", "subnet-b", "subnet-c"]
    assert group(pools.pool("g6.xlarge", zones=["eu-west-1c"]))["subnetIds"] == ["subnet-c"]


def test_everything_says_who_pays_and_for_which_pool() -> None:
    found = pools.pool("p5.48xlarge", efa=True, placement="cluster", zones=["eu-west-1a"])
    tagged = [item for item in found.resources if item.type.startswith("aws:")]
    assert len(tagged) == 6
    for item in tagged:
        tags = item.inputs["tags"]
        assert (tags["tenbin.dev/stack"], tags["tenbin.dev/pool"], tags["tenbin.dev/owner"]) == (
            *("test", "fast", "ml-platform"),
        ), item.key
    for specification in template(found)["tagSpecifications"]:
        assert specification["tags"]["tenbin.dev/pool"] == "fast"


def test_the_preview_of_a_new_pool_shows_all_of_it() -> None:
    options: dict[str, Any] = {"efa": True, "placement": "cluster", "zones": ["eu-west-1a"]}
    shown = pools.pool("p5.48xlarge", preview=True, **options)
    made = pools.pool("p5.48xlarge", **options)
    assert sorted(item.key for item in shown.resources) == sorted(item.key for item in made.resources)
