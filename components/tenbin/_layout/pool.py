"""What a pool is for the pods on it: the label its nodes carry, the taints they have, and how a pod gets there.

One place for both sides, so that labels and taints of nodes never differ from what pods select and tolerate.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from tenbin_spec import catalogue, contract
from tenbin_spec.pools import Pool

from tenbin._layout.manifests import Json


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolContract:
    """The contract between the nodes of a pool and the pods that run on them."""

    labels: dict[str, str]
    """On every node."""
    taints: tuple[Json, ...]
    """On every node, so that nothing but engines of this pool runs there."""

    @property
    def node_selector(self) -> dict[str, str]:
        """What a pod selects."""
        return dict(self.labels)

    @property
    def tolerations(self) -> list[Json]:
        """What a pod tolerates: this pool's taint, and a GPU taint whatever its value.

        Clouds and operators write the GPU taint with different values (`present`, `true`, none).
        """
        return [
            {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]}
            if taint["key"] == contract.TAINT_GPU
            else {**taint, "operator": "Equal"}
            for taint in self.taints
        ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolFacts:
    """What a pool offers and costs at most; prices in USD per hour, None when unknown."""

    accelerator: str
    accelerators_per_node: int
    node_hourly_usd: Decimal | None
    maximum_hourly_usd: Decimal | None
    """With all of its nodes."""


def contract_of(name: str) -> PoolContract:
    """Return the contract of the pool `name`."""
    return PoolContract(
        labels={contract.LABEL_POOL: name},
        taints=(
            {"key": contract.TAINT_POOL, "value": name, "effect": "NoSchedule"},
            {"key": contract.TAINT_GPU, "value": contract.TAINT_GPU_VALUE, "effect": "NoSchedule"},
        ),
    )


def facts_of(pool: Pool) -> PoolFacts:
    """Return what the catalogue knows of a pool."""
    instance = catalogue.instances()[pool.instance_type]
    price = catalogue.node_price(pool)
    return PoolFacts(
        accelerator=instance.accelerator,
        accelerators_per_node=instance.accelerators,
        node_hourly_usd=price,
        maximum_hourly_usd=None if price is None else price * pool.nodes.max,
    )
