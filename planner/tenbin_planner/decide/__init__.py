"""The decision, from observation to plan.

Pure: no clock, no randomness, no logging, no I/O; time comes in the observation.

The recipe, one step per module:

    observation   what is seen, absence as a state of its own      signals   which of its numbers can be used
    forecast      demand at now plus lead time, as a quantile      capacity  what a fleet does within the objectives
    need          forecast and backlog, as a rate to carry         hold      the last lead time must agree to give up
    allocate      keep, give up and buy over pools                 limits    pools, and caps in dollars per hour
    closures      pools that give no nodes are left alone          drain     who is to go, gently: from plan to orders
    explain       every number's reason                            memory    what the next decision takes from this one

`decide` is called each tick by `loop`, in production and in the back-test alike.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tenbin_planner.decide import allocate, assess, capacity, closures, explain, signals
from tenbin_planner.decide.limits import Account, Ledger
from tenbin_planner.decide.plan import Because, Plan, PlannedService, PlannedWorkload
from tenbin_planner.decide.recipe import FULL, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_spec.document import Document

    from tenbin_planner.decide.assess import Assessment
    from tenbin_planner.decide.memory import Memory
    from tenbin_planner.decide.observation import Observation

__all__ = ["Decision", "decide", "traffics"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """A plan, and what is to be remembered for the next one."""

    plan: Plan
    memory: Memory


def decide(
    document: Document,
    capacities: Mapping[str, capacity.FleetCapacity],
    observation: Observation,
    memory: Memory,
    recipe: Recipe = FULL,
) -> Decision:
    """Decide what each workload is to run.

    Args:
        document: the agreement.
        capacities: what fleets do within the objectives, by workload, for `traffics`; those not known yet are missing.
        observation: the world now.
        memory: of the decision before.
        recipe: parts of the decision in use.
    """
    reader = signals.Reader()
    memory = closures.update(document, observation, memory)
    seen = [
        assess.assess(document, name, capacities, observation=observation, memory=memory, reader=reader)
        for name in sorted(document.services)
    ]
    ledger = open_ledger(document, seen)
    given = allocate.allocate([item.demand for item in seen], ledger)
    plan = _plan(document, observation, seen, given, ledger=ledger, reader=reader, memory=memory)
    services = {item.service: item.memory for item in seen}
    return Decision(plan=plan, memory=dataclasses.replace(memory, at=observation.at, services=services))


def traffics(document: Document, memory: Memory) -> dict[str, capacity.Traffic]:
    """Return the traffic, by workload with a profile, for which `decide` needs a capacity."""
    return {
        item.name: capacity.traffic(document, item.service, memory.service(item.service))
        for item in document.workloads
        if item.profile is not None
    }


def open_ledger(document: Document, seen: Sequence[Assessment]) -> Ledger:
    """Open the books on pools and budgets with what exists."""
    accounts = {}
    for service in seen:
        for item in service.workloads:
            counts = service.counts.get(item.name)
            accounts[item.name] = Account(
                service=item.service,
                pool=item.pool,
                accelerators=item.accelerators,
                hourly_usd=item.hourly_usd,
                existing=counts.existing if counts else 0,
                leaving=counts.leaving if counts else 0,
                lost=counts.lost if counts else 0,
            )
    return Ledger(
        accounts,
        pool_accelerators={name: pool.max_nodes * pool.accelerators for name, pool in document.pools.items()},
        stack_cap=document.cost.hourly_usd,
        service_caps={name: item.cost.hourly_usd for name, item in document.services.items() if item.cost is not None},
    )


def _plan(
    document: Document,
    observation: Observation,
    seen: Sequence[Assessment],
    given: Mapping[str, allocate.Allocation],
    *,
    ledger: Ledger,
    reader: signals.Reader,
    memory: Memory,
) -> Plan:
    services, workloads = [], []
    for service in seen:
        allocation = given[service.service]
        reasons = explain.service(document, service, allocation)
        services.append(_service(service, allocation, reasons))
        workloads += [
            PlannedWorkload(
                name=item.name,
                service=item.service,
                role=item.role,
                pool=item.pool,
                hourly_usd=item.hourly_usd,
                wanted=allocation.wanted[item.name] + ledger.lost(item.name),
                because=explain.workload(document, service, item, allocation, reasons),
            )
            for item in service.workloads
        ]
    return Plan(
        at=observation.at,
        services=tuple(services),
        workloads=tuple(workloads),
        hourly_usd=ledger.hourly_usd(),
        hourly_cap_usd=document.cost.hourly_usd,
        notes=tuple(explain.notes(seen, memory)),
        ignored=tuple(reader.ignored),
    )


def _service(seen: Assessment, given: allocate.Allocation, reasons: tuple[Because, ...]) -> PlannedService:
    needed, known = seen.needed, seen.capacity
    demand = seen.signals.demand
    count = known.replicas_for(seen.demand.buy_rps) if known else 0
    return PlannedService(
        name=seen.service,
        requests_per_second=seen.forecast.level if seen.forecast else None,
        forecast_requests_per_second=_planned(seen),
        in_flight=demand.in_flight if isinstance(demand, signals.Demand) else None,
        waiting=seen.signals.waiting,
        replica_requests_per_second=known.per_replica(max(1, given.total)) if known else None,
        needed=given.total if needed is None else max(count, seen.demand.least),
        planned=given.total,
        because=reasons,
    )


def _planned(seen: Assessment) -> float | None:
    peak_rps = seen.agreed.workload.requests_per_second.peak
    return seen.forecast.planned(seen.ahead_s, peak_rps) if seen.forecast else None
