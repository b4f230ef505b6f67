"""The decision, from observation to plan.

Pure: no clock, no randomness, no logging, no I/O; time comes in the observation.

The recipe, one step per module:

    observation   what is seen, absence as a state of its own      signals   which of its numbers can be used
    outlook       demand to come, as calibrated quantiles          answers   how long answers are, and what is left
    leads         how long starts take                             spot      what spot pools take away
    budget        the error budget, as the price of a miss         spending  what the month's cap allows per hour
    assess        one service now: all of the above                capacity  what a fleet does in steady state
    ahead         futures, fleets and prices put together          futures   what may come: few draws tell of many
    lookahead     fleets judged by simulated futures               rungs     the fleets among which a service chooses
    playing       one fleet through one future                     feasible  the nearest objective, where money is short
    judging       the fleet that is worth most                     sharing   short money goes where it saves most
    allocate      keep, give up and buy over pools                 limits    pools, and caps in dollars per hour
    closures      pools that give no nodes are left alone          drain     who is to go, gently: from plan to orders
    explain       every number's reason                            considered  what was weighed, on which forecast
    memory        what the next decision takes from this one       measured    what starts took, part by part
    going         replicas whose node is about to go

Where no future can be simulated, `need` and `hold` size the fleet by its capacity in steady state.

`decide` is called each tick by `loop`, in production and in the back-test alike.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_spec.pools import CapacityType

from tenbin_planner.decide import (
    allocate,
    assess,
    capacity,
    closures,
    considered,
    explain,
    judging,
    leads,
    measured,
    need,
    replicas,
    signals,
    spending,
    spot,
)
from tenbin_planner.decide.limits import ZERO, Account, Ledger
from tenbin_planner.decide.observation import Warmth
from tenbin_planner.decide.plan import Because, Plan, PlannedService, PlannedWorkload
from tenbin_planner.decide.recipe import FULL, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenbin_spec.document import Document

    from tenbin_planner.decide.assess import Assessment
    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.memory import Memory
    from tenbin_planner.decide.observation import Observation, WorkloadState

__all__ = ["Decision", "decide", "lead_beliefs", "traffics"]


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
    states = _states(document, observation)
    memory = _learned(document, states, memory, at=observation.at)
    beliefs = lead_beliefs(document, memory, recipe)
    memory = closures.update(document, states, memory, beliefs, at=observation.at)
    seen = [
        assess.assess(
            document,
            name,
            capacities,
            observation=observation,
            memory=memory,
            beliefs=beliefs,
            reader=reader,
            recipe=recipe,
        )
        for name in sorted(document.services)
    ]
    memory = _spent(seen, memory, observation)
    ledger = open_ledger(document, seen, memory)
    seen = [judging.judge(document, item, memory=memory, beliefs=beliefs, recipe=recipe) for item in seen]
    seen = judging.share(seen, ledger)
    given = allocate.allocate([item.demand for item in seen], ledger)
    plan = _plan(document, observation, seen, given, ledger=ledger, reader=reader, memory=memory, beliefs=beliefs)
    services = {item.service: item.memory for item in seen}
    return Decision(plan=plan, memory=dataclasses.replace(memory, at=observation.at, services=services))


def lead_beliefs(document: Document, memory: Memory, recipe: Recipe = FULL) -> dict[str, leads.LeadBelief]:
    """Return what is believed of the lead time of each workload."""
    remembered = memory.leads if recipe.lead_learning else leads.LeadMemory()
    return {
        item.name: leads.belief(remembered, item.name, float(document.pools[item.pool].lead_time_s))
        for item in document.workloads
    }


def _states(document: Document, observation: Observation) -> dict[str, WorkloadState]:
    """Return the agreement's workloads whose numbers can be used, by name; what cannot is said where it is assessed."""
    own = {item.name for item in document.workloads}
    return {
        name: state
        for name, raw in sorted(observation.workloads.items())
        if name in own and (state := signals.workload(raw, signals.Reader())) is not None
    }


def _learned(document: Document, states: Mapping[str, WorkloadState], memory: Memory, *, at: float) -> Memory:
    """Return the memory with what the cluster's replicas tell of lead times and interruptions."""
    on_spot = {
        item.name: item.pool
        for item in document.workloads
        if document.pools[item.pool].capacity_type is CapacityType.SPOT
    }
    return dataclasses.replace(
        memory,
        leads=leads.learn(memory.leads, states, {name: name for name in states}, at=at),
        spot=spot.learn(
            memory.spot,
            {name: state for name, state in states.items() if name in on_spot},
            on_spot,
            at=at,
        ),
    )


def _spent(seen: Sequence[Assessment], memory: Memory, observation: Observation) -> Memory:
    """Return the memory with what all that exists costs until now."""
    hourly_usd = {
        service.service: sum(
            (
                (counts.existing + counts.leaving + counts.absent) * (item.hourly_usd or ZERO)
                for item in service.workloads
                if (counts := service.counts.get(item.name, replicas.NONE)) is not replicas.NONE
            ),
            ZERO,
        )
        for service in seen
    }
    return dataclasses.replace(memory, spending=spending.spend(memory.spending, hourly_usd, at=observation.at))


def traffics(document: Document, memory: Memory) -> dict[str, capacity.Traffic]:
    """Return the traffic, by workload with a profile, for which `decide` needs a capacity."""
    return {
        item.name: capacity.traffic(document, item.service, memory.service(item.service))
        for item in document.workloads
        if item.profile is not None
    }


def open_ledger(document: Document, seen: Sequence[Assessment], memory: Memory) -> Ledger:
    """Open the books on pools and budgets with what exists; a month's cap counts where it allows less than the hour."""
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
                lost=counts.absent if counts else 0,
            )
    caps: dict[str, Decimal] = {spending.STACK: document.cost.hourly_usd}
    caps |= {name: item.cost.hourly_usd for name, item in document.services.items() if item.cost is not None}
    monthly = set()
    for payer, usd in _monthly_caps(document).items():
        least = _least_usd(payer, seen)
        allowed = spending.allowance_hourly_usd(
            memory.spending, payer, usd, at=memory.spending.at or 0.0, least_hourly_usd=least
        ).hourly_usd
        if allowed < caps.get(payer, allowed + 1):
            caps[payer] = allowed
            monthly.add(payer)
    return Ledger(
        accounts,
        pool_accelerators={name: pool.max_nodes * pool.accelerators for name, pool in document.pools.items()},
        stack_cap=caps.pop(spending.STACK),
        service_caps=caps,
        monthly=frozenset(monthly),
    )


def _monthly_caps(document: Document) -> dict[str, Decimal]:
    found = {spending.STACK: document.cost.monthly_usd}
    found |= {name: item.cost.monthly_usd for name, item in document.services.items() if item.cost is not None}
    return {name: usd for name, usd in found.items() if usd is not None}


def _least_usd(payer: str, seen: Sequence[Assessment]) -> Decimal:
    """Return what the minimum of a service, or of all, costs per hour on its cheapest pools."""
    total = ZERO
    for item in seen:
        if payer in (spending.STACK, item.service):
            prices = [option.hourly_usd for option in item.demand.options if option.hourly_usd is not None]
            total += item.demand.least * min(prices, default=ZERO)
    return total


def _plan(
    document: Document,
    observation: Observation,
    seen: Sequence[Assessment],
    given: Mapping[str, allocate.Allocation],
    *,
    ledger: Ledger,
    reader: signals.Reader,
    memory: Memory,
    beliefs: Mapping[str, LeadBelief],
) -> Plan:
    services, workloads = [], []
    for service in seen:
        allocation = given[service.service]
        reasons = explain.service(document, service, allocation)
        services.append(_service(service, allocation, reasons, beliefs))
        workloads += [
            PlannedWorkload(
                name=item.name,
                service=item.service,
                role=item.role,
                pool=item.pool,
                hourly_usd=item.hourly_usd,
                wanted=_wanted(item.name, service, allocation, observation, ledger),
                because=explain.workload(document, service, item, allocation, reasons),
                starts=measured.starts(memory.leads, item.name),
            )
            for item in service.workloads
        ]
    return Plan(
        at=observation.at,
        services=tuple(services),
        workloads=tuple(workloads),
        hourly_usd=ledger.hourly_usd(),
        hourly_cap_usd=document.cost.hourly_usd,
        month_usd=Decimal(repr(round(memory.spending.of(spending.STACK).month_usd, 4))),
        monthly_cap_usd=document.cost.monthly_usd,
        notes=(*explain.notes(seen, memory), *_problems(observation, seen)),
        ignored=tuple(reader.ignored),
    )


def _wanted(name: str, seen: Assessment, given: allocate.Allocation, observation: Observation, ledger: Ledger) -> int:
    """Return the replicas that the cluster is to be told; of a paused workload those that it is told now."""
    state = observation.workloads.get(name)
    if state is not None and state.by_hand.is_paused and name in seen.counts:
        return seen.counts[name].told
    return given.wanted[name] + ledger.lost(name)


def _problems(observation: Observation, seen: Sequence[Assessment]) -> Iterator[str]:
    for service in seen:
        for item in service.workloads:
            state = observation.workloads.get(item.name)
            if state is not None:
                yield from (*state.by_hand.problems, *_notices(state))
                if state.refusal is not None and service.closed_until[item.name] > service.at:
                    yield f"{item.name}: {state.refusal.why}"
            elif item.name in observation.unscalable:
                yield f"{item.name}: {observation.unscalable[item.name].why}"
    yield from observation.problems


def _notices(state: WorkloadState) -> Iterator[str]:
    for replica in state.going:
        if replica.notice is not None:
            yield f"{replica.name} is on a node that is about to go: {replica.notice.why}"


def _service(
    seen: Assessment,
    given: allocate.Allocation,
    reasons: tuple[Because, ...],
    beliefs: Mapping[str, LeadBelief],
) -> PlannedService:
    needed, known = seen.needed, seen.capacity
    demand = seen.signals.demand
    count = known.replicas_for(seen.demand.buy_rps) if known else 0
    if seen.judged is not None:
        count = seen.judged.count
    input_tokens, output_tokens = considered.lengths(seen)
    return PlannedService(
        name=seen.service,
        requests_per_second=float(seen.outlook.median[0]) if seen.outlook is not None else None,
        forecast_requests_per_second=_planned(seen),
        in_flight=demand.in_flight if isinstance(demand, signals.Demand) else None,
        waiting=seen.signals.waiting,
        replica_requests_per_second=known.per_replica(max(1, given.total)) if known else None,
        needed=given.total if needed is None else max(count, seen.demand.least),
        planned=given.total,
        because=reasons,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        lead_s={item.name: _next_lead_s(beliefs[item.name], seen.counts.get(item.name)) for item in seen.workloads},
        forecast=considered.forecast(seen),
        considered=considered.considered(seen),
    )


def _next_lead_s(lead: LeadBelief, counts: replicas.Counts | None) -> float:
    """Return what the next start is believed to take, median."""
    if counts is None or counts.room is None:
        return lead.median_s
    return lead.of(Warmth.WARM if counts.room else Warmth.COLD).median_s


def _planned(seen: Assessment) -> float | None:
    return need.planned_rps(seen.outlook, seen.ahead_s) if seen.outlook is not None else None
