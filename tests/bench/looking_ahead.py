"""What looking ahead costs and how far its small fleets are from large ones: ticks beside the steady-state recipe."""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
from support import planning
from support.ahead import demand
from tenbin_planner import decide
from tenbin_planner.decide import capacity, futures, lookahead, memory, playing
from tenbin_planner.decide.observation import Observation
from tenbin_planner.decide.recipe import FULL, Recipe
from tenbin_planner.demand.progress import RunningSample
from tenbin_planner.model import fleet
from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective

if TYPE_CHECKING:
    from tenbin_spec.document import Document

TICKS = 12
PER_REPLICA = 5.0
"""Requests per second; a replica of the profile does about seven within the objective."""
IN_FLIGHT = 8
"""Of each replica."""
LARGE, LEAD_S = 48, 60.0
SHORT = "100.00"
"""Cap of ten services that together want more than 160 dollars' worth."""


def figures() -> dict[str, float | str]:
    """Return figures; units are in their names."""
    found: dict[str, float | str] = {}
    for services, replicas in ((1, 20), (10, 100)):
        ahead = _tick_ms(services, replicas, FULL)
        steady = _tick_ms(services, replicas, planning.STEADY_STATE)
        name = f"tick_{services}x{replicas}"
        found[f"{name}_ms"] = ahead
        found[f"{name}_times_steady_state"] = ahead / steady
    found["tick_10x20_short_of_money_ms"] = _tick_ms(10, 20, FULL, cap=SHORT)
    found["represented_fleet_error_points"] = _error_points(ready=LARGE)
    found["represented_fleet_error_points_growing"] = _error_points(ready=LARGE // 4)
    return found


def _agreed(services: int, replicas: int, cap: str) -> Document:
    pools = planning.configuration()["pools"]
    return planning.document(
        pools={name: {**pool, "nodes": {"max": services * replicas * 2}} for name, pool in pools.items()},
        services={
            f"chat-{index}": planning.service(
                replicas={"min": 1, "max": 2 * replicas},
                workload={
                    **planning.service()["workload"],
                    "requests_per_second": {"expected": PER_REPLICA * replicas, "peak": 2 * PER_REPLICA * replicas},
                },
            )
            for index in range(services)
        },
        cost={"hourly_usd": cap},
    )


def _tick_ms(services: int, replicas: int, recipe: Recipe, *, cap: str = "100000.00") -> float:
    """Return the median time of a decision that simulates all its services anew, in milliseconds."""
    agreed = _agreed(services, replicas, cap)
    profile = agreed.workloads[0].profile
    assert profile is not None
    wanted = capacity.traffic(agreed, "chat-0", memory.ServiceMemory())
    capacities = planning.capacities(agreed, capacity.fleet_capacity(profile, wanted))
    rate = PER_REPLICA * replicas
    remembered = memory.Memory(services={name: memory.ServiceMemory() for name in agreed.services})
    remembered = planning.accustomed(remembered, rate)
    times = []
    for tick in range(TICKS):
        observation = _observation(agreed, replicas, rate * (1 + 0.001 * tick))
        started = time.perf_counter()
        decide.decide(agreed, capacities, observation, remembered, recipe)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _observation(agreed: Document, replicas: int, rate: float) -> Observation:
    states = [planning.ready(item.name, replicas if item.pool == "l4" else 0) for item in agreed.workloads]
    arrivals = {name: planning.steady(rate, 300) for name in agreed.services}
    seen = planning.observe(*states, arrivals=arrivals, in_flight=IN_FLIGHT * replicas)
    count = IN_FLIGHT * replicas
    sample = min(count, 2000)
    running = RunningSample(count=count, age_s=(1.0,) * sample, output_tokens=(30,) * sample)
    classes = {key: dataclasses.replace(item, running=running) for key, item in seen.gateway.classes.items()}
    return dataclasses.replace(seen, gateway=dataclasses.replace(seen.gateway, classes=classes))


def _error_points(*, ready: int) -> float:
    """Return the largest difference in the share of good requests, in points, over loads up to overload.

    Args:
        ready: replicas that serve now; the others begin to serve within the horizon.
    """
    profile = catalogue.profiles()[planning.PROFILE]
    objectives = dict.fromkeys(("batch", "chat"), Objective(target="0.99", ttft_ms=1000, tpot_ms=60))
    lives = [fleet.ReplicaLife(profile=profile)] * ready
    lives += [fleet.ReplicaLife(profile=profile, ready_s=LEAD_S)] * (LARGE - ready)
    worst = 0.0
    for per_replica in (2.0, 2.6, 3.0, 3.4):
        whole = futures.draw(demand(per_replica * LARGE, horizon_s=200.0))
        drawn = futures.draw(demand(per_replica * LARGE, horizon_s=200.0, share=playing.share_for(ready)))
        group = playing.Group(
            name="w", profile=profile, usd_per_s=1.0, ready=ready, starting_s=(), lead_s=(LEAD_S,) * len(drawn)
        )
        setting = lookahead.Setting(
            futures=drawn,
            groups=(group,),
            objectives=objectives,
            miss_usd=dict.fromkeys(objectives, 1.0),
            horizon_s=200.0,
            drain_s=15.0,
        )
        few = sum(
            item.weight
            * np.average(item.result.good(objectives)[item.present :], weights=item.stands_for[item.present :])
            for item in lookahead.Search(setting, lambda count: {"w": count}).results(LARGE)
        )
        every = sum(item.weight * fleet.simulate(item.arrivals, lives).good(objectives).mean() for item in whole)
        worst = max(worst, abs(few - every))
    return float(100 * worst)
