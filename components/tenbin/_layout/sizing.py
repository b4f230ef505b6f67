"""CPU, memory and accelerators of a replica: its share of the node that it runs on."""

from __future__ import annotations

import dataclasses

from tenbin_spec import catalogue, contract
from tenbin_spec.pools import Pool

from tenbin._layout.manifests import Json

_REQUESTED_SHARE = 0.75
"""Of a replica's share of the node; the rest is for the kubelet, the system and DaemonSets.

A kubelet keeps about 1.5 GiB of a 16 GiB node and 0.1 CPU; device plugin, network and log agents take up to 1 CPU and
1 GiB more.
"""
_SHARED_MEMORY_SHARE = 0.25
_LARGEST_SHARED_MEMORY_MIB = 16 * 1024
"""NCCL between the accelerators of one node needs less (vLLM's own guide: 2 to 15 GiB)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """What one replica asks for on a node."""

    accelerators: int
    cpu_millis: int
    """Requested; the limit is the whole share."""
    cpu_limit_millis: int
    memory_mib: int
    """Requested and limit; shared memory counts in it."""
    shared_memory_mib: int
    adapters: int = 0
    """Elastic Fabric Adapters."""

    def resources(self) -> Json:
        """Return the container's requests and limits; devices are equal in both, as Kubernetes demands."""
        gpus = {contract.RESOURCE_GPU: str(self.accelerators)}
        if self.adapters:
            gpus[contract.RESOURCE_EFA] = str(self.adapters)
        memory = memory_text(self.memory_mib)
        return {
            "requests": {"cpu": cpu_text(self.cpu_millis), "memory": memory, **gpus},
            "limits": {"cpu": cpu_text(self.cpu_limit_millis), "memory": memory, **gpus},
        }


def of(pool: Pool, accelerators: int, *, spans_nodes: bool = False) -> Size:
    """Return the size of a replica with so many accelerators on a node of the pool.

    Args:
        pool: the pool.
        accelerators: of the replica on this node.
        spans_nodes: whether it has others on other nodes, and talks to them by all adapters of the node.
    """
    instance = catalogue.instances()[pool.instance_type]
    share = accelerators / instance.accelerators
    cpu = int(instance.vcpu * 1000 * share)
    memory = int(instance.memory_gib * 1024 * share * _REQUESTED_SHARE)
    return Size(
        accelerators=accelerators,
        cpu_millis=int(cpu * _REQUESTED_SHARE),
        cpu_limit_millis=cpu,
        memory_mib=memory,
        shared_memory_mib=min(int(memory * _SHARED_MEMORY_SHARE), _LARGEST_SHARED_MEMORY_MIB),
        adapters=instance.efa_interfaces if pool.efa and spans_nodes else 0,
    )


def cpu_text(millis: int) -> str:
    """Write an amount of CPU as the API server does, so that nothing shows as a change.

    >>> cpu_text(3000), cpu_text(1500)
    ('3', '1500m')
    """
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


def memory_text(mib: int) -> str:
    """Write an amount of memory as the API server does.

    >>> memory_text(12288), memory_text(1536)
    ('12Gi', '1536Mi')
    """
    return f"{mib}Mi" if mib % 1024 else f"{mib // 1024}Gi"
