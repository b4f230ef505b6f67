"""One service at one moment: what is seen of it, what is forecast, what it needs, and where it may run."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from tenbin_spec.reasons import Reason

from tenbin_planner.decide import allocate, capacity, forecast, hold, need, replicas, signals
from tenbin_planner.decide import memory as memories
from tenbin_planner.decide.observation import Absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenbin_spec.document import Document, DocumentService, DocumentWorkload

    from tenbin_planner.decide.memory import Memory, ServiceMemory
    from tenbin_planner.decide.observation import Observation

WARM_AFTER_S = 30.0
"""Seconds of observed demand, or a lead time if that is longer, until which the declared workload counts too."""
LONGEST_OBSERVED_S = 86_400.0


@dataclasses.dataclass(frozen=True, kw_only=True)
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
    """For how long the need must have been lower before a replica is given up."""
    ahead_s: float
    """Lead time and one tick: what is decided now serves until then."""
    forecast: forecast.Forecast | None
    is_warm: bool
    """Whether enough demand has been observed for the declared workload to count no more."""
    needed: need.Needed | None
    demand: allocate.Demanded
    memory: ServiceMemory
    """What is to be remembered of it."""
    closed_until: Mapping[str, float]
    """When each workload that is closed opens again."""


def assess(
    document: Document,
    service: str,
    capacities: Mapping[str, capacity.FleetCapacity],
    *,
    observation: Observation,
    memory: Memory,
    reader: signals.Reader,
) -> Assessment:
    """Look at one service."""
    agreed = document.services[service]
    workloads = tuple(item for item in document.workloads if item.service == service)
    seen = signals.read(observation, service, [item.name for item in workloads], reader)
    counts = _counts(document, workloads, observation, reader)
    lead_s = float(max((document.pools[item.pool].lead_time_s for item in workloads), default=0))
    ahead_s, hold_s = lead_s + document.planner.interval_s, hold.LEADS * lead_s
    remembered = _remember(memory.service(service), agreed, seen, observation.at)
    foreseen = _forecast(seen, remembered, agreed, at=observation.at, ahead_s=ahead_s)
    known = _cheapest_capacity(workloads, capacities)
    needed = None
    if foreseen is not None and known is not None:
        needed = _needed(foreseen, agreed, seen, counts, known, lead_s=lead_s, ahead_s=ahead_s)
        now, interval_s = observation.at, document.planner.interval_s
        needs = hold.remember(remembered.needs, at=now, rate=needed.until_lead, hold_s=hold_s, interval_s=interval_s)
        remembered = dataclasses.replace(remembered, needs=needs)
    is_warm = remembered.observed_s >= max(lead_s, WARM_AFTER_S)
    buy, keep = _rates(agreed, seen, needed, remembered, is_warm=is_warm, is_known=known is not None, hold_s=hold_s)
    options = tuple(_option(item, capacities, counts, memory, observation.at) for item in workloads)
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
        forecast=foreseen,
        is_warm=is_warm,
        needed=needed,
        demand=_demanded(agreed, service, options, buy_rps=buy, keep_rps=keep),
        memory=remembered,
        closed_until={item.name: memory.workload(item.name).closed_until for item in workloads},
    )


def _demanded(
    agreed: DocumentService, service: str, options: tuple[allocate.Option, ...], *, buy_rps: float, keep_rps: float
) -> allocate.Demanded:
    return allocate.Demanded(
        service=service,
        buy_rps=buy_rps,
        keep_rps=keep_rps,
        least=agreed.replicas.min,
        most=agreed.replicas.max,
        options=options,
    )


def _counts(
    document: Document, workloads: tuple[DocumentWorkload, ...], observation: Observation, reader: signals.Reader
) -> dict[str, replicas.Counts]:
    found = {}
    for item in workloads:
        raw = observation.workloads.get(item.name)
        state = None if raw is None else signals.workload(raw, reader)
        if state is not None:
            lead_s = document.pools[item.pool].lead_time_s
            found[item.name] = replicas.count(state, state.wanted, lead_s=lead_s)
    return found


def _remember(before: ServiceMemory, agreed: DocumentService, seen: signals.Signals, at: float) -> ServiceMemory:
    input_step, output_step = capacity.length_steps(agreed.workload, seen.lengths, before)
    bins, new = dict(before.bins), 0
    if not isinstance(seen.demand, Absent):
        bins, new = forecast.remember(seen.demand.arrivals, bins, at=at)
    return dataclasses.replace(
        before,
        bins=bins,
        observed_s=min(before.observed_s + new * memories.BIN_S, LONGEST_OBSERVED_S),
        input_step=input_step,
        output_step=output_step,
    )


def _forecast(
    seen: signals.Signals, memory: ServiceMemory, agreed: DocumentService, *, at: float, ahead_s: float
) -> forecast.Forecast | None:
    if isinstance(seen.demand, Absent):
        return None
    floor_rps = agreed.workload.requests_per_second.expected
    return forecast.forecast(seen.demand.arrivals, memory.bins, at=at, horizon_s=ahead_s, floor_rps=floor_rps)


def _cheapest_capacity(
    workloads: tuple[DocumentWorkload, ...], capacities: Mapping[str, capacity.FleetCapacity]
) -> capacity.FleetCapacity | None:
    priced = [
        (item.hourly_usd is None, item.hourly_usd or 0, item.name) for item in workloads if item.name in capacities
    ]
    return capacities[min(priced)[2]] if priced else None


def _needed(
    foreseen: forecast.Forecast,
    agreed: DocumentService,
    seen: signals.Signals,
    counts: Mapping[str, replicas.Counts],
    known: capacity.FleetCapacity,
    *,
    lead_s: float,
    ahead_s: float,
) -> need.Needed:
    ready = sum(item.ready for item in counts.values())
    supplies = [need.Supply(from_s=0.0, bound_rps=ready * known.bound_rps)]
    supplies += [
        need.Supply(from_s=seconds, bound_rps=known.bound_rps)
        for item in counts.values()
        for seconds in item.starting_s
    ]
    return need.needed(
        foreseen,
        peak_rps=agreed.workload.requests_per_second.peak,
        lead_s=ahead_s,
        drain_s=max(_patience_s(agreed), need.DRAIN_LEADS * lead_s),
        backlog=_backlog(seen, ready * known.slots),
        supplies=supplies,
    )


def _patience_s(agreed: DocumentService) -> float:
    """Return the shortest TTFT threshold of a service in seconds; without one, its shortest E2E threshold."""
    classes = agreed.slo.classes.values()
    waits = [item.ttft_ms for item in classes if item.ttft_ms is not None]
    waits = waits or [item.e2e_ms for item in classes if item.e2e_ms is not None]
    return min(waits, default=1000) / 1000


def _backlog(seen: signals.Signals, slots: int) -> int:
    """Return the requests that wait: what engines say, or what is in flight beyond the slots of ready replicas."""
    in_flight = None if isinstance(seen.demand, Absent) else seen.demand.in_flight
    beyond = 0 if in_flight is None else max(0, in_flight - slots)
    return max(beyond, seen.waiting or 0)


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
        return (declared if memory.observed_s == 0 or not isinstance(seen.demand, Absent) else 0.0), math.inf
    keep = hold.keep_for(memory.needs, hold_s=hold_s) if is_warm else math.inf
    buy = max(needed.at_lead, declared)
    return buy, max(buy, keep)


def _option(
    item: DocumentWorkload,
    capacities: Mapping[str, capacity.FleetCapacity],
    counts: Mapping[str, replicas.Counts],
    memory: Memory,
    at: float,
) -> allocate.Option:
    counted = counts.get(item.name)
    closed = None
    if item.profile is None:
        closed = Reason.PROFILE_UNKNOWN
    elif item.hourly_usd is None:
        closed = Reason.PRICE_UNKNOWN
    elif counted is None:
        closed = Reason.NO_SIGNAL
    elif counted.stuck or memory.workload(item.name).closed_until > at:
        closed = Reason.STUCK_PENDING
    counted = counted or replicas.NONE
    return allocate.Option(
        name=item.name,
        pool=item.pool,
        accelerators=item.accelerators,
        hourly_usd=item.hourly_usd,
        capacity=capacities.get(item.name) if item.profile is not None else None,
        max_replicas=item.max_replicas,
        closed=closed,
        current=counted.current,
        ready=counted.ready,
        reclaimable=counted.draining,
        stuck=counted.stuck,
    )
