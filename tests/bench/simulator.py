"""The fleet simulator's figures: requests and events per second, growth with requests and fleet, the slow reference.

Requests of 2,000 tokens in and 230 out on the measured H200 profile, at 70 % of what a replica works off in a backlog.
"""

from __future__ import annotations

import functools
import math
import pathlib
import subprocess
import sys
import time

from support.reference_simulator import fleet as reference
from tenbin_planner.model import capacity, fleet
from tenbin_spec import catalogue
from tenbin_spec.workload import Lengths

ROOT = pathlib.Path(__file__).parents[2]
PROFILE = catalogue.profiles()["h200-llama-3.1-8b-bf16-tp1-vllm-0.23"]
TRAFFIC = capacity.Traffic(input_tokens=Lengths(mean=2000, p95=5500), output_tokens=Lengths(mean=230, p95=600))
LOAD = 0.7
REQUESTS = 100_000
REPETITIONS = 5
_MEMORY = """
import pathlib
from bench import simulator
from tenbin_planner.model import fleet
fleet.simulate(simulator.arrivals(100_000, 100), fleet.fixed(simulator.PROFILE, 100))
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""
"""Not `ru_maxrss`: that of a child begins with the memory of its parent at the fork."""


def figures() -> dict[str, float | str]:
    """Return the simulator's figures; units are in their names."""
    fleet.simulate(arrivals(1000, 6), fleet.fixed(PROFILE, 6))  # loads or compiles the kernels
    found: dict[str, float | str] = {}
    for replicas in (6, 20, 100):
        seconds, result = _timed(REQUESTS, replicas)
        found[f"simulator_s_100k_requests_{replicas}_replicas"] = seconds
        found[f"simulator_requests_per_s_{replicas}_replicas"] = REQUESTS / seconds
        found[f"simulator_events_per_s_{replicas}_replicas"] = result.events / seconds
    for routing in fleet.Routing:
        found[f"simulator_s_100k_requests_20_replicas_{routing}"] = _timed(REQUESTS, 20, routing)[0]
    growth = [_timed(10**power, 6)[0] for power in (4, 5, 6)]
    found["simulator_time_1e5_over_1e4_requests"] = growth[1] / growth[0]
    found["simulator_time_1e6_over_1e5_requests"] = growth[2] / growth[1]
    found["simulator_times_faster_than_reference"] = _over_reference(200)
    found["simulator_memory_mb_100k_requests_100_replicas"] = _memory_mb()
    return found


@functools.cache
def arrivals(requests: int, replicas: int) -> fleet.Arrivals:
    """Draw requests for a fleet at `LOAD`."""
    return TRAFFIC.arrivals(
        LOAD * _backlog_rps() * replicas, count=requests, seed=1, longest=PROFILE.limits.max_model_len
    )


@functools.cache
def _backlog_rps() -> float:
    """Return the requests per second of one replica that works off a backlog."""
    at_once = TRAFFIC.arrivals(1e9, count=5000, seed=2, longest=PROFILE.limits.max_model_len)
    return 5000 / float(fleet.simulate(at_once, fleet.fixed(PROFILE, 1)).e2e_ms.max()) * 1000


def _timed(
    requests: int, replicas: int, routing: fleet.Routing = fleet.Routing.LEAST_REQUEST
) -> tuple[float, fleet.FleetResult]:
    """Return the shortest of a few times, in seconds, and the result."""
    asked, lives = arrivals(requests, replicas), fleet.fixed(PROFILE, replicas)
    shortest = math.inf
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        result = fleet.simulate(asked, lives, routing=routing)
        shortest = min(shortest, time.perf_counter() - started)
    return shortest, result


def _over_reference(requests: int) -> float:
    """Return how many times as long the slow reference takes for the same requests on two replicas."""
    started = time.perf_counter()
    reference.simulate(arrivals(requests, 2), fleet.fixed(PROFILE, 2))
    return (time.perf_counter() - started) / _timed(requests, 2)[0]


def _memory_mb() -> float:
    """Return the peak memory of a process that simulates once."""
    command = [sys.executable, "-c", _MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT / "tests")
    return float(done.stdout)
