"""What a node of the API server says about a pool. Pure: plain JSON in, values out."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenbin_spec import contract

from tenbin_planner.controller import notices
from tenbin_planner.controller.pod_states import condition, moment

Json = dict[str, Any]
CLOSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "karpenter.sh/")
"""Beginnings of the keys of taints that a node has until it is set up, or when something is wrong with it."""
_REPELLING = ("NoSchedule", "NoExecute")
_REGISTRY, _LIBRARY = "docker.io", "library"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeState:
    """A node of a pool."""

    name: str
    uid: str
    pool: str
    created: float | None
    """Seconds since the epoch, by the API server's clock."""
    ready_since: float | None
    """Seconds since the epoch, by the node's own clock; None while it is not ready."""
    is_open: bool
    """Whether pods of its pool find a place on it."""
    accelerators: int | None
    """That its pods may have in all; None where it names none."""
    images: frozenset[str]
    """Names of the images that it says it has: the largest fifty, so that an engine's is among them."""
    notice: notices.Notice | None
    """That it is about to go; None while nothing says so."""

    def has_image(self, image: str) -> bool | None:
        """Tell whether it has an image; None while it says nothing of images."""
        return bool(self.images & {image, full_name(image)}) if self.images else None


def read(node: Json) -> NodeState | None:
    """Read a node as the API server lists it; None for one that is of no pool."""
    metadata, status = node.get("metadata", {}), node.get("status", {})
    pool = (metadata.get("labels") or {}).get(contract.LABEL_POOL)
    if not pool:
        return None
    ready, notice = condition(status, "Ready"), notices.read(node)
    return NodeState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        pool=pool,
        created=moment(metadata.get("creationTimestamp")),
        ready_since=moment(ready.get("lastTransitionTime")) if ready.get("status") == "True" else None,
        is_open=ready.get("status") == "True" and notice is None and not _is_closed(node.get("spec") or {}),
        accelerators=accelerators(status.get("allocatable") or {}),
        images=frozenset(name for item in status.get("images") or [] for name in item.get("names") or []),
        notice=notice,
    )


def accelerators(resources: Json) -> int | None:
    """Return the accelerators in a list of resources; None where it names none, or no whole number."""
    value = resources.get(contract.RESOURCE_GPU)
    return int(value) if value is not None and str(value).isdecimal() else None


def _is_closed(spec: Json) -> bool:
    return bool(spec.get("unschedulable")) or any(
        taint.get("effect") in _REPELLING and str(taint.get("key", "")).startswith(CLOSING)
        for taint in spec.get("taints") or []
    )


def full_name(image: str) -> str:
    """Return an image's name as a container runtime writes it.

    >>> full_name("vllm/vllm-openai")
    'docker.io/vllm/vllm-openai:latest'
    >>> full_name("busybox:1.36")
    'docker.io/library/busybox:1.36'
    >>> full_name("localhost:5000/engine@sha256:0e9e")
    'localhost:5000/engine@sha256:0e9e'
    """
    first, slash, rest = image.partition("/")
    if not slash:
        image = f"{_REGISTRY}/{_LIBRARY}/{image}"
    elif "." not in first and ":" not in first and first != "localhost":
        image = f"{_REGISTRY}/{first}/{rest}"
    last = image.rpartition("/")[2]
    return image if ":" in last else f"{image}:latest"
