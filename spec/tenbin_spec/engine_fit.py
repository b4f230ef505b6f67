"""Whether the replicas of a service can be laid out on a pool: rules on the plain input of engine, pool and cluster.

Plain, so that a misshapen part hides none of these problems; a value that is misshapen itself is left to the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenbin_spec import catalogue, contract
from tenbin_spec.catalogue import Instance
from tenbin_spec.engines import EngineKind, is_at_least
from tenbin_spec.services import Role

Plain = Mapping[str, Any]

SPANS_NODES_SINCE = (0, 12, 0)
"""First vLLM whose replicas span nodes without another program beside it (vllm-project/vllm#23691)."""
LONGEST_GROUP_NAME = 47
"""Of a workload whose replicas span nodes: the names of its StatefulSets end in a number of up to four digits, and
Kubernetes labels their pods with that name and 11 characters more, 63 at most."""


def size(engine: Plain) -> tuple[int, int] | None:
    """Return the accelerators and the nodes of one replica; None where a number is misshapen."""
    given = [engine.get(field, 1) for field in ("tensor_parallel", "pipeline_parallel", "nodes_per_replica")]
    if not all(isinstance(value, int) and value >= 1 for value in given):
        return None
    tensor, pipeline, nodes = given
    return tensor * pipeline, nodes


def engine_problems(engine: Plain) -> list[tuple[str, str]]:
    """Return what keeps an engine from spanning nodes wherever it runs, as pairs of field and message."""
    found, image = size(engine), engine.get("image")
    if found is None or found[1] == 1:
        return []
    if engine.get("kind") == EngineKind.SIMULATED:
        return [("nodes_per_replica", f"{found[1]} is not possible with engine kind simulated. Allowed: 1")]
    if isinstance(image, str) and not is_at_least(image, SPANS_NODES_SINCE):
        version = ".".join(map(str, SPANS_NODES_SINCE))
        return [("image", f"{image!r} cannot span nodes, nodes_per_replica is {found[1]}. Allowed: {version} or newer")]
    return []


def pool_problem(engine: Plain, service: str, name: str, pool: Plain, cluster: Plain) -> str | None:
    """Say what keeps replicas of an engine from one pool; None where nothing does.

    Args:
        engine: plain value of a service's engine.
        service: its name.
        name: of the pool.
        pool: its plain value.
        cluster: plain value of the cluster.
    """
    instance, found = catalogue.instances().get(str(pool.get("instance_type"))), size(engine)
    if instance is None:
        return None
    resource = catalogue.accelerators()[instance.accelerator].resource
    if resource != contract.RESOURCE_GPU:
        return (
            f"{name!r} has {instance.accelerator} accelerators ({resource}), on which no engine kind runs."
            f" Allowed: a pool of {contract.RESOURCE_GPU}"
        )
    if found is None:
        return None
    accelerators, nodes = found
    if nodes == 1:
        return _too_few(engine, name, instance, accelerators)
    return _not_whole(name, instance, accelerators, nodes) or _no_group(service, name, pool, cluster, nodes)


def _too_few(engine: Plain, name: str, instance: Instance, accelerators: int) -> str | None:
    if accelerators <= instance.accelerators:
        return None
    stages = engine.get("pipeline_parallel", 1)
    what = "tensor_parallel" if stages == 1 else "tensor_parallel x pipeline_parallel"
    return (
        f"{name!r} has {instance.accelerators} accelerators per node, {what} is {accelerators}."
        f" Allowed: a pool with {accelerators} or more per node"
    )


def _not_whole(name: str, instance: Instance, accelerators: int, nodes: int) -> str | None:
    """A replica that left a part of its nodes to others would share adapters and memory with them."""
    if accelerators == nodes * instance.accelerators:
        return None
    return (
        f"{name!r} has {instance.accelerators} accelerators per node, {nodes * instance.accelerators} in {nodes} whole"
        f" nodes, and tensor_parallel x pipeline_parallel is {accelerators}."
        f" Allowed: {nodes * instance.accelerators}, or another pool or nodes_per_replica"
    )


def _no_group(service: str, name: str, pool: Plain, cluster: Plain, nodes: int) -> str | None:
    given = pool.get("nodes")
    most = given.get("max") if isinstance(given, Mapping) else None
    if isinstance(most, int) and most < nodes:
        return f"{name!r} has {most} nodes at most, a replica spans {nodes}. Allowed: nodes.max of {nodes} or more"
    if cluster.get("kind") == "eks" and pool.get("efa") is not True:
        return f"{name!r} has no EFA, a replica spans {nodes} nodes. Allowed: a pool with efa: true"
    workload = contract.workload_name(service, Role.SERVE, name)
    if len(workload) > LONGEST_GROUP_NAME:
        return (
            f"{workload!r}, its workload's name, has {len(workload)} characters, a replica spans {nodes} nodes."
            f" Allowed: {LONGEST_GROUP_NAME} or fewer, by shorter names of service and pool"
        )
    return None
