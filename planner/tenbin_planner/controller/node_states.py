"""What a node of the API server says about a pool. Pure: plain JSON in, values out."""

from __future__ import annotations

import dataclasses
from typing import Any

from tenbin_spec import contract

from tenbin_planner.controller import notices
from tenbin_planner.controller.pod_states import condition, moment

Json = dict[str, Any]
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
    images: frozenset[str]
    """Full names of the images that it says it has: the largest fifty, so that an engine's is among them."""
    notice: notices.Notice | None
    """That it is about to go; None while nothing says so."""

    def has_image(self, image: str) -> bool | None:
        """Tell whether it has an image; None while it says nothing of images."""
        return full_name(image) in self.images if self.images else None


def read(node: Json) -> NodeState | None:
    """Read a node as the API server lists it; None for one that is of no pool."""
    metadata, status = node.get("metadata", {}), node.get("status", {})
    pool = (metadata.get("labels") or {}).get(contract.LABEL_POOL)
    if not pool:
        return None
    ready = condition(status, "Ready")
    return NodeState(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        pool=pool,
        created=moment(metadata.get("creationTimestamp")),
        ready_since=moment(ready.get("lastTransitionTime")) if ready.get("status") == "True" else None,
        images=frozenset(
            full_name(name) for item in status.get("images") or [] for name in item.get("names") or [] if name
        ),
        notice=notices.read(node),
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
