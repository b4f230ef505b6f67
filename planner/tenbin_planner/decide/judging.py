"""From assessments to what is asked of pools: each service's fleet judged ahead, and money shared where it is short."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

from tenbin_planner.decide import ahead, allocate, answers, assess, sharing, spending
from tenbin_planner.decide import memory as memories
from tenbin_planner.decide.observation import Absent
from tenbin_planner.decide.standing import Standing, View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenbin_spec.document import Document

    from tenbin_planner.decide.assess import Assessment
    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.limits import Ledger
    from tenbin_planner.decide.lookahead import Judged
    from tenbin_planner.decide.memory import Memory
    from tenbin_planner.decide.options import Demanded
    from tenbin_planner.decide.recipe import Recipe

SURPRISE_SHARE = 0.75
"""Quantile of demand, at the time of a stop, above which demand counts as a surprise."""
LONGER = 1.1
"""Factor on the mean length of answers that counts as one."""
OVERLOADED = 0.5
"""Share of misses beyond which futures no longer tell what a replica is worth."""
EXACT = 1 - 1e-9
ZERO = Decimal(0)


def judge(
    document: Document,
    seen: Assessment,
    *,
    memory: Memory,
    beliefs: Mapping[str, LeadBelief],
    recipe: Recipe,
) -> Assessment:
    """Return a service with the fleet that is worth most, judged by simulated futures where that can be done."""
    if not recipe.look_ahead or seen.outlook is None or seen.capacity is None:
        return seen
    ladder = assess.ladder(seen)
    outputs = answers.outputs(seen.memory.lengths, declared=seen.agreed.workload.output_tokens)
    prices = ahead.miss_usd(seen.agreed, seen.demand.options, seen.memory, is_paced=recipe.pacing)
    view = _view(seen, output_tokens=outputs.mean, miss_usd=max(prices.values()))
    standing = seen.memory.standing
    if standing is not None and standing.holds(view, seen.at):
        demand = with_count(seen.demand, ladder.rung(standing.judged.count))
        return dataclasses.replace(seen, judged=standing.judged, demand=demand)
    look = ahead.look(
        seen.agreed,
        seen.workloads,
        ladder=ladder,
        outlook=seen.outlook,
        outputs=outputs,
        prices=prices,
        signals=seen.signals,
        counts=seen.counts,
        beliefs=beliefs,
        memory=memory,
        lead_s=seen.lead_s,
        interval_s=document.planner.interval_s,
        spare_s=0.0 if seen.memory.spare_since is None else max(0.0, seen.at - seen.memory.spare_since),
    )
    if look is None:
        return seen
    current, most = ladder.current, min(seen.demand.most, ladder.most)
    least = max(seen.demand.least, seen.demand.least_firm, ladder.least)
    if _is_idle(seen):
        most = least
    judged = look.search.best(current, least=max(least, 0 if seen.is_warm else min(current, most)), most=most)
    overloaded = _overloaded(seen, judged, most)
    if overloaded > judged.count:
        judged = look.search.judged(overloaded, current)
    held = _held(seen, view, judged.count, max(current, least))
    if held:
        judged = look.search.judged(current, current)
    return dataclasses.replace(
        seen,
        look=look,
        judged=judged,
        held=held,
        demand=with_count(seen.demand, ladder.rung(judged.count)),
        memory=dataclasses.replace(
            _with_stop(seen, view, judged.count, current),
            spare_since=_spare_since(seen, judged, current),
            standing=Standing(at=seen.at, view=view, judged=judged) if judged.count == current and not held else None,
        ),
    )


def _spare_since(seen: Assessment, judged: Judged, current: int) -> float | None:
    if not judged.is_spare or judged.count != current:
        return None
    return seen.at if seen.memory.spare_since is None else seen.memory.spare_since


def _view(seen: Assessment, *, output_tokens: float, miss_usd: float) -> View:
    """Return the numbers on which a service's judgement rests."""
    assert seen.outlook is not None  # noqa: S101 - of those that are judged
    in_flight = None if isinstance(seen.signals.demand, Absent) else seen.signals.demand.in_flight
    return View(
        level_rps=float(seen.outlook.median[0]),
        ahead_rps=seen.outlook.quantile(seen.ahead_s, 0.5),
        output_tokens=output_tokens,
        in_flight=in_flight or 0,
        waiting=seen.signals.waiting or 0,
        fleet=tuple(
            (name, item.ready, len(item.starting_s), item.stuck + item.lost + item.draining)
            for name, item in sorted(seen.counts.items())
        ),
        miss_usd=miss_usd,
    )


def with_count(demand: Demanded, counts: Mapping[str, int]) -> Demanded:
    """Return what is asked of pools for so many replicas by workload."""
    return dataclasses.replace(
        demand,
        buy_rps=allocate.carried(demand.options, counts, at_edge=True) * EXACT,
        keep_rps=allocate.carried(demand.options, counts) * EXACT,
    )


def share(seen: Sequence[Assessment], ledger: Ledger) -> list[Assessment]:
    """Return the services with what the caps leave each, where together they want more."""
    claims = [_claim(item, ledger) for item in seen]
    given = sharing.share(claims, ledger.room_usd())
    shared = []
    for item, claim in zip(seen, claims, strict=True):
        count = given[item.service]
        if item.look is None or item.judged is None or count >= claim.wanted:
            shared.append(item)
            continue
        own = claim.cap_usd is not None and claim.hourly_usd(claim.wanted) > claim.cap_usd
        demand = with_count(item.demand, item.look.ladder.rung(count))
        cut = ledger.cap_reason(item.service) if own else ledger.cap_reason(spending.STACK)
        shared.append(dataclasses.replace(item, demand=dataclasses.replace(demand, cut=cut)))
    return shared


def _claim(seen: Assessment, ledger: Ledger) -> sharing.Claim:
    ladder = assess.ladder(seen)
    prices = {option.name: option.hourly_usd for option in seen.demand.options}

    def hourly_usd(count: int) -> Decimal:
        return sum((n * (prices[name] or ZERO) for name, n in ladder.rung(count).items()), ZERO)

    def worth(count: int) -> float:
        # Priority weighs services against each other only: what one wants alone is judged without it.
        return seen.look.search.worth(count) * seen.agreed.priority if seen.look is not None else 0.0

    look = seen.look
    wanted = ladder.current if seen.judged is None else seen.judged.count
    return sharing.Claim(
        service=seen.service,
        least=min(seen.demand.least, wanted) if look is not None else wanted,
        wanted=wanted,
        hourly_usd=hourly_usd,
        worth=worth,
        cap_usd=ledger.own_cap(seen.service),
    )


def _is_idle(seen: Assessment) -> bool:
    """Tell whether a service that may have no replica needs none: idle for long, and no request is expected soon."""
    if seen.demand.least or not seen.is_warm or seen.outlook is None:
        return False
    return float(seen.outlook.median.mean()) * seen.ahead_s < 1.0


def _overloaded(seen: Assessment, judged: Judged, most: int) -> int:
    """Return the replicas that an overload needs: where none that can be had saves much, none looks worth its price.

    What comes is then worked off as fast as the service's bounds allow, so more load never gets less.
    """
    if seen.needed is None or seen.capacity is None or judged.misses <= OVERLOADED * judged.requests:
        return 0
    return min(most, seen.capacity.replicas_for(seen.needed.at_lead))


def _held(seen: Assessment, view: View, count: int, owed: int) -> str:
    """Return why nothing is bought although it would be worth it; empty when it is.

    Something was given up just now, and nothing that was not expected then has come since.
    """
    stop = seen.memory.stop
    if count <= owed or stop is None or not 0 <= seen.at - stop.at < seen.lead_s or _is_surprise(seen, view, stop):
        return ""
    return (
        f"replicas were given up {seen.at - stop.at:.0f} s ago, and demand is as was expected then:"
        f" up to {stop.rate:.2f} requests/s"
    )


def _is_surprise(seen: Assessment, view: View, stop: memories.Stop) -> bool:
    """Tell whether demand is beyond what was expected when replicas were given up, or replicas are gone since."""
    is_lost = any(item.absent or item.stuck for item in seen.counts.values())
    return view.level_rps > stop.rate or view.output_tokens > LONGER * stop.output_tokens or is_lost


def _with_stop(seen: Assessment, view: View, count: int, current: int) -> memories.ServiceMemory:
    if count >= current or seen.outlook is None:
        return seen.memory
    rate = seen.outlook.quantile(seen.ahead_s, SURPRISE_SHARE)
    stop = memories.Stop(at=seen.at, rate=rate, output_tokens=view.output_tokens)
    return dataclasses.replace(seen.memory, stop=stop)
