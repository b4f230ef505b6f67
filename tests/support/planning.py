"""A document, capacities and observations for tests of decisions; each test changes one thing."""

from __future__ import annotations

import dataclasses
import functools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from tenbin_planner import demand
from tenbin_planner.decide import capacity, memory, observation, outlook
from tenbin_planner.decide.recipe import Recipe
from tenbin_planner.demand import progress
from tenbin_spec.document import Document, document_of
from tenbin_spec.objectives import Slo
from tenbin_spec.stack import parse_stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = 1_000_000.0
LEAD_S = 20
INTERVAL_S = 5
SPOT, ON_DEMAND = "chat-serve-l4-spot", "chat-serve-l4"
PROFILE = "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"
TEN_PER_REPLICA = capacity.FleetCapacity(
    sizes=(1,), rates=(10.0,), edges=(10.0,), bound_rps=12.0, slots=16, binding="interactive", infeasible=()
)
"""Round numbers: each replica serves 10 requests per second, whatever the fleet."""
STEADY_STATE = Recipe(look_ahead=False)
"""The recipe that sizes by such capacities and simulates nothing."""


def configuration(**changes: Any) -> dict[str, Any]:
    """Return a stack's configuration with one service on a cheap small pool and a dear large one."""
    plain: dict[str, Any] = {
        "cluster": {"kind": "existing"},
        "pools": pools(),
        "services": {"chat": service()},
        "cost": {"hourly_usd": "10.00"},
        "planner": {"interval_s": INTERVAL_S},
    }
    return {**plain, **changes}


def pools(*, lead_time_s: int = LEAD_S) -> dict[str, Any]:
    """Return a cheap small pool and a dear large one."""
    return {
        "l4-spot": _pool(nodes=2, hourly_usd="0.36", capacity_type="spot", lead_time_s=lead_time_s),
        "l4": _pool(nodes=8, hourly_usd="0.80", lead_time_s=lead_time_s),
    }


def _pool(*, nodes: int, hourly_usd: str, lead_time_s: int, capacity_type: str = "on-demand") -> dict[str, Any]:
    return {
        "instance_type": "g6.xlarge",
        "capacity_type": capacity_type,
        "nodes": {"max": nodes},
        "hourly_usd": hourly_usd,
        "lead_time_s": lead_time_s,
    }


def service(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "model": {"id": "meta-llama/Llama-3.1-8B-Instruct"},
        "engine": {"kind": "simulated", "image": "tenbin/engine:1", "max_model_len": 8192, "profile": PROFILE},
        "pools": ["l4-spot", "l4"],
        "replicas": {"min": 1, "max": 8},
        "slo": {"window": "30d", "classes": {"interactive": {"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60}}},
        "workload": {
            "requests_per_second": {"expected": 5, "peak": 80},
            "input_tokens": {"mean": 300, "p95": 900},
            "output_tokens": {"mean": 60, "p95": 160},
        },
    }
    return {**plain, **changes}


def document(**changes: Any) -> Document:
    return document_of(parse_stack(configuration(**changes)), "test")


def without_price(agreed: Document, workload: str) -> Document:
    return _with_workload(agreed, workload, {"hourly_usd": None})


def without_profile(agreed: Document, workload: str) -> Document:
    return _with_workload(agreed, workload, {"profile": None})


def _with_workload(agreed: Document, workload: str, update: dict[str, Any]) -> Document:
    workloads = tuple(item.model_copy(update=update) if item.name == workload else item for item in agreed.workloads)
    return agreed.model_copy(update={"workloads": workloads})


def with_cap(agreed: Document, hourly_usd: str) -> Document:
    return agreed.model_copy(update={"cost": agreed.cost.model_copy(update={"hourly_usd": Decimal(hourly_usd)})})


def capacities(agreed: Document, known: capacity.FleetCapacity = TEN_PER_REPLICA) -> dict[str, capacity.FleetCapacity]:
    """Return the same capacity for every workload with a profile."""
    return {item.name: known for item in agreed.workloads if item.profile is not None}


def gateway(
    arrivals: Mapping[str, Sequence[Any]],
    *,
    in_flight: Any = 0,
    heard: bool = True,
    at: float = NOW,
    told: Mapping[str, Any] | None = None,
) -> demand.GatewayObservation:
    """Return what a gateway tells, with one class per service; `told` are other fields of each class."""
    nothing = demand.Attainment(good=0, total=0)
    classes = {
        (name, "interactive"): demand.ClassObservation(
            service=name,
            class_name="interactive",
            arrivals=tuple(values),
            in_flight=in_flight,
            last_minute=nothing,
            last_5_minutes=nothing,
            last_hour=nothing,
            ttft_ms=None,
            tpot_ms=None,
            tpot_is_estimated=False,
            output_tokens=None,
            failed=0,
            shed=0,
            cancelled=0,
            refused=0,
            **{"cumulative": nothing, "e2e_ms": None, **(told or {})},
        )
        for name, values in arrivals.items()
    }
    return demand.GatewayObservation(at=at, gateways={"g": 0.0} if heard else {}, classes=classes, ignored={})


def replica(
    name: str,
    phase: observation.Phase = observation.Phase.READY,
    *,
    since_s: float = 100.0,
    is_scheduled: bool = True,
    running: Any = 1.0,
    waiting: Any = 0.0,
    left_s: float | None = None,
    marked_s: float | None = None,
) -> observation.ReplicaState:
    return observation.ReplicaState(
        name=name,
        phase=phase,
        since_s=since_s,
        is_scheduled=is_scheduled,
        engine=observation.EngineReading(running=running, waiting=waiting, kv_usage=0.1),
        notice=None if left_s is None else observation.Notice(why="spot interruption notice", left_s=left_s),
        marked_s=marked_s,
    )


def workload(name: str, *replicas: observation.ReplicaState, told: int | None = None) -> observation.WorkloadState:
    return observation.WorkloadState(name=name, wanted=len(replicas) if told is None else told, replicas=replicas)


def ready(name: str, count: int) -> observation.WorkloadState:
    return workload(name, *(replica(f"{name}-{index}") for index in range(count)))


def observe(
    *workloads: observation.WorkloadState,
    rate: float = 0,
    in_flight: Any = 0,
    heard: bool = True,
    at: float = NOW,
    seconds: int = 300,
    arrivals: Mapping[str, Sequence[Any]] | None = None,
    told: Mapping[str, Any] | None = None,
) -> observation.Observation:
    """Return an observation of a constant rate; workloads that are not given exist and run nothing.

    Args:
        workloads: of the cluster.
        rate: requests per second.
        in_flight: at the gateway.
        heard: whether a gateway is heard.
        at: now.
        seconds: for how long requests have come.
        arrivals: instead of the rate.
        told: other fields of what the gateway tells of each class.
    """
    named = {item.name: item for item in workloads}
    for name in (SPOT, ON_DEMAND):
        named.setdefault(name, workload(name))
    return observation.Observation(
        at=at,
        gateway=gateway(
            arrivals or {"chat": steady(rate, seconds)}, in_flight=in_flight, heard=heard, at=at, told=told
        ),
        workloads=named,
        lengths={},
    )


def running(*output_tokens: Any) -> demand.RunningSample:
    """Return requests in flight whose answers have come to so many tokens, oldest first."""
    ages = tuple(float(age) for age in range(len(output_tokens), 0, -1))
    return demand.RunningSample(count=len(output_tokens), age_s=ages, output_tokens=output_tokens)


def answered(counts: Mapping[int, Any], *, since: Any = NOW - 3600.0) -> demand.AnswerCounts:
    """Return the counters after answers of these numbers of tokens, all at their end."""
    ended = np.zeros(progress.BINS, dtype=object)
    for tokens, count in counts.items():
        ended[progress.bins_of(tokens)] += count
    passed = np.cumsum(ended[::-1])[::-1] - ended
    return demand.AnswerCounts(since=since, ended=tuple(ended), passed=tuple(passed))


def steady(rate: float, seconds: int = 300) -> list[int]:
    """Return arrivals in each second whose mean is the rate, as even as whole numbers allow."""
    return [int((second + 1) * rate) - int(second * rate) for second in range(seconds)]


def warm(*, needed_rps: float = 0.0, seconds: int = 60, at: float = NOW) -> memory.Memory:
    """Return the memory of a planner that has observed for long, and needed the same rate over the last seconds."""
    needs = tuple(memory.Need(at=at - second, rate=needed_rps) for second in range(seconds, 0, -INTERVAL_S))
    demand = dataclasses.replace(outlook.empty(), observed_s=3600.0)
    return memory.Memory(at=at - INTERVAL_S, services={"chat": memory.ServiceMemory(demand=demand, needs=needs)})


def accustomed(remembered: memory.Memory, rate: float, *, at: float = NOW) -> memory.Memory:
    """Return a memory that has seen this rate for hours, so that the forecast is sure of it."""
    services = {
        name: dataclasses.replace(item, demand=_hours_of(rate, at - 300)) for name, item in remembered.services.items()
    }
    return dataclasses.replace(remembered, services=services)


@functools.lru_cache
def _hours_of(rate: float, until: float) -> outlook.DemandMemory:
    return outlook.from_history(np.array(steady(rate, 3 * 3600), dtype=np.float64), ends_at=until)


def slos(agreed: Document) -> dict[str, Slo]:
    return {name: item.slo for name, item in agreed.services.items()}
