"""The simulated nodes come from the stack's pools, as the node agent reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenbin_local.agent import nodes as agent_nodes
from tenbin_local.agent import settings
from tenbin_local.environment import control_plane, nodes
from tenbin_spec.pools import Pool

if TYPE_CHECKING:
    from tenbin_local.environment.layout import Layout


def pools() -> dict[str, Pool]:
    return {
        "spot": Pool.model_validate(
            {"instance_type": "g6.xlarge", "capacity_type": "spot", "nodes": {"max": 2}, "lead_time_s": 20},
            strict=False,
        ),
        "large": Pool.model_validate({"instance_type": "g6.12xlarge", "nodes": {"max": 3}}),
    }


def test_each_pool_has_as_many_nodes_as_it_may_have() -> None:
    content = nodes.content_of(pools())
    assert content["pools"] == [
        {
            "name": "large",
            "count": 3,
            "instance_type": "g6.12xlarge",
            "gpus": 4,
            "cpu": "48",
            "memory": "192Gi",
            "start_delay_s": 300.0,
        },
        {
            "name": "spot",
            "count": 2,
            "instance_type": "g6.xlarge",
            "gpus": 1,
            "cpu": "4",
            "memory": "16Gi",
            "start_delay_s": 20.0,
        },
    ]


def test_the_node_agent_reads_what_is_written() -> None:
    content = nodes.content_of(pools())
    read = settings.NodesFile.model_validate_json(json.dumps(content))
    assert [(pool.name, pool.count, pool.gpus) for pool in read.pools] == [("large", 3, 4), ("spot", 2, 1)]
    assert read.agent.heartbeat_s * 3 < control_plane.NODE_LOST_S


def test_the_expected_nodes_are_those_that_the_agent_registers(place: Layout) -> None:
    content = json.dumps(nodes.content_of(pools()))
    place.root.mkdir(parents=True)
    place.nodes.write_text(content)
    registered = agent_nodes.node_specs(settings.NodesFile.model_validate_json(content), lambda _: "127.0.0.2")
    assert set().union(*nodes.expected(place).values()) == set(registered)
    assert nodes.expected(place)["large"] == {"large-0", "large-1", "large-2"}


def test_without_a_file_nothing_is_expected(place: Layout) -> None:
    assert nodes.expected(place) == {}
