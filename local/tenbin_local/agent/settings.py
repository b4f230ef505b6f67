"""What the agent is told: the environment's folder and the nodes that it has."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenbin_local import errors


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
"""A Kubernetes resource quantity."""


class Taint(_Model):
    """A taint of a node."""

    key: str
    value: str = ""
    effect: str


class SystemNodes(_Model):
    """Nodes without accelerators: gateway, picker and planner run on them."""

    count: Annotated[int, Field(ge=1, le=50)] = 1
    cpu: Quantity = "8"
    memory: Quantity = "16Gi"


class PoolNodes(_Model):
    """Nodes of one pool.

    Attributes:
        gpus: Accelerators of one node.
        start_delay_s: Seconds from a pod's binding until its containers start: a simulated lead time.
        labels: Labels beside those that every pool node has.
        taints: Taints beside those that every pool node has.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$")]
    count: Annotated[int, Field(ge=0, le=1000)]
    instance_type: str
    gpus: Annotated[int, Field(ge=0, le=64)]
    cpu: Quantity
    memory: Quantity
    start_delay_s: Annotated[float, Field(ge=0)] = 0.0
    labels: dict[str, str] = Field(default_factory=dict)
    taints: list[Taint] = Field(default_factory=list)


class AgentOptions(_Model):
    """How the agent itself behaves; all times in seconds.

    Attributes:
        heartbeat_s: Between two renewals of a node's Lease. A kubelet: 10; the local control plane wants more.
        restart_backoff_s: First back-off of a container that ends again and again; doubles up to 30 times itself.
            A kubelet: 10, so up to 300.
        killed_node_delete_s: From the killing of a node until its Node object is deleted.
        log_limit_bytes: Size at which a container's log is rotated; one rotated file is kept.
    """

    heartbeat_s: Annotated[float, Field(gt=0, le=30)] = 3.0
    restart_backoff_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    killed_node_delete_s: Annotated[float, Field(ge=0)] = 15.0
    log_limit_bytes: Annotated[int, Field(ge=4096)] = 10 * 1024 * 1024


class NodesFile(_Model):
    """Content of `nodes.json`."""

    system: SystemNodes = SystemNodes()
    pools: list[PoolNodes] = Field(default_factory=list)
    agent: AgentOptions = AgentOptions()


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Folder and network of one environment.

    Attributes:
        root: The folder, absolute.
        octet: n of the environment's network 127.n.0.0/16.
    """

    root: Path
    octet: int

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read `environment.json`.

        Raises:
            LocalError: The file is missing or says nothing usable about the network.
        """
        path = root / "environment.json"
        try:
            octet = json.loads(path.read_text())["octet"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise errors.LocalError(f"{path}: no readable environment with an octet: {error!r}") from error
        if not isinstance(octet, int) or not 1 <= octet <= 254:
            raise errors.LocalError(f"{path}: octet {octet!r}: allowed is a whole number from 1 to 254")
        return cls(root=root.resolve(), octet=octet)

    @property
    def pods(self) -> Path:
        """Folder of the pods' folders."""
        return self.root / "pods"

    @property
    def nodes_file(self) -> Path:
        """Which nodes there are."""
        return self.root / "nodes.json"

    @property
    def killed_file(self) -> Path:
        """Which nodes have been killed."""
        return self.root / "killed-nodes.json"

    @property
    def addresses_file(self) -> Path:
        """Addresses given to nodes, and the last one given to a pod."""
        return self.root / "addresses.json"

    @property
    def kubeconfig(self) -> Path:
        """The agent's own kubeconfig, or the environment's where there is none."""
        own = self.root / "kubeconfig-agent"
        return own if own.exists() else self.root / "kubeconfig"


def load_nodes(path: Path) -> NodesFile:
    """Read `nodes.json`.

    Raises:
        LocalError: The file is missing or wrong; every wrong key is named.
    """
    try:
        return NodesFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise errors.LocalError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise errors.LocalError(f"{path}: {problems}") from error


def write_json(path: Path, content: object) -> None:
    """Write a small file so that a reader sees the old or the new content, never a part of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    fresh.replace(path)
