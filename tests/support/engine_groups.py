"""The workload of a service whose replicas span nodes."""

from __future__ import annotations

from typing import Any

from tenbin._layout import engine, engine_groups
from tenbin_spec.placements import placements

from support import stacks

ENGINE: dict[str, Any] = {
    "kind": "vllm",
    "image": "vllm/vllm-openai:v0.33.0",
    "tensor_parallel": 8,
    "pipeline_parallel": 2,
    "nodes_per_replica": 2,
    "max_model_len": 32768,
    "drain_s": 120,
}


def rendered(*, efa: bool = True, nodes: int = 4, planned: bool = True, **fields: Any) -> dict[str, Any]:
    """Return the workload of the service `chat` on a pool of H200s.

    Args:
        efa: whether its nodes have adapters.
        nodes: of the pool.
        planned: whether a planner owns the count.
        fields: of the engine.
    """
    stack = stacks.stack(
        services__chat__engine={**ENGINE, **fields},
        services__chat__model={"id": "meta-llama/Llama-3.1-405B-Instruct", "credentials": {"secret": "s", "key": "k"}},
        services__chat__pools=["h200"],
        pools={"h200": {"instance_type": "p5en.48xlarge", "nodes": {"max": nodes}, "hourly_usd": "60"}},
    )
    setting = engine.Setting(
        service=stack.services["chat"],
        pools={name: pool.model_copy(update={"efa": efa}) for name, pool in stack.pools.items()},
        stack="test",
        namespace="tenbin",
        planned=planned,
        scrape=True,
    )
    [placement] = placements(stack)
    counts = engine.first_replicas(setting.service, [placement], planned=planned)
    return engine_groups.leader_worker_set(setting, placement, replicas=counts[placement.workload])
