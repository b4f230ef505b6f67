"""The shape of `make load` in virtual time: the objective held, for less than the cheapest fixed fleet."""

from __future__ import annotations

import pathlib

import numpy as np
from support.planning import SPOT
from support.virtual_world import World
from tenbin_local import stack_files
from tenbin_planner.model import capacity, fleet
from tenbin_spec.document import document_of
from tenbin_spec.stack import Stack

STACK = pathlib.Path(__file__).parents[2] / "stacks/Pulumi.local.yaml"
IDLE_S, SHAPE_S = 60.0, 300.0
PRICES = (0.36, 0.36, 0.8048, 0.8048, 0.8048, 0.8048)
"""USD per hour of the first, second, ... replica of the local stack, cheapest first."""


NEAR = 1.4
"""Six minutes are too short to learn in: a fleet that is chosen when all is over is cheaper."""


def arrivals(stack: Stack, *, rate: float, seed: int) -> fleet.Arrivals:
    """60 s at the rate, 60 s rising to four times it, 60 s there, 30 s falling, 90 s at the rate."""
    rng = np.random.default_rng(seed)
    moments = np.cumsum(rng.exponential(1 / (4 * rate), int(8 * rate * SHAPE_S)))
    moments = moments[moments < SHAPE_S]
    wanted = np.interp(moments, [60, 120, 180, 210], [1, 4, 4, 1]) / 4
    moments = moments[rng.random(moments.size) < wanted]
    workload = stack.services["chat"].workload
    traffic = capacity.Traffic(input_tokens=workload.input_tokens, output_tokens=workload.output_tokens)
    lengths = traffic.arrivals(1.0, count=moments.size, seed=seed + 100, longest=8192)
    return fleet.Arrivals.of(moments + IDLE_S, lengths.input_tokens, lengths.output_tokens, "interactive")


def test_the_load_shape_keeps_its_objective_near_the_price_of_a_fleet_chosen_in_hindsight() -> None:
    stack = stack_files.read_stack_file(STACK).stack
    document = document_of(stack, "local")
    objective = stack.services["chat"].slo.classes["interactive"]
    profile = document.workloads[0].profile
    assert profile is not None
    lead_s = {name: float(pool.lead_time_s) for name, pool in document.pools.items()}
    shares, usd, fixed_usd = [], 0.0, 0.0
    for seed in range(6):
        drawn = arrivals(stack, rate=0.6 * 5.33, seed=seed)
        world = World(document, drawn, class_name="interactive", lead_s=lead_s)
        world.start({SPOT: 1})
        planner = world.new_loop()
        world.run(IDLE_S, planner, interval_s=document.planner.interval_s)
        before = world.usd(IDLE_S)
        world.run(IDLE_S + SHAPE_S, planner, interval_s=document.planner.interval_s)
        usd += world.usd(IDLE_S + SHAPE_S) - before
        world.run(IDLE_S + SHAPE_S + 40, planner, interval_s=document.planner.interval_s)
        shares.append(float(world.good().mean()))
        fixed = capacity.cheapest_fixed_fleet(drawn, {"interactive": objective}, profile, max_replicas=6)
        fixed_usd += sum(PRICES[: fixed.replicas]) * SHAPE_S / 3600
        assert sum(world.ticks[-1].plan.wanted().values()) <= 2
        assert not world.failures
    assert min(shares) >= 0.97
    assert np.mean(shares) >= 0.99
    assert usd < NEAR * fixed_usd
