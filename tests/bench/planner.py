"""The planner's figures: time of a decision for 50 replicas, time of a page read, memory of the process."""

from __future__ import annotations

import pathlib
import statistics
import subprocess
import sys
import time

from support import planning
from support.planning import ON_DEMAND, SPOT, observe, ready, warm
from tenbin_planner import decide
from tenbin_planner.controller import metrics_page
from tenbin_planner.controller.adapters import VLLM
from tenbin_planner.decide import capacity, memory

ROOT = pathlib.Path(__file__).parents[2]
TICKS = 200
REPLICAS = 50
_MEMORY = """
import pathlib, tenbin_planner.controller.process
from support import planning
from tenbin_planner.decide import capacity, memory
agreed = planning.document()
capacity.fleet_capacity(agreed.workloads[0].profile, capacity.traffic(agreed, "chat", memory.ServiceMemory()))
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""


def figures() -> dict[str, float | str]:
    """Return the planner's figures; units are in their names."""
    return {
        "planner_tick_ms_50_replicas": _tick_ms(),
        "planner_capacity_s_first_time": _capacity_s(),
        "planner_page_ms": _page_ms(),
        "planner_memory_mb": _memory_mb(),
    }


def _tick_ms() -> float:
    """Return the 99th percentile of a decision's time."""
    pools = planning.configuration()["pools"]
    agreed = planning.document(
        pools={name: {**pool, "nodes": {"max": REPLICAS}} for name, pool in pools.items()},
        services={"chat": planning.service(replicas={"min": 1, "max": REPLICAS})},
        cost={"hourly_usd": "100.00"},
    )
    capacities = planning.capacities(agreed)
    times = []
    for tick in range(TICKS):
        rate = 300 + 2 * (tick % 100)
        observation = observe(ready(SPOT, REPLICAS - 20), ready(ON_DEMAND, 20), rate=rate, seconds=600)
        remembered = warm(needed_rps=rate)
        started = time.perf_counter()
        decide.decide(agreed, capacities, observation, remembered)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(times, n=100)[98]


def _capacity_s() -> float:
    """Return the time to find out what fleets do, which happens once for each objective beside the loop."""
    agreed = planning.document()
    profile = agreed.workloads[0].profile
    started = time.perf_counter()
    if profile is not None:
        capacity.fleet_capacity(profile, capacity.traffic(agreed, "chat", memory.ServiceMemory()))
    return time.perf_counter() - started


def _page_ms() -> float:
    """Return the time to read one engine's page of 600 lines."""
    page = "".join(f'vllm:e2e_request_latency_seconds_bucket{{le="{line}"}} 1\n' for line in range(600))
    page += 'vllm:num_requests_running{engine="0"} 12\n'
    started = time.perf_counter()
    for _ in range(100):
        metrics_page.read(page, VLLM)
    return (time.perf_counter() - started) * 10


def _memory_mb() -> float:
    """Return the peak memory of a process that has loaded the planner and simulated once."""
    command = [sys.executable, "-c", _MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "tests")
    return float(done.stdout)
