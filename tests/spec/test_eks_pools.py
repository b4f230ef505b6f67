"""Pools that cannot be bought or built on AWS: each rule by one pool that breaks it and one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from support import amazon
from tenbin_spec.eks_pools import pool_problems

CLUSTER = amazon.plain_cluster()
BLOCK = {"capacity_type": "capacity-block", "capacity_reservation": "cr-0123456789abcdef0", "zones": ["eu-west-1a"]}
RESERVED = {"capacity_type": "reservation", "capacity_reservation": "cr-0123456789abcdef0"}
ZONES = "Allowed: one of eu-west-1a, eu-west-1b, eu-west-1c"


def problems(cluster: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    pool = {"instance_type": "p5.48xlarge", "nodes": {"max": 2}, "region": "eu-west-1", **fields}
    return [str(item) for item in pool_problems({**CLUSTER, **(cluster or {})}, "fast", pool, "tenbin:")]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"zones": ["eu-west-1a", "eu-west-1c"]},
        {"efa": True, "zones": ["eu-west-1a"]},
        {"efa": True, "zones": ["eu-west-1a"], "placement": "cluster"},
        {"capacity_type": "spot"},
        BLOCK,
        {**BLOCK, "efa": True, "backend": "karpenter"},
        RESERVED,
        {**RESERVED, "placement": "existing", "placement_group": "bought", "zones": ["eu-west-1a"]},
        {"ami_release": "1.35.2-20260714"},
        {"backend": "karpenter", "ami_release": "v20260714", "nvme": "none"},
        {"nodes": {"min": 2, "max": 2}},
    ],
)
def test_what_can_be_bought_and_built_has_no_problem(fields: dict[str, Any]) -> None:
    assert problems(**fields) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"region": "us-east-1"}, "region: 'us-east-1' is not the region of the cluster's network. Allowed: eu-west-1"),
        (
            {"zones": ["eu-west-1d"]},
            (
                "zones: 'eu-west-1d' is not a zone of the cluster's network; did you mean 'eu-west-1c'? "
                "Allowed: eu-west-1a, eu-west-1b, eu-west-1c"
            ),
        ),
        ({"efa": True}, f"zones: names 0 zones, exactly one is needed for EFA. {ZONES}"),
        (
            {**BLOCK, "zones": ["eu-west-1a", "eu-west-1b"]},
            f"zones: names 2 zones, exactly one is needed for a capacity block. {ZONES}",
        ),
        ({"placement": "cluster"}, f"zones: names 0 zones, exactly one is needed for a placement group. {ZONES}"),
        (
            {"instance_type": "g6.xlarge", "efa": True, "zones": ["eu-west-1a"]},
            (
                "efa: true, but g6.xlarge has no EFA. Allowed: false, or g6.12xlarge, g6.16xlarge, g6.24xlarge, "
                "g6.48xlarge, g6.8xlarge, gr6.8xlarge"
            ),
        ),
        (
            {**BLOCK, "capacity_reservation": None},
            "capacity_reservation: is required by capacity_type capacity-block: the id of what was bought",
        ),
        (
            {"capacity_type": "reservation"},
            "capacity_reservation: is required by capacity_type reservation: the id of what was bought",
        ),
        (
            {"capacity_type": "spot", "capacity_reservation": "cr-0123456789abcdef0"},
            (
                "capacity_reservation: 'cr-0123456789abcdef0' is not used by capacity_type spot. Allowed with "
                "reservation or capacity-block"
            ),
        ),
        (
            {**BLOCK, "nodes": {"min": 1, "max": 2}},
            "nodes: min is 1, a capacity block has no nodes before it begins. Allowed: min 0",
        ),
        (
            {**BLOCK, "placement": "cluster"},
            "placement: 'cluster' cannot hold a capacity block, which AWS places itself. Allowed: none",
        ),
        (
            {**RESERVED, "placement": "cluster", "zones": ["eu-west-1a"]},
            "placement: 'cluster' makes a group that holds none of a reservation. Allowed: none, existing",
        ),
        (
            {"placement": "existing", "zones": ["eu-west-1a"]},
            "placement_group: is required by placement existing: the name of the group",
        ),
        (
            {"placement_group": "bought"},
            "placement_group: 'bought' is not used by placement none. Allowed with existing",
        ),
        (
            {"backend": "karpenter", "nodes": {"min": 1, "max": 2}},
            "nodes: min is 1, Karpenter keeps no empty nodes. Allowed: min 0, or backend managed",
        ),
        (
            {"ami_release": "v20260714"},
            "ami_release: 'v20260714' is not how backend managed writes a release, for example '1.35.2-20260714'",
        ),
    ],
)
def test_what_cannot_is_named_with_what_is_allowed(fields: dict[str, Any], message: str) -> None:
    assert problems(**fields) == [f"tenbin:pools.fast.{message}"]


def test_a_type_that_is_not_sold_as_a_block_is_refused() -> None:
    [problem] = problems(**BLOCK, instance_type="g6.xlarge")
    assert problem.startswith(
        "tenbin:pools.fast.instance_type: 'g6.xlarge' is not sold as a capacity block; did you mean"
    )
    assert "p5.48xlarge" in problem


@pytest.mark.parametrize("instance_type", ["g7.xlarge", "p3dn.24xlarge"])
def test_a_type_whose_driver_no_image_has_is_refused(instance_type: str) -> None:
    known = {"g7.xlarge": "g7.2xlarge"}.get(instance_type, instance_type)
    [problem] = problems(instance_type=known)
    assert problem.startswith(f"tenbin:pools.fast.instance_type: EKS has no image for {known}. Allowed: types of g4dn,")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "backend: 'managed' groups lack what auto_mode has inside its nodes. Allowed with auto_mode: karpenter"),
        (
            {"backend": "karpenter", "ami_release": "v20260714"},
            "ami_release: 'v20260714' is not used by auto_mode, which replaces images itself. Allowed without it",
        ),
        (
            {"backend": "karpenter", "nvme": "none"},
            "nvme: 'none' is not possible with auto_mode, which always uses the disks. Allowed: raid0",
        ),
    ],
)
def test_auto_mode_leaves_no_choice_of_what_it_brings(fields: dict[str, Any], message: str) -> None:
    assert problems({"auto_mode": True}, **fields) == [f"tenbin:pools.fast.{message}"]


def test_an_existing_cluster_makes_its_own_nodes() -> None:
    fields = {"efa": True, "backend": "karpenter", "volume_gb": 200, "nvme": "raid0"}
    found = pool_problems({"kind": "existing"}, "fast", {"instance_type": "g6.xlarge", **fields}, "tenbin:")
    assert [item.path for item in found] == ["tenbin:pools.fast.backend", "tenbin:pools.fast.efa"]


@pytest.mark.parametrize("value", [None, 5, "text", [], {}])
@pytest.mark.parametrize("field", ["zones", "nodes", "region", "efa", "placement", "capacity_type", "ami_release"])
def test_misshapen_values_are_left_to_the_models(field: str, value: Any) -> None:
    problems(**{field: value})
    pool_problems({"kind": "eks", "network": value, field: value}, "fast", {field: value})
