"""Reasons in words: why a service and each of its workloads get what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_spec.contract import ANNOTATION_PAUSED, ANNOTATION_REPLICAS_MAX, ANNOTATION_REPLICAS_MIN
from tenbin_spec.quantities import money_text
from tenbin_spec.reasons import Reason

from tenbin_planner.decide import allocate, feasible
from tenbin_planner.decide.observation import Absent
from tenbin_planner.decide.plan import Because

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenbin_spec.document import Document, DocumentWorkload

    from tenbin_planner.decide.assess import Assessment
    from tenbin_planner.decide.memory import Memory
    from tenbin_planner.decide.options import Option

UNKNOWN = {
    Reason.PROFILE_UNKNOWN: "no engine profile is known for this pool, so nothing is bought here",
    Reason.PRICE_UNKNOWN: "the price of this pool is unknown, so nothing is bought here",
    Reason.BY_HAND: "its workloads are paused by hand",
    Reason.NOT_SCALABLE: "what is to be scaled cannot be",
    Reason.NO_SIGNAL: "its count cannot be believed, so nothing is bought here",
}

ABOUT = 1.1
"""Factor on the declared demand up to which what is expected counts as no more."""
_SHRINKING = (Reason.SCALE_DOWN, Reason.HOURLY_CAP, Reason.MONTHLY_CAP, Reason.MAXIMUM, Reason.POOLS_FULL)


def service(document: Document, seen: Assessment, given: allocate.Allocation) -> tuple[Because, ...]:
    """Return why a service gets its replicas, the main reason first."""
    main = _main(seen, given)
    remarks = (remark for remark in _remarks(seen) if remark.reason is not main.reason)
    return (*_obstacles(document, seen, given), main, *remarks)


def workload(
    document: Document,
    seen: Assessment,
    item: DocumentWorkload,
    given: allocate.Allocation,
    reasons: tuple[Because, ...],
) -> Because:
    """Return why a workload gets its replicas.

    Args:
        document: the agreement.
        seen: the service.
        item: the workload.
        given: replicas of the service.
        reasons: of the service; they hold where nothing special does.
    """
    main = reasons[0]
    option = next(option for option in seen.demand.options if option.name == item.name)
    wanted, current = given.wanted[item.name], option.current + option.reclaimable
    if given.moved and item.name in given.moved:
        dear, cheap = given.moved
        return Because(reason=Reason.CHEAPER_POOL, detail=f"one replica moves from {dear} to {cheap}, which costs less")
    if option.closed is Reason.BY_HAND:
        return Because(
            reason=Reason.BY_HAND, detail=f"paused: what runs stays until the annotation {ANNOTATION_PAUSED} is gone"
        )
    if option.floor and wanted == option.floor:
        return Because(reason=Reason.BY_HAND, detail=f"{ANNOTATION_REPLICAS_MIN} asks for {option.floor} or more")
    if wanted == option.max_replicas < item.max_replicas:
        text = f"{ANNOTATION_REPLICAS_MAX} allows {option.max_replicas} at most"
        return Because(reason=Reason.BY_HAND, detail=text)
    if option.closed is Reason.NOT_SCALABLE:
        why = seen.unscalable[item.name].why
        return Because(reason=Reason.NOT_SCALABLE, detail=f"{why}, so nothing is bought here")
    if option.closed is not None and option.closed is not Reason.STUCK_PENDING:
        return Because(reason=option.closed, detail=UNKNOWN[option.closed])
    if option.closed is Reason.STUCK_PENDING:
        return Because(reason=Reason.STUCK_PENDING, detail=_stuck_text(document, seen, item, option))
    if wanted == current and wanted == option.max_replicas and Reason.POOLS_FULL in given.bitten:
        return Because(reason=Reason.POOLS_FULL, detail=f"{item.pool} holds {item.max_replicas} replicas at most")
    if wanted < current and main.reason not in _SHRINKING:
        return Because(reason=Reason.CHEAPER_POOL, detail="cheaper pools carry the need")
    return main


def _stuck_text(document: Document, seen: Assessment, item: DocumentWorkload, option: Option) -> str:
    lead_s = document.pools[item.pool].lead_time_s
    refused = seen.counts[item.name].refused if item.name in seen.counts else None
    if refused is not None:
        return f"the cluster refuses to make replicas here, so another pool is tried: {refused}"
    if option.stuck:
        return f"{option.stuck} pending for longer than the lead time of {lead_s} s allows; another pool is tried"
    until = seen.closed_until.get(item.name, 0.0) - seen.at
    return f"replicas did not come here; tried again in {max(0.0, until):.0f} s"


def _obstacles(document: Document, seen: Assessment, given: allocate.Allocation) -> Iterator[Because]:
    """Yield what keeps the service from what it needs."""
    share = _share_text(seen, given) if given.bitten else ""
    if seen.capacity is not None and seen.capacity.infeasible:
        yield Because(reason=Reason.INFEASIBLE, detail="; ".join(seen.capacity.infeasible))
    for reason in given.bitten:
        match reason:
            case Reason.HOURLY_CAP:
                yield Because(reason=reason, detail=f"{_caps_text(document, seen)}: {share}")
            case Reason.MONTHLY_CAP:
                yield Because(reason=reason, detail=f"{_months_text(document, seen)}: {share}")
            case Reason.MAXIMUM:
                yield Because(reason=reason, detail=f"at most {seen.demand.most} replicas are allowed: {share}")
            case Reason.POOLS_FULL:
                yield Because(reason=reason, detail=f"every pool that it may use is full: {share}")
            case Reason.STUCK_PENDING:
                yield Because(reason=reason, detail=f"its pools give no nodes: {share}")
            case _:
                yield Because(reason=reason, detail=f"{UNKNOWN[reason]}: {share}")


def _share_text(seen: Assessment, given: allocate.Allocation) -> str:
    """Say what the replicas that there are keep of what is needed."""
    if seen.look is None or seen.judged is None:
        carried = allocate.carried(seen.demand.options, given.wanted, at_edge=True)
        return f"{given.total} replicas carry {carried:.2f} of {seen.demand.buy_rps:.2f} requests/s"
    text = f"{given.total} replicas where {seen.judged.count} are worth their price"
    found = feasible.nearest(seen.look.search, given.total, seen.agreed.slo.classes)
    missed = [str(item) for item in found if not item.is_kept]
    return f"{text}; nearest feasible: {'; '.join(missed)}" if missed else text


def _months_text(document: Document, seen: Assessment) -> str:
    texts = []
    if document.cost.monthly_usd is not None:
        texts.append(f"{money_text(document.cost.monthly_usd)} USD for the stack")
    if seen.agreed.cost is not None and seen.agreed.cost.monthly_usd is not None:
        texts.append(f"{money_text(seen.agreed.cost.monthly_usd)} USD for the service")
    return "the month's cap is " + " and ".join(texts)


def _caps_text(document: Document, seen: Assessment) -> str:
    texts = [f"{money_text(document.cost.hourly_usd)} USD per hour for the stack"]
    if seen.agreed.cost is not None:
        texts.append(f"{money_text(seen.agreed.cost.hourly_usd)} USD per hour for the service")
    return "the cap is " + " and ".join(texts)


def _main(seen: Assessment, given: allocate.Allocation) -> Because:
    before = sum(option.current + option.reclaimable for option in seen.demand.options)
    after = given.total - (given.moved is not None)  # the one that moves is not yet given up
    minimum = Because(reason=Reason.MINIMUM, detail=f"at least {seen.demand.least} replicas are agreed")
    replacement = _replacement(seen, after - before)
    if replacement is not None:
        return replacement
    if before < after <= seen.demand.least:
        return minimum
    unknown = _unknown(seen, is_shrinking=after < before)
    if unknown is not None:
        return unknown
    if after > before:
        return _growth(seen) or minimum
    demand = _demand_text(seen)
    if after < before:
        detail = demand if seen.judged else f"{demand}, and no more was needed over the last {seen.hold_s:.0f} s"
        return Because(reason=Reason.SCALE_DOWN, detail=detail)
    if seen.held:
        return Because(reason=Reason.HOLD, detail=f"{demand}; {seen.held}")
    if seen.judged is None and _has_spare(seen, given):
        return Because(reason=Reason.HOLD, detail=f"{demand}; fewer are not safe until {seen.hold_s:.0f} s agree")
    return minimum if after <= seen.demand.least else Because(reason=Reason.STEADY, detail=demand)


def _unknown(seen: Assessment, *, is_shrinking: bool) -> Because | None:
    """Return what is not known that would be needed, None when all is."""
    if isinstance(seen.signals.demand, Absent):
        return Because(reason=Reason.NO_SIGNAL, detail=f"{seen.signals.demand.why}: what runs is kept")
    if seen.capacity is None:
        return _uncounted(seen)
    if seen.needed is None or (not seen.is_warm and not is_shrinking and _is_declared(seen)):
        rate = seen.agreed.workload.requests_per_second.expected
        detail = f"the declared {rate:g} requests/s count until more is observed"
        return Because(reason=Reason.WARMING_UP, detail=detail)
    return None


def _replacement(seen: Assessment, more: int) -> Because | None:
    """Return why others take the place of replicas that are about to go; None where none do, or more than these."""
    going = sum(len(item.going_s) for item in seen.counts.values())
    if not 0 < more <= going:
        return None
    known = f"; {_demand_text(seen)}" if seen.outlook is not None else ""
    return Because(reason=Reason.INTERRUPTED, detail=f"{_going_text(seen)}{known}")


def _going_text(seen: Assessment) -> str:
    left_s = sorted(seconds for item in seen.counts.values() for seconds in item.going_s)
    return f"nodes of {len(left_s)} replicas are about to go, the first in {left_s[0]:.0f} s"


def _growth(seen: Assessment) -> Because | None:
    """Return why more is needed than runs; None when it is not for demand."""
    current = {option.name: option.current for option in seen.demand.options}
    carried = allocate.carried(seen.demand.options, current, at_edge=True)
    if seen.needed is None or carried >= seen.demand.buy_rps:
        return None
    demand = _demand_text(seen)
    if seen.judged is not None:
        return _growth_ahead(seen, demand)
    if carried >= seen.demand.buy_rps - seen.needed.backlog_rps:
        waiting = (
            f"{seen.needed.backlog} requests wait, {seen.needed.backlog_at_lead:.0f} still in {seen.ahead_s:.0f} s"
        )
        return Because(reason=Reason.BACKLOG, detail=f"{waiting}; {demand}")
    return Because(reason=Reason.FORECAST, detail=demand)


def _growth_ahead(seen: Assessment, demand: str) -> Because:
    stop = seen.memory.stop
    if stop is not None and 0 <= seen.at - stop.at < seen.lead_s:
        detail = f"{demand}; up to {stop.rate:.2f} were expected when replicas were given up"
        return Because(reason=Reason.FORECAST_MISS, detail=detail)
    if seen.needed is not None and seen.needed.backlog:
        return Because(reason=Reason.BACKLOG, detail=f"{seen.needed.backlog} requests wait; {demand}")
    return Because(reason=Reason.FORECAST, detail=demand)


def _uncounted(seen: Assessment) -> Because:
    if all(item.profile is None for item in seen.workloads):
        return Because(reason=Reason.PROFILE_UNKNOWN, detail="no pool has an engine profile: what runs is kept")
    return Because(reason=Reason.WARMING_UP, detail="what replicas can do is being computed: what runs is kept")


def _is_declared(seen: Assessment) -> bool:
    """Tell whether the declared workload is what counts: where futures are simulated, the outlook begins with it."""
    if seen.judged is not None and seen.outlook is not None:
        return float(seen.outlook.median[0]) <= ABOUT * seen.agreed.workload.requests_per_second.expected
    return seen.needed is not None and seen.demand.buy_rps > seen.needed.at_lead


def _has_spare(seen: Assessment, given: allocate.Allocation) -> bool:
    """Tell whether one replica fewer would carry what is bought for."""
    if given.total <= seen.demand.least:
        return False
    fewer = max(given.wanted, key=lambda name: (given.wanted[name], name))
    return (
        allocate.carried(seen.demand.options, {**given.wanted, fewer: given.wanted[fewer] - 1}) >= seen.demand.buy_rps
    )


def _demand_text(seen: Assessment) -> str:
    if seen.outlook is None or seen.needed is None or seen.capacity is None:
        return "nothing is known"
    if seen.judged is not None:
        return _judged_text(seen)
    size = max(1, seen.capacity.replicas_for(seen.needed.at_lead))
    return (
        f"{seen.needed.at_lead:.2f} requests/s to be served in {seen.ahead_s:.0f} s ({seen.outlook.median[0]:.2f} now),"
        f" a replica serves {seen.capacity.per_replica(size):.2f}"
    )


def _judged_text(seen: Assessment) -> str:
    assert seen.outlook is not None  # noqa: S101 - of the judged ones
    assert seen.judged is not None  # noqa: S101 - of the judged ones
    found = seen.judged
    saved = found.saved_misses
    text = (
        f"{seen.outlook.quantile(seen.ahead_s, 0.5):.2f} requests/s expected in {seen.ahead_s:.0f} s"
        f" ({seen.outlook.median[0]:.2f} now); with {found.count} replicas {found.misses:.1f} of"
        f" {found.requests:.0f} requests are expected to miss"
    )
    if saved is not None:
        text += f", {abs(saved):.1f} {'fewer' if saved > 0 else 'more'} than with what runs"
    return f"{text}, at {found.miss_usd:.4f} USD a miss"


def _remarks(seen: Assessment) -> Iterator[Because]:
    stuck = sum(item.stuck for item in seen.counts.values())
    if stuck:
        yield Because(reason=Reason.STUCK_PENDING, detail=f"{stuck} replicas do not come")
    if any(item.going_s for item in seen.counts.values()):
        yield Because(reason=Reason.INTERRUPTED, detail=_going_text(seen))


def notes(services: Sequence[Assessment], memory: Memory) -> Iterator[str]:
    """Yield, in words, what was noticed besides: counts that somebody else wrote, replicas whose nodes are gone."""
    for seen in services:
        for name, counts in sorted(seen.counts.items()):
            known = memory.workload(name)
            if known.written is not None and counts.told not in (known.written, known.asked):
                own = known.written if known.asked is None else known.asked
                yield f"{name} is set to {counts.told} by somebody else; this planner asked for {own}"
            if counts.lost:
                yield f"{name} has {counts.lost} replicas on nodes that do not answer; others make up for them"
