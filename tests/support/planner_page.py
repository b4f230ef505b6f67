"""What a planner lived through, and the page of metrics that it serves then."""

from __future__ import annotations

import functools

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tenbin_planner import ports
from tenbin_planner.controller.metrics import Metrics
from tenbin_planner.model import fleet

from support import planning
from support.virtual_world import World


@functools.cache
def ticks() -> tuple[ports.Tick, ...]:
    """Return ninety seconds of 20 requests per second on one ready replica and one that starts."""
    moments = [second / 20 for second in range(1800)]
    arrivals = fleet.Arrivals.of(moments, [300] * 1800, [60] * 1800, "interactive")
    world = World(planning.document(), arrivals, class_name="interactive", lead_s={"l4-spot": 20.0, "l4": 20.0})
    world.start({planning.SPOT: 1})
    world.run(90, world.new_loop(), interval_s=5)
    return tuple(world.ticks)


@functools.cache
def text() -> str:
    """Return the page after these ticks."""
    metrics = Metrics()
    for tick in ticks():
        metrics.record(tick, {})
    return metrics.page().decode()


def samples() -> list[Sample]:
    """Return all of its samples."""
    return [sample for family in text_string_to_metric_families(text()) for sample in family.samples]
