"""Whether a model with one request of the stated context fits into the accelerators of a replica.

A lower bound: activations, graphs and the windows of windowed layers are left out, so that nothing is refused that
would run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tenbin_spec import catalogue, contract, images
from tenbin_spec.catalogue import Instance
from tenbin_spec.engines import EngineKind
from tenbin_spec.model_shapes import ModelShape
from tenbin_spec.quantities import Share

Plain = Mapping[str, Any]

DEFAULT_SHARE = Decimal("0.92")
"""Of the memory that vLLM takes where nobody says (`--gpu-memory-utilization` of 0.33; older ones took 0.90)."""
_GIB = 1024**3
_MOST_LISTED = 4
_SHARES: TypeAdapter[Decimal] = TypeAdapter(Share)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Need:
    """What a replica must hold."""

    model: str
    shape: ModelShape
    tokens: int
    """Longest prompt plus answer."""
    share: Decimal
    """Of an accelerator's memory that the engine takes."""
    stages: int = 1
    """That the layers are divided into; the accelerators of one stage share its heads."""

    def weights_gib(self) -> float:
        """Return the weights in GiB, over all accelerators of a replica."""
        return self.shape.weight_bytes / _GIB

    def context_gib(self, accelerators: int) -> float:
        """Return keys and values of one request in GiB, over all accelerators of a replica."""
        return self.shape.context_bytes(self.tokens, accelerators // self.stages) / _GIB

    def room_gib(self, accelerator: str, accelerators: int) -> float:
        """Return what the engine may fill of so many accelerators, in GiB."""
        return catalogue.accelerators()[accelerator].memory_mib / 1024 * accelerators * float(self.share)

    def fits(self, accelerator: str, accelerators: int) -> bool:
        """Tell whether weights and one request fit."""
        return self.weights_gib() + self.context_gib(accelerators) <= self.room_gib(accelerator, accelerators)


def need_of(model: Plain, engine: Plain) -> Need | None:
    """Return what a replica must hold; None where the model's sizes are not known, or nothing real would hold it."""
    shape = catalogue.models().get(str(model.get("id")))
    tokens = engine.get("max_model_len")
    share, stages = _share(engine.get("gpu_memory_utilization")), engine.get("pipeline_parallel", 1)
    is_real = engine.get("kind") in {kind.value for kind in EngineKind} - {EngineKind.SIMULATED.value}
    if shape is None or not is_real or not isinstance(tokens, int) or tokens < 1 or share is None:
        return None
    if not isinstance(stages, int) or stages < 1:
        return None
    return Need(model=str(model["id"]), shape=shape, tokens=tokens, share=share, stages=stages)


def too_small(need: Need, pool: str, pools: Mapping[str, Any], accelerators: int) -> str | None:
    """Say that the accelerators of a replica are too small on a pool, with the numbers and what would do.

    Args:
        need: what the replica holds.
        pool: name of the pool.
        pools: plain value of every pool of the stack.
        accelerators: that one replica spans.

    Returns:
        The message; None when it fits.
    """
    instance = _instance(pools.get(pool))
    if instance is None or need.fits(instance.accelerator, accelerators):
        return None
    room = need.room_gib(instance.accelerator, accelerators)
    return (
        f"{pool!r} is too small for {need.model}: {need.weights_gib():.1f} GiB of weights and"
        f" {need.context_gib(accelerators):.1f} GiB of KV cache for one request of {need.tokens} tokens, but"
        f" {accelerators} x {instance.accelerator} at {need.share} {'has' if accelerators == 1 else 'have'}"
        f" {room:.1f} GiB. Allowed: {' or '.join(_ways_out(need, instance, pools, accelerators))}"
    )


def _ways_out(need: Need, instance: Instance, pools: Mapping[str, Any], accelerators: int) -> list[str]:
    """Name the pools that would do, more accelerators of this one, a shorter context, or else larger accelerators."""
    found = {str(name): _instance(pool) for name, pool in pools.items()}
    others = sorted(
        name
        for name, item in found.items()
        if item is not None and item.accelerators >= accelerators and _is_enough(need, item.accelerator, accelerators)
    )
    more = [
        count // need.stages
        for count in _counts(accelerators, instance)
        if count % need.stages == 0 and need.fits(instance.accelerator, count)
    ]
    left = need.room_gib(instance.accelerator, accelerators) - need.weights_gib()
    tokens = int(left * _GIB / need.shape.context_bytes(1, accelerators // need.stages))
    ways = [f"pool{'s' * (len(others) > 1)} {', '.join(others)}"] if others else []
    ways += [f"tensor_parallel {more[0]} there"] if more else []
    if not ways:
        larger = [name for name in _sold() if _is_enough(need, name, accelerators)]
        ways += [f"a pool of {', '.join(larger[:_MOST_LISTED])}"] if larger else []
    ways += [f"max_model_len of {tokens} or less"] if tokens > 0 else []
    return ways or ["more accelerators for a replica"]


def _is_enough(need: Need, accelerator: str, accelerators: int) -> bool:
    return catalogue.accelerators()[accelerator].resource == contract.RESOURCE_GPU and need.fits(
        accelerator, accelerators
    )


def _sold() -> list[str]:
    """Return the accelerators of instance types that a node can be made of, smallest first."""
    kinds = {item.accelerator for name, item in catalogue.instances().items() if images.image_type(name)}
    return sorted(kinds, key=lambda name: (catalogue.accelerators()[name].memory_mib, name))


def _counts(accelerators: int, instance: Instance) -> Iterator[int]:
    """Return the powers of two above a count that one node has, as attention heads are divided."""
    count = 1
    while count <= instance.accelerators:
        if count > accelerators:
            yield count
        count *= 2


def _instance(pool: Any) -> Instance | None:
    name = pool.get("instance_type") if isinstance(pool, Mapping) else None
    return catalogue.instances().get(name) if isinstance(name, str) else None


def _share(value: Any) -> Decimal | None:
    try:
        return DEFAULT_SHARE if value is None else _SHARES.validate_python(value)
    except ValidationError:
        return None
