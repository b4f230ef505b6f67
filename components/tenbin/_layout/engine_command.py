"""Command line and environment of an inference engine. A flag stands only where the agreement sets it."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator

from tenbin_spec import contract, engines
from tenbin_spec.engines import Engine, EngineKind, Model
from tenbin_spec.services import Service

from tenbin._layout import buckets, pods
from tenbin._layout.manifests import Json

CACHE = "/cache"
TEMPORARY = "/tmp"  # noqa: S108 the pod's own empty volume
CREDENTIALS = "/var/run/secrets/tenbin"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 the pod's own empty volume

_DRAIN_SINCE = (0, 18, 0)
"""First vLLM with `--shutdown-timeout` (vllm-project/vllm#34730)."""
_BUCKETS_SINCE = (0, 30, 1)
"""First vLLM with `--custom-histogram-buckets`."""


_RENDEZVOUS_PORT = 29500


class Part(enum.StrEnum):
    """What a pod is of its replica."""

    WHOLE = "whole"
    LEADER = "leader"
    """The first of the pods of a replica that spans nodes: it serves the requests, and the others join it."""
    WORKER = "worker"


def command(engine: Engine) -> list[str]:
    """Return the command; empty where the image's own entry point is the engine."""
    return ["vllm", "serve"] if engine.kind is EngineKind.VLLM else []


def arguments(service: Service, part: Part = Part.WHOLE) -> list[str]:
    """Return the arguments; the simulated engine understands those of vLLM and has two of its own."""
    served = part is not Part.WORKER
    return [service.model.id, *(_address() if served else ()), *_flags(service), *_group(service.engine, part)]


def environment(model: Model, *, startup_budget_s: int, part: Part = Part.WHOLE, efa: bool = False) -> list[Json]:
    """Return the variables: every path that the engine writes to lies on a volume of its own, and nothing phones home.

    Args:
        model: its credentials become the *path* of a token; the token itself is never a variable.
        startup_budget_s: how long the engine may load; vLLM stops by itself after 600 s otherwise.
        part: what the pod is of its replica.
        efa: whether the pods of a replica talk over Elastic Fabric Adapters.
    """
    plain = {
        "HOME": f"{CACHE}/home",
        "TMPDIR": TEMPORARY,
        "HF_HOME": f"{CACHE}/huggingface",
        "VLLM_CACHE_ROOT": f"{CACHE}/vllm",
        "XDG_CACHE_HOME": f"{CACHE}/xdg",
        "XDG_CONFIG_HOME": f"{CACHE}/config",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(startup_budget_s),
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    if model.credentials is not None:
        plain["HF_TOKEN_PATH"] = f"{CREDENTIALS}/{model.credentials.key}"
    if efa:
        # A pod that asked for huge pages would wait for ever: Karpenter does not know which nodes have them.
        plain |= {"FI_PROVIDER": "efa", "FI_EFA_USE_HUGE_PAGE": "0"}
    if part is not Part.WHOLE:
        # By which the others find it: a guess of its own may be the address of another network.
        plain["VLLM_HOST_IP"] = pods.POD_ADDRESS
    return [pods.own_address(), *({"name": name, "value": value} for name, value in plain.items())]


def _address() -> tuple[str, ...]:
    # An engine that binds to all addresses would be reachable past the pod's address, and many pods share one host in
    # the local environment.
    return ("--host", pods.POD_ADDRESS, "--port", str(contract.PORT_ENGINE))


def _group(engine: Engine, part: Part) -> Iterator[str]:
    """Yield what makes the processes of a group's nodes one engine: vLLM's own, with no other program beside it.

    The controller of the group sets the variables in every container (kubernetes-sigs/lws, api/leaderworkerset/v1).
    """
    if part is Part.WHOLE:
        return
    yield from ("--distributed-executor-backend", "mp", "--nnodes", str(engine.nodes_per_replica))
    yield from ("--node-rank", "0" if part is Part.LEADER else "$(LWS_WORKER_INDEX)")
    yield from ("--master-addr", "$(LWS_LEADER_ADDRESS)", "--master-port", str(_RENDEZVOUS_PORT))
    if part is Part.WORKER:
        yield "--headless"


def _flags(service: Service) -> Iterator[str]:
    engine, model = service.engine, service.model
    if model.revision is not None:
        yield from ("--revision", model.revision)
    if engine.tensor_parallel > 1:
        yield from ("--tensor-parallel-size", str(engine.tensor_parallel))
    if engine.pipeline_parallel > 1:
        yield from ("--pipeline-parallel-size", str(engine.pipeline_parallel))
    yield from ("--max-model-len", str(engine.max_model_len))
    optional = {
        "--max-num-seqs": engine.max_num_seqs,
        "--max-num-batched-tokens": engine.max_num_batched_tokens,
        "--max-num-queued-reqs": engine.max_num_queued_reqs,
        "--gpu-memory-utilization": engine.gpu_memory_utilization,
    }
    for flag, value in optional.items():
        if value is not None:
            yield from (flag, str(value))
    if _knows(engine, _DRAIN_SINCE):
        yield from ("--shutdown-timeout", str(engine.drain_s))
    if _knows(engine, _BUCKETS_SINCE):
        edges = json.dumps(buckets.custom(service.slo), separators=(",", ":"))
        yield from ("--custom-histogram-buckets", edges)
    if engine.kind is EngineKind.SIMULATED:
        yield from ("--profile", str(engine.profile))
        if engine.time_scale is not None:
            yield from ("--time-scale", f"{engine.time_scale:g}")


def _knows(engine: Engine, since: tuple[int, int, int]) -> bool:
    return engine.kind is EngineKind.SIMULATED or engines.is_at_least(engine.image, since)
