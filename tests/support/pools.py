"""`AcceleratorPool` on a cluster of kind `eks`, with everything that it is placed by."""

from __future__ import annotations

from typing import Any

import tenbin

from support import amazon
from support.registered import Registrations, register

PLACE = {
    "cluster_name": "tenbin-test",
    "vpc_id": "vpc-1",
    "subnet_ids": {f"eu-west-1{letter}": f"subnet-{letter}" for letter in "abc"},
    "security_group_id": "sg-cluster",
    "node_role_arn": f"arn:aws:iam::{amazon.ACCOUNT}:role/node",
    "node_role_name": "node",
}


def pool(
    instance_type: str,
    *,
    cluster: dict[str, Any] | None = None,
    cap: str | None = None,
    preview: bool = False,
    place: dict[str, Any] | None = None,
    **fields: Any,
) -> Registrations:
    """Register a pool called `fast` and return what it is made of.

    Args:
        instance_type: of its nodes.
        cluster: fields of the cluster that differ from the valid one.
        cap: money limit per hour.
        preview: whether it runs as in `pulumi preview`.
        place: what it is placed by besides what every pool is.
        fields: further fields of the pool.
    """
    args: Any = {
        "pool": {"instance_type": instance_type, "nodes": {"max": 2}, "region": "eu-west-1", **fields},
        "cluster": amazon.plain_cluster(**(cluster or {})),
        **PLACE,
        **(place or {}),
    }
    if cap is not None:
        args["hourly_cap_usd"] = cap
    return register(lambda: tenbin.AcceleratorPool("fast", args), preview=preview)
