"""Inference engines and the models that they serve."""

from __future__ import annotations

import enum
import re
from typing import Annotated

from pydantic import Field

from tenbin_spec.quantities import Frozen, Share, Text, Tokens

Image = Annotated[
    str,
    Text(
        "[a-z0-9][a-z0-9._:/-]{0,255}(:[A-Za-z0-9._-]{1,128}|@sha256:[0-9a-f]{64})",
        "an image with a tag or a digest",
        "vllm/vllm-openai:v0.23.0",
    ),
]
"""A container image with a tag or, as production demands, a digest."""


Registry = Annotated[
    str,
    Text(
        "[a-z0-9][a-z0-9.-]{0,252}(:[0-9]{1,5})?(/[a-z0-9._-]{1,100}){0,8}", "a registry", "registry.example.com/copies"
    ),
]
"""Where container images and charts lie: a host, and a path on it."""


_VERSION = re.compile(r":v?(\d+)\.(\d+)\.(\d+)")


class EngineKind(enum.StrEnum):
    """Engines that `ModelService` can build."""

    VLLM = "vllm"
    SIMULATED = "simulated"
    """vLLM's interface and timing without a GPU: for the local environment and for tests, never for production."""


class SecretKey(Frozen):
    """One key of an existing Kubernetes Secret; the value itself never enters the configuration."""

    secret: Annotated[str, Text("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "the name of a Secret", "hf-token")]
    """Name of the Secret in the service's namespace."""
    key: Annotated[str, Text("[A-Za-z0-9._-]{1,253}", "a key of a Secret", "token")]
    """Key in the Secret."""


class Model(Frozen):
    """The model that is served."""

    id: Annotated[str, Text("[A-Za-z0-9][A-Za-z0-9._/-]{0,200}", "a model id", "organisation/name")]
    """Name in the hub, `organisation/name`."""
    revision: Annotated[str, Text("[A-Za-z0-9._/-]{1,100}", "a revision", "0e9e39f2")] | None = None
    """Commit or tag of the weights; the newest when absent, which a reproducible stack avoids."""
    credentials: SecretKey | None = None
    """Token for gated weights."""


class Engine(Frozen):
    """How the engine runs; what is absent is the engine's own default."""

    kind: EngineKind
    image: Image
    tensor_parallel: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Accelerators that each layer is split over."""
    pipeline_parallel: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Stages that the layers are divided into, one after the other; each takes `tensor_parallel` accelerators."""
    nodes_per_replica: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Nodes that one replica spans; more than one are taken whole."""
    max_model_len: Tokens
    """Longest prompt plus answer, in tokens."""
    max_num_seqs: Annotated[int, Field(strict=True, ge=1, le=4096)] | None = None
    """Sequences in one batch at most."""
    max_num_batched_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """Tokens in one forward pass at most."""
    max_num_queued_reqs: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Requests that wait in the engine at most; more are refused with 503, which bounds TTFT."""
    gpu_memory_utilization: Share | None = None
    """Share of the accelerator's memory that the engine takes."""
    drain_s: Annotated[int, Field(strict=True, ge=1, le=3600)] = 60
    """Seconds that running requests are given to finish when a replica stops."""
    profile: str | None = None
    """Name of the engine profile in the catalogue; found from model, accelerator and engine when absent."""
    time_scale: Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)] | None = None
    """Simulated engine only: factor on all of its times."""

    @property
    def accelerators(self) -> int:
        """Accelerators of one replica, over all of its nodes."""
        return self.tensor_parallel * self.pipeline_parallel


def is_at_least(image: str, version: tuple[int, int, int]) -> bool:
    """Tell whether the engine of an image is of a version or newer; an image that names none counts as new.

    >>> is_at_least("vllm/vllm-openai:v0.9.2", (0, 18, 0)), is_at_least("vllm/vllm-openai:latest", (0, 18, 0))
    (False, True)
    """
    found = _VERSION.search(image)
    return found is None or tuple(int(part) for part in found.groups()) >= version
