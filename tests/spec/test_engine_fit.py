"""Replicas that span nodes: what can be laid out, what each costs, and what cannot, with what is allowed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from support import amazon
from support.stacks import plain_stack
from tenbin_spec.cost import fleets
from tenbin_spec.document import document_of, parse_document
from tenbin_spec.placements import placements
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.stack import Stack, parse_stack

ENGINE: dict[str, Any] = {
    "kind": "vllm",
    "image": "vllm/vllm-openai:v0.24.0",
    "tensor_parallel": 8,
    "pipeline_parallel": 2,
    "nodes_per_replica": 2,
    "max_model_len": 16384,
}
POOL: dict[str, Any] = {"instance_type": "p5.48xlarge", "nodes": {"max": 5}, "hourly_usd": "50.00"}
PLACE = "tenbin:services.chat.pools[0]"


def plain(*, engine: dict[str, Any] | None = None, pool: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return plain_stack(
        services__chat__engine={**ENGINE, **(engine or {})},
        services__chat__model={"id": "meta-llama/Llama-3.1-405B-Instruct"},
        services__chat__pools=["h100"],
        pools={"h100": {**POOL, **(pool or {})}},
        **more,
    )


def stack(**parts: Any) -> Stack:
    return parse_stack(plain(**parts))


def problems(**parts: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_stack(plain(**parts))
    return [str(problem) for problem in caught.value.problems]


def test_a_replica_that_spans_nodes_takes_them_whole_and_costs_all_of_them() -> None:
    [placement] = placements(stack())
    assert (placement.accelerators, placement.nodes) == (16, 2)
    assert placement.hourly_usd == Decimal("100.00")


def test_the_bill_has_all_nodes_of_each_group_beside_the_packed_ones() -> None:
    pool = stack().pools["h100"]
    assert fleets.nodes(pool, [(16, 2)], is_made=True) == 4
    assert fleets.nodes(pool, [(16, 1), (8, 1), (4, 2)], is_made=True) == 4


@pytest.mark.parametrize(("nodes", "replicas"), [(2, 1), (3, 1), (5, 2), (12, 6)])
def test_a_pool_holds_whole_groups_alone(nodes: int, replicas: int) -> None:
    [placement] = placements(stack(pool={"nodes": {"max": nodes}}))
    assert placement.max_replicas == replicas


def test_what_is_scaled_is_a_set_of_groups_and_stays_it_over_the_wire() -> None:
    document = document_of(stack(), "test")
    [workload] = parse_document(document.to_json()).workloads
    assert (workload.scaled.api_version, workload.scaled.kind, workload.scaled.name) == (
        *("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "chat-serve-h100"),
    )
    assert (workload.accelerators, workload.hourly_usd) == (16, Decimal("100.00"))


def test_a_replica_on_one_node_is_a_deployment() -> None:
    [placement, _] = placements(parse_stack(plain_stack()))
    assert (placement.nodes, placement.target) == (1, None)


def test_stages_on_one_node_add_up_to_its_accelerators() -> None:
    found = plain(engine={"tensor_parallel": 4, "nodes_per_replica": 1})
    found["services"]["chat"]["model"] = {"id": "meta-llama/Llama-3.3-70B-Instruct"}
    [placement] = placements(parse_stack(found))
    assert (placement.accelerators, placement.hourly_usd) == (8, Decimal("50.00"))
    # The profile of four accelerators without stages says nothing of eight in two.
    assert placement.profile is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"engine": {"tensor_parallel": 4}},
            (
                f"{PLACE}: 'h100' has 8 accelerators per node, 16 in 2 whole nodes, and tensor_parallel x"
                " pipeline_parallel is 8. Allowed: 16, or another pool or nodes_per_replica"
            ),
        ),
        (
            {"engine": {"nodes_per_replica": 1}},
            (
                f"{PLACE}: 'h100' has 8 accelerators per node, tensor_parallel x pipeline_parallel is 16."
                " Allowed: a pool with 16 or more per node"
            ),
        ),
        (
            {"pool": {"nodes": {"max": 1}}},
            f"{PLACE}: 'h100' has 1 nodes at most, a replica spans 2. Allowed: nodes.max of 2 or more",
        ),
        (
            {"engine": {"image": "vllm/vllm-openai:v0.11.0"}},
            (
                "tenbin:services.chat.engine.image: 'vllm/vllm-openai:v0.11.0' cannot span nodes, nodes_per_replica is"
                " 2. Allowed: 0.12.0 or newer"
            ),
        ),
        (
            {"engine": {"kind": "simulated", "profile": "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"}},
            ("tenbin:services.chat.engine.nodes_per_replica: 2 is not possible with engine kind simulated. Allowed: 1"),
        ),
        (
            {"engine": {"nodes_per_replica": 0}},
            "tenbin:services.chat.engine.nodes_per_replica: 0: input should be greater than or equal to 1",
        ),
    ],
)
def test_what_cannot_be_laid_out_is_named_with_what_is_allowed(parts: dict[str, Any], message: str) -> None:
    assert problems(**parts) == [message]


def test_nodes_that_the_stack_makes_need_adapters_and_so_one_zone() -> None:
    pool = {"region": "eu-west-1", "zones": ["eu-west-1a"]}
    cluster = amazon.plain_cluster()
    assert problems(pool=pool, cluster=cluster) == [
        f"{PLACE}: 'h100' has no EFA, a replica spans 2 nodes. Allowed: a pool with efa: true"
    ]
    assert stack(pool={**pool, "efa": True}, cluster=cluster).pools["h100"].efa
    [problem] = problems(pool={"region": "eu-west-1", "efa": True}, cluster=cluster)
    assert problem.startswith("tenbin:pools.h100.zones: names 0 zones, exactly one is needed for EFA.")


def test_the_name_of_a_set_of_groups_leaves_room_for_what_kubernetes_adds() -> None:
    name = "a" * 24
    wide = plain()
    wide["services"] = {name: {**wide["services"]["chat"], "pools": ["b" * 24]}}
    wide["pools"] = {"b" * 24: wide["pools"]["h100"]}
    with pytest.raises(ConfigurationError) as caught:
        parse_stack(wide)
    [problem] = caught.value.problems
    assert problem.message == (
        f"'{name}-serve-{'b' * 24}', its workload's name, has 55 characters, a replica spans 2 nodes."
        " Allowed: 47 or fewer, by shorter names of service and pool"
    )


def test_memory_counts_over_all_nodes() -> None:
    [problem] = problems(engine={"tensor_parallel": 8, "pipeline_parallel": 1, "nodes_per_replica": 1})
    assert "is too small for meta-llama/Llama-3.1-405B-Instruct" in problem
    stack()


@pytest.mark.parametrize("value", [None, "two", 1.5, True, [], -1])
@pytest.mark.parametrize("field", ["tensor_parallel", "pipeline_parallel", "nodes_per_replica", "image"])
def test_misshapen_values_are_left_to_the_models(field: str, value: Any) -> None:
    for problem in problems(engine={field: value}) if value is not True else ():
        assert problem.startswith(f"tenbin:services.chat.engine.{field}")
