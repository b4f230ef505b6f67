"""The simulated nodes: as many of each pool as the stack's pool may have, with what its instance type offers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tenbin_spec import catalogue
from tenbin_spec.pools import Pool

from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.layout import Layout
from tenbin_local.environment.stacks import stack_configuration

AGENT_OPTIONS = {"heartbeat_s": 3.0, "restart_backoff_s": 2.0}
"""Faster than a kubelet's, as the control plane notices a lost node faster (`control_plane.NODE_LOST_S`)."""

SYSTEM = "system"
"""What stands for a pool's name on nodes without accelerators."""


def write(layout: Layout, stack: str) -> bool:
    """Write `nodes.json` from a stack's pools and say whether it changed.

    Raises:
        ConfigurationError: the stack file has problems; nothing is written.
    """
    pools = stack_configuration(layout, stack).pools
    content = json.dumps(content_of(pools), indent=2) + "\n"
    if layout.nodes.exists() and layout.nodes.read_text() == content:
        return False
    write_atomically(layout.nodes, content)
    return True


def content_of(pools: Mapping[str, Pool]) -> dict[str, Any]:
    """Return the content of `nodes.json` for some pools."""
    return {
        "system": {"count": 1, "cpu": "8", "memory": "16Gi"},
        "pools": [_pool(name, pool) for name, pool in sorted(pools.items())],
        "agent": AGENT_OPTIONS,
    }


def expected(layout: Layout) -> dict[str, set[str]]:
    """Return the names of the nodes that there should be, by pool, as the node agent gives them."""
    try:
        content = json.loads(layout.nodes.read_text())
    except (OSError, ValueError):
        return {}
    counts = {pool["name"]: pool["count"] for pool in content["pools"]} | {SYSTEM: content["system"]["count"]}
    return {pool: {f"{pool}-{index}" for index in range(count)} for pool, count in counts.items()}


def _pool(name: str, pool: Pool) -> dict[str, Any]:
    instance = catalogue.instances()[pool.instance_type]
    return {
        "name": name,
        "count": pool.nodes.max,
        "instance_type": pool.instance_type,
        "gpus": instance.accelerators,
        "cpu": str(instance.vcpu),
        "memory": f"{instance.memory_gib}Gi",
        "start_delay_s": float(pool.lead_time_prior_s),
    }
