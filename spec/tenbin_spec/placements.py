"""Where a service's replicas can run and what each costs there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal

from tenbin_spec import catalogue, contract
from tenbin_spec.pools import CapacityType
from tenbin_spec.profiles import EngineProfile
from tenbin_spec.scale_target import ScaleTarget
from tenbin_spec.services import ReplicaRange, Role
from tenbin_spec.stack import Stack

_CENT_FRACTION = Decimal("0.000001")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """One (service, role, pool): one workload of the cluster."""

    service: str
    role: Role
    pool: str
    accelerators: int
    """Accelerators that one replica takes."""
    hourly_usd: Decimal | None
    """Price of one replica for an hour: the price of its nodes, or of its share of one by accelerators; None when
    unknown."""
    max_replicas: int
    profile: EngineProfile | None
    is_spot: bool = False
    """Whether its nodes may be taken back at any time."""
    nodes: int = 1
    """Nodes that one replica spans; more than one are taken whole."""

    @property
    def workload(self) -> str:
        """Name of the workload."""
        return contract.workload_name(self.service, self.role, self.pool)

    @property
    def target(self) -> ScaleTarget | None:
        """What is scaled; None: the Deployment of the workload's name."""
        if self.nodes == 1:
            return None
        return ScaleTarget(api_version=contract.GROUP_API_VERSION, kind=contract.GROUP_KIND, name=self.workload)


def placements(stack: Stack) -> tuple[Placement, ...]:
    """Return every placement of a stack, by service and then by price, unknown prices last.

    The order decides nothing but output: preference follows price.
    """
    found = [
        _placement(stack, service, pool) for service in sorted(stack.services) for pool in stack.services[service].pools
    ]
    return tuple(
        sorted(found, key=lambda item: (item.service, item.hourly_usd is None, item.hourly_usd or 0, item.pool))
    )


def least(replicas: ReplicaRange, own: Sequence[Placement]) -> dict[str, int]:
    """Return a service's minimum by workload: first its part that never runs on spot, then the rest, as ordered.

    Args:
        replicas: the service's range.
        own: its placements, in the order in which they are filled.
    """
    counts = {item.workload: 0 for item in own}
    firm = [item for item in own if not item.is_spot]
    for candidates, wanted in ((firm, replicas.on_demand_min), (own, replicas.min)):
        left = wanted - sum(counts.values())
        for item in candidates:
            taken = max(0, min(left, item.max_replicas - counts[item.workload]))
            counts[item.workload] += taken
            left -= taken
    return counts


def _placement(stack: Stack, service_name: str, pool_name: str) -> Placement:
    service, pool = stack.services[service_name], stack.pools[pool_name]
    instance = catalogue.instances()[pool.instance_type]
    accelerators, nodes = service.engine.accelerators, service.engine.nodes_per_replica
    price = catalogue.node_price(pool)
    share = Decimal(accelerators) / Decimal(instance.accelerators)
    profile = (
        catalogue.profiles()[service.engine.profile]
        if service.engine.profile
        else catalogue.find_profile(
            model=service.model.id,
            accelerator=instance.accelerator,
            tensor_parallel=service.engine.tensor_parallel,
            pipeline_parallel=service.engine.pipeline_parallel,
            engine=service.engine.kind,
        )
    )
    return Placement(
        service=service_name,
        role=Role.SERVE,
        pool=pool_name,
        accelerators=accelerators,
        hourly_usd=None if price is None else (price * share).quantize(_CENT_FRACTION),
        max_replicas=min(
            service.replicas.max,
            pool.nodes.max // nodes if nodes > 1 else pool.nodes.max * (instance.accelerators // accelerators),
        ),
        profile=profile,
        is_spot=pool.capacity_type is CapacityType.SPOT,
        nodes=nodes,
    )
