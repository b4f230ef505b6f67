"""One service at one moment: what is seen of it, what is forecast, what it needs, and where it may run."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_spec.pools import CapacityType
from tenbin_spec.reasons import Reason

from tenbin_planner.decide import ahead, answers, budget, capacity, hold, need, outlook, replicas, rungs, signals, spot
from tenbin_planner.decide.observation import Absent, ByHand
from tenbin_planner.decide.options import Demanded, Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document, DocumentService, DocumentWorkload

    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.lookahead import Judged
    from tenbin_planner.decide.memory import Memory, ServiceMemory
    from tenbin_planner.decide.observation import Observation
    from tenbin_planner.decide.recipe import Recipe

WARM_AFTER_S = 30.0
"""Seconds of observed demand, or a lead time if that is longer, until which the declared workload counts too."""
STEP_S = 15.0
"""Steps of the outlook."""
IDLE_S = 300.0
"""Without a request for so long, and two lead times, a service that may have no replica has none."""
_NO_SUCH = Absent(why="the cluster has no such workload")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """What is known of a service now."""

    at: float
    service: str
    agreed: DocumentService
    workloads: tuple[DocumentWorkload, ...]
    signals: signals.Signals
    counts: Mapping[str, replicas.Counts]
    """By workload; a workload that the cluster does not have is missing."""
    capacity: capacity.FleetCapacity | None
    """Of the cheapest pool with a known one; None while unknown."""
    lead_s: float
    """The longest lead time among its pools."""
    hold_s: float
    """For how long the need must have been lower before a replica is given up, where candidates are not simulated."""
    ahead_s: float
    """Lead time and one tick: what is decided now serves until then."""
    outlook: outlook.Outlook | None
    is_warm: bool
    """Whether enough demand has been observed for the declared workload to count no more."""
    needed: need.Needed | None
    demand: Demanded
    memory: ServiceMemory
    """What is to be remembered of it."""
    closed_until: Mapping[str, float]
    """When each workload that is closed opens again."""
    unscalable: Mapping[str, Absent]
    """Why each workload that cannot be scaled cannot."""
    look: ahead.Look | None = None
    """Its search by simulated futures; None where it cannot be made."""
    judged: Judged | None = None
    """What the search found."""
    held: str = ""
    """Why the search's wish to grow is not followed; empty when it is."""


def assess(
    document: Document,
    service: str,
    capacities: Mapping[str, capacity.FleetCapacity],
    *,
    observation: Observation,
    memory: Memory,
    beliefs: Mapping[str, LeadBelief],
    reader: signals.Reader,
    recipe: Recipe,
) -> Assessment:
    """Look at one service, as far as its own state goes; `judge` looks ahead."""
    agreed = document.services[service]
    workloads = tuple(item for item in document.workloads if item.service == service)
    seen = signals.read(observation, service, [item.name for item in workloads], reader)
    counts = _counts(workloads, observation, beliefs, reader)
    lead_s = max((beliefs[item.name].longest_s for item in workloads), default=0.0)
    interval_s = document.planner.interval_s
    ahead_s, hold_s = lead_s + interval_s, hold.LEADS * lead_s
    known = _cheapest_capacity(workloads, capacities)
    best = dict(known.best) if known is not None else {}
    remembered = _remember(memory.service(service), agreed, seen, best, at=observation.gateway.at, lead_s=lead_s)
    foreseen = _outlook(seen, remembered, agreed, at=observation.at, horizon_s=ahead.horizon_s(lead_s, interval_s))
    if foreseen is not None and not recipe.forecast:
        foreseen = _as_now(foreseen)
    needed = None
    if foreseen is not None and known is not None:
        needed = _needed(foreseen, agreed, seen, counts, known, lead_s=lead_s, ahead_s=ahead_s)
        needs = hold.remember(
            remembered.needs, at=observation.at, rate=needed.until_lead, hold_s=hold_s, interval_s=interval_s
        )
        remembered = dataclasses.replace(remembered, needs=needs)
    is_warm = remembered.demand.observed_s >= max(lead_s, WARM_AFTER_S)
    buy, keep = _rates(agreed, seen, needed, remembered, is_warm=is_warm, is_known=known is not None, hold_s=hold_s)
    hands = {name: state.by_hand for name, state in observation.workloads.items()}
    options = tuple(
        _option(
            document,
            item,
            capacities.get(item.name) if item.profile is not None else None,
            counts.get(item.name),
            memory,
            by_hand=hands.get(item.name, ByHand()),
            lead_s=lead_s,
            is_closed=memory.workload(item.name).closed_until > observation.at,
            is_unscalable=item.name in _unscalable(observation, workloads),
            rank=None if recipe.pool_choice else index,
        )
        for index, item in enumerate(workloads)
    )
    return Assessment(
        at=observation.at,
        service=service,
        agreed=agreed,
        workloads=workloads,
        signals=seen,
        counts=counts,
        capacity=known,
        lead_s=lead_s,
        hold_s=hold_s,
        ahead_s=ahead_s,
        outlook=foreseen,
        is_warm=is_warm,
        needed=needed,
        demand=Demanded(
            service=service,
            buy_rps=buy,
            keep_rps=keep,
            least=_least(agreed, seen, lead_s),
            most=agreed.replicas.max,
            options=options,
            least_firm=agreed.replicas.on_demand_min,
        ),
        memory=remembered,
        closed_until={item.name: memory.workload(item.name).closed_until for item in workloads},
        unscalable=_unscalable(observation, workloads),
    )


def _counts(
    workloads: tuple[DocumentWorkload, ...],
    observation: Observation,
    beliefs: Mapping[str, LeadBelief],
    reader: signals.Reader,
) -> dict[str, replicas.Counts]:
    found = {}
    for item in workloads:
        raw = observation.workloads.get(item.name)
        state = None if raw is None else signals.workload(raw, reader)
        if state is not None:
            found[item.name] = replicas.count(state, state.wanted, lead=beliefs[item.name])
    return found


def _remember(
    before: ServiceMemory,
    agreed: DocumentService,
    seen: signals.Signals,
    best: Mapping[str, float],
    *,
    at: float,
    lead_s: float,
) -> ServiceMemory:
    input_step, output_step = capacity.length_steps(agreed.workload, seen.lengths, before)
    before = dataclasses.replace(before, input_step=input_step, output_step=output_step)
    if isinstance(seen.demand, Absent):
        return before
    return dataclasses.replace(
        before,
        demand=outlook.learn(before.demand, seen.demand.arrivals, until=seen.demand.known_until),
        lengths=answers.learn(before.lengths, seen.classes, declared=agreed.workload.output_tokens),
        budget=budget.learn(before.budget, seen.classes, agreed.slo.classes, best, at=at, lead_s=lead_s),
    )


def _outlook(
    seen: signals.Signals, memory: ServiceMemory, agreed: DocumentService, *, at: float, horizon_s: float
) -> outlook.Outlook | None:
    if isinstance(seen.demand, Absent):
        return None
    declared = agreed.workload.requests_per_second
    prior = outlook.Prior(expected_rps=declared.expected, peak_rps=declared.peak)
    return outlook.outlook(memory.demand, at=at, horizon_s=horizon_s, step_s=STEP_S, prior=prior)


def _as_now(foreseen: outlook.Outlook) -> outlook.Outlook:
    """Return an outlook on which nothing changes."""
    return dataclasses.replace(
        foreseen,
        centre=foreseen.centre * 0 + foreseen.centre[0],
        spread=foreseen.spread * 0 + foreseen.spread[0],
        table=foreseen.table * 0 + foreseen.table[0],
    )


def _cheapest_capacity(
    workloads: tuple[DocumentWorkload, ...], capacities: Mapping[str, capacity.FleetCapacity]
) -> capacity.FleetCapacity | None:
    priced = [
        (item.hourly_usd is None, item.hourly_usd or 0, item.name) for item in workloads if item.name in capacities
    ]
    return capacities[min(priced)[2]] if priced else None


def _needed(
    foreseen: outlook.Outlook,
    agreed: DocumentService,
    seen: signals.Signals,
    counts: Mapping[str, replicas.Counts],
    known: capacity.FleetCapacity,
    *,
    lead_s: float,
    ahead_s: float,
) -> need.Needed:
    ready = sum(item.ready for item in counts.values())
    serving = ready + sum(seconds > 0 for item in counts.values() for seconds in item.going_s)
    answering = serving + sum(len(item.ending_s) for item in counts.values())
    supplies = [need.Supply(from_s=0.0, bound_rps=ready * known.bound_rps)]
    supplies += [
        need.Supply(from_s=seconds, bound_rps=known.bound_rps)
        for item in counts.values()
        for seconds in item.starting_s
    ]
    return need.needed(
        foreseen,
        lead_s=ahead_s,
        drain_s=max(_patience_s(agreed), need.DRAIN_LEADS * lead_s),
        backlog=_backlog(seen, answering * known.slots),
        supplies=supplies,
    )


def _patience_s(agreed: DocumentService) -> float:
    """Return the shortest TTFT threshold of a service in seconds; without one, its shortest E2E threshold."""
    classes = agreed.slo.classes.values()
    waits = [item.ttft_ms for item in classes if item.ttft_ms is not None]
    waits = waits or [item.e2e_ms for item in classes if item.e2e_ms is not None]
    return min(waits, default=1000) / 1000


def _backlog(seen: signals.Signals, slots: int) -> int:
    """Return the requests that wait: what engines say, or what is in flight beyond the slots of those that answer."""
    in_flight = None if isinstance(seen.demand, Absent) else seen.demand.in_flight
    beyond = 0 if in_flight is None else max(0, in_flight - slots)
    return max(beyond, seen.waiting or 0)


def _least(agreed: DocumentService, seen: signals.Signals, lead_s: float) -> int:
    """Return the least replicas: the agreed minimum, and one while a service that may have none is asked for."""
    if agreed.replicas.min > 0 or isinstance(seen.demand, Absent):
        return agreed.replicas.min
    lately = seen.demand.arrivals[-int(max(IDLE_S, 2 * lead_s)) :]
    return 1 if seen.demand.in_flight or any(lately) else 0


def _rates(
    agreed: DocumentService,
    seen: signals.Signals,
    needed: need.Needed | None,
    memory: ServiceMemory,
    *,
    is_warm: bool,
    is_known: bool,
    hold_s: float,
) -> tuple[float, float]:
    """Return the rates that replicas are bought and kept for, in requests per second."""
    if not is_known:
        return 0.0, math.inf
    declared = 0.0 if is_warm else agreed.workload.requests_per_second.expected
    if needed is None:
        return (declared if memory.demand.observed_s == 0 or not isinstance(seen.demand, Absent) else 0.0), math.inf
    keep = hold.keep_for(memory.needs, hold_s=hold_s) if is_warm else math.inf
    buy = max(needed.at_lead, declared)
    return buy, max(buy, keep)


def _option(
    document: Document,
    item: DocumentWorkload,
    known: capacity.FleetCapacity | None,
    counted: replicas.Counts | None,
    memory: Memory,
    *,
    by_hand: ByHand,
    lead_s: float,
    is_closed: bool,
    is_unscalable: bool,
    rank: int | None,
) -> Option:
    closed = None
    if item.profile is None:
        closed = Reason.PROFILE_UNKNOWN
    elif item.hourly_usd is None:
        closed = Reason.PRICE_UNKNOWN
    elif is_unscalable and (counted is None or is_closed):
        closed = Reason.NOT_SCALABLE
    elif counted is None:
        closed = Reason.NO_SIGNAL
    elif counted.stuck or is_closed:
        closed = Reason.STUCK_PENDING
    counted = counted or replicas.NONE
    most = item.max_replicas if by_hand.most is None else min(item.max_replicas, by_hand.most)
    floor = min(by_hand.least, most)
    if by_hand.is_paused:
        closed, floor, most = closed or Reason.BY_HAND, counted.current, counted.current
    is_spot = document.pools[item.pool].capacity_type is CapacityType.SPOT
    risk = spot.belief(memory.spot, item.pool).expected_cost_factor(lead_s) if is_spot else 1.0
    return Option(
        name=item.name,
        pool=item.pool,
        accelerators=item.accelerators,
        hourly_usd=item.hourly_usd,
        capacity=known,
        max_replicas=most,
        floor=floor,
        closed=closed,
        current=counted.current,
        ready=counted.ready,
        reclaimable=counted.draining,
        stuck=counted.stuck,
        is_spot=is_spot,
        risk_factor=risk,
        rank=rank,
    )


def _unscalable(observation: Observation, workloads: tuple[DocumentWorkload, ...]) -> dict[str, Absent]:
    """Return why workloads cannot be scaled: those that are missing, and those whose last count was not taken."""
    found = {}
    for item in workloads:
        state = observation.workloads.get(item.name)
        if state is None:
            found[item.name] = observation.unscalable.get(item.name, _NO_SUCH)
        elif state.refusal is not None:
            found[item.name] = Absent(why=state.refusal.why)
    return found


def ladder(seen: Assessment) -> rungs.Ladder:
    """Return the fleets among which a service chooses."""
    return rungs.Ladder(options=seen.demand.options, least_firm=seen.demand.least_firm)
