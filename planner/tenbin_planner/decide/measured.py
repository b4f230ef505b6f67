"""What starts took, part by part: those that are remembered, summed up by what was there when they began."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tenbin_planner.decide.observation import UNTOLD
from tenbin_planner.decide.plan import MeasuredStarts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenbin_planner.decide.observation import StartParts, Warmth
    from tenbin_planner.decide.starts import LeadMemory


def starts(memory: LeadMemory, pool: str) -> tuple[MeasuredStarts, ...]:
    """Sum up the completed starts of a pool of which the cluster told anything.

    Args:
        memory: of starts.
        pool: as named to `starts.learn`.

    Returns:
        One sum for each state of node and image, in the order of their names.
    """
    told = [item.parts for item in memory.of(pool) if item.until_s is not None and item.parts != UNTOLD]
    kinds = sorted({(item.node, item.image) for item in told})
    return tuple(_sum(*kind, [item for item in told if (item.node, item.image) == kind]) for kind in kinds)


def _sum(node: Warmth, image: Warmth, parts: list[StartParts]) -> MeasuredStarts:
    return MeasuredStarts(
        node=node,
        image=image,
        count=len(parts),
        node_s=_median(item.node_s for item in parts),
        image_s=_median(item.image_s for item in parts),
        container_s=_median(item.container_s for item in parts),
        engine_s=_median(item.engine_s for item in parts),
        total_s=_median(item.total_s for item in parts),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
