"""From what is seen of a service to the search for its best fleet: futures, replicas and the price of a miss."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from tenbin_planner.decide import answers, budget, futures, lookahead, playing, spot
from tenbin_planner.decide.observation import Absent, Warmth
from tenbin_planner.decide.rungs import Ladder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tenbin_spec.document import DocumentService, DocumentWorkload

    from tenbin_planner.decide.answers import TokenLengths
    from tenbin_planner.decide.leads import LeadBelief
    from tenbin_planner.decide.memory import Memory, ServiceMemory
    from tenbin_planner.decide.options import Option
    from tenbin_planner.decide.outlook import Outlook
    from tenbin_planner.decide.replicas import Counts
    from tenbin_planner.decide.signals import Signals
    from tenbin_planner.demand import ClassObservation

HOLD_LEADS = 0.3
SHORTEST_HOLD_S = 120.0
"""A replica is judged by what it serves in a part of a lead time, but for so long at least: what comes later, a later
decision can still meet."""
SHORTEST_DRAIN_S, LONGEST_DRAIN_S = 5.0, 900.0
TOKEN_S = 0.03
"""Time of a token where no answer has been seen yet."""


def horizon_s(lead_s: float, interval_s: float) -> float:
    """Return how far ahead is looked: until replicas asked for at the next tick serve, and one hold."""
    return lead_s + interval_s + max(HOLD_LEADS * lead_s, SHORTEST_HOLD_S)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A service's search, and what else is known ahead."""

    search: lookahead.Search
    ladder: Ladder


def look(
    agreed: DocumentService,
    workloads: Sequence[DocumentWorkload],
    *,
    ladder: Ladder,
    outlook: Outlook,
    outputs: TokenLengths,
    prices: Mapping[str, float],
    signals: Signals,
    counts: Mapping[str, Counts],
    beliefs: Mapping[str, LeadBelief],
    memory: Memory,
    lead_s: float,
    interval_s: float,
    spare_s: float,
) -> Look | None:
    """Prepare the search; None where no workload has a price and a profile.

    Args:
        agreed: the service.
        workloads: of the service.
        ladder: its fleets.
        outlook: of its demand, up to `horizon_s`.
        outputs: lengths of its answers.
        prices: of a missed request by class, in dollars.
        signals: the usable part of what was seen.
        counts: replicas by workload.
        beliefs: of lead times, by workload.
        memory: of the decision before.
        lead_s: the longest lead time of its pools.
        interval_s: between two decisions.
        spare_s: for how long one replica fewer would have done.
    """
    usable = sorted(
        (item for item in workloads if item.profile is not None and item.hourly_usd is not None),
        key=lambda item: item.name,
    )
    if not usable:
        return None
    length_s = horizon_s(lead_s, interval_s)
    input_mean = None if isinstance(signals.lengths, Absent) else signals.lengths.input_tokens
    classes = sorted(agreed.slo.classes)
    longest = min(item.profile.limits.max_model_len for item in usable if item.profile is not None)
    drawn = futures.draw(
        futures.Demand(
            outlook=outlook,
            horizon_s=length_s,
            inputs=answers.inputs(declared=agreed.workload.input_tokens, mean=input_mean),
            outputs=outputs,
            in_flight=_in_flight(
                signals.classes, classes, [counts[item.name] for item in usable if item.name in counts]
            ),
            shares=_shares(signals.classes, classes),
            expected_rps=agreed.workload.requests_per_second.expected,
            peak_rps=agreed.workload.requests_per_second.peak,
            share=playing.share_for(sum(counts[item.name].ready for item in usable if item.name in counts)),
            longest=longest,
        )
    )
    lateness = np.array([future.lateness for future in drawn])
    setting = lookahead.Setting(
        futures=drawn,
        groups=tuple(
            _group(
                item,
                counts[item.name],
                lead=beliefs[item.name],
                lateness=lateness,
                risk=spot.belief(memory.spot, item.pool) if _is_spot(ladder, item.name) else None,
                within_s=length_s,
            )
            for item in usable
            if item.name in counts
        ),
        objectives=agreed.slo.classes,
        miss_usd=prices,
        horizon_s=length_s,
        drain_s=_drain_s(signals.classes, outputs.mean),
        spare_s=spare_s,
    )
    return Look(
        search=lookahead.Search(setting, ladder.rung),
        ladder=ladder,
    )


def miss_usd(
    agreed: DocumentService,
    options: Sequence[Option],
    remembered: ServiceMemory,
    *,
    is_paced: bool,
) -> dict[str, float]:
    """Return the price of a missed request by class, in dollars; 0 where no workload has a price and a capacity."""
    cheapest = min(
        (
            (float(item.hourly_usd) / 3600, item.capacity.rates[-1])
            for item in options
            if item.capacity is not None and item.hourly_usd is not None
        ),
        default=(0.0, 1.0),
    )
    return budget.miss_usd(
        remembered.budget,
        agreed.slo.classes,
        rent_usd_per_s=cheapest[0],
        replica_rps=cheapest[1],
        declared_rps=agreed.workload.requests_per_second.expected,
        is_paced=is_paced,
    )


def _is_spot(ladder: Ladder, name: str) -> bool:
    return any(option.is_spot for option in ladder.options if option.name == name)


def _group(
    item: DocumentWorkload,
    counted: Counts,
    *,
    lead: LeadBelief,
    lateness: NDArray[np.float64],
    risk: spot.SpotBelief | None,
    within_s: float,
) -> playing.Group:
    assert item.profile is not None  # noqa: S101 - of the usable ones

    kind = Warmth.UNKNOWN if counted.room is None else Warmth.COLD
    return playing.Group(
        name=item.name,
        profile=item.profile,
        usd_per_s=float(item.hourly_usd or 0) / 3600,
        ready=counted.ready,
        starting_s=counted.starting_s,
        going_s=counted.going_s,
        lead_s=tuple(lead.of(kind).sample(lateness).tolist()),
        warm_s=tuple(lead.of(Warmth.WARM).sample(lateness).tolist()) if counted.room else (),
        room=counted.room or 0,
        losses=None if risk is None else functools.partial(risk.chances, within_s=within_s),
    )


def _in_flight(seen: Sequence[ClassObservation], classes: Sequence[str], counts: Sequence[Counts]) -> futures.InFlight:
    """Return what is in flight at replicas that stay: those that end answer for what they have until they are gone."""
    tokens: list[NDArray[np.float64]] = []
    places: list[NDArray[np.int64]] = []
    total = 0
    for item in seen:
        if item.class_name not in classes:
            continue
        known = np.array(item.running.output_tokens, dtype=np.float64)
        known = np.where(np.isfinite(known) & (known >= 0) & (known <= futures.MOST_TOKENS), known, 0.0)
        stays = _stays(item, known.size, counts)
        tokens.append(known[stays])
        places.append(np.full(tokens[-1].size, classes.index(item.class_name), dtype=np.int64))
        total += round(max(known.size, item.running.count) * (float(stays.mean()) if known.size else 1.0))
    return futures.InFlight(
        output_tokens=np.concatenate([np.empty(0), *tokens]),
        class_index=np.concatenate([np.empty(0, dtype=np.int64), *places]),
        count=total,
    )


def _stays(item: ClassObservation, size: int, counts: Sequence[Counts]) -> NDArray[np.bool_]:
    """Return which requests of a sample are at replicas that stay.

    Those that came before a replica was marked were spread over it and the others alike, so of these a share is left
    out, evenly.
    """
    ending_s = np.sort([seconds for each in counts for seconds in each.ending_s])
    age_s = np.array(item.running.age_s, dtype=np.float64)
    if not ending_s.size or age_s.size != size:
        return np.ones(size, dtype=np.bool_)
    replicas = ending_s.size + sum(each.ready for each in counts)
    passed = np.cumsum(np.searchsorted(ending_s, np.nan_to_num(age_s, posinf=0.0, neginf=0.0)) / replicas)
    stays: NDArray[np.bool_] = np.floor(passed) == np.floor(np.concatenate([[0.0], passed[:-1]]))
    return stays


def _shares(seen: Sequence[ClassObservation], classes: Sequence[str]) -> dict[str, float]:
    """Return the share of each class in what came of late; all alike where nothing did."""
    came = dict.fromkeys(classes, 0.0)
    for item in seen:
        if item.class_name in came:
            came[item.class_name] += sum(min(max(count, 0), 1_000_000) for count in item.arrivals if count is not None)
    total = sum(came.values())
    return {name: count / total if total > 0 else 1 / len(came) for name, count in came.items()}


def _drain_s(seen: Sequence[ClassObservation], mean_tokens: float) -> float:
    """Return how long a replica that stops is likely to have answers to end."""
    told = [item.e2e_ms.p90 / 1000 for item in seen if item.e2e_ms is not None]
    usable = [seconds for seconds in told if 0 <= seconds < LONGEST_DRAIN_S]
    return min(max(max(usable, default=mean_tokens * TOKEN_S), SHORTEST_DRAIN_S), LONGEST_DRAIN_S)
