"""What a decision rests on, told so that it can be followed: the forecast, and the fleets among which was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenbin_planner.decide import answers, assess
from tenbin_planner.decide.limits import ZERO
from tenbin_planner.decide.observation import Absent
from tenbin_planner.decide.plan import Candidate, Considered, ForecastPoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tenbin_planner.decide.assess import Assessment

PLACES = (0.0, 0.5, 1.0)
"""Moments of the forecast that are told, as parts of the time until what is asked for now serves."""


def forecast(seen: Assessment) -> tuple[ForecastPoint, ...]:
    """Return quantiles of a service's demand now and until what is asked for now would serve; empty without any."""
    outlook = seen.outlook
    if outlook is None:
        return ()
    return tuple(
        ForecastPoint(
            ahead_s=place * seen.ahead_s,
            p50_rps=outlook.quantile(place * seen.ahead_s, 0.5),
            p90_rps=outlook.quantile(place * seen.ahead_s, 0.9),
            p99_rps=outlook.quantile(place * seen.ahead_s, 0.99),
        )
        for place in PLACES
    )


def lengths(seen: Assessment) -> tuple[float, float]:
    """Return the means that are believed of a service's prompts and answers, in tokens."""
    told, workload = seen.signals.lengths, seen.agreed.workload
    inputs = answers.inputs(
        declared=workload.input_tokens, mean=None if isinstance(told, Absent) else told.input_tokens
    )
    return inputs.mean, answers.outputs(seen.memory.lengths, declared=workload.output_tokens).mean


def considered(seen: Assessment) -> Considered | None:
    """Return the fleets that were weighed for a service; None where no future could be simulated."""
    judged = seen.judged
    if judged is None:
        return None
    ladder = assess.ladder(seen)
    prices = {option.name: option.hourly_usd for option in seen.demand.options}
    return Considered(
        horizon_s=judged.horizon_s,
        requests=judged.requests,
        miss_usd=judged.miss_usd,
        candidates=tuple(
            Candidate(
                replicas=item.count,
                hourly_usd=_price(ladder.rung(item.count), prices),
                usd=item.usd,
                misses=item.misses,
                misses_usd=item.worth_usd,
                is_partial=item.is_partial,
            )
            for item in judged.weighed
        ),
        chosen=judged.count,
    )


def _price(counts: Mapping[str, int], prices: Mapping[str, Decimal | None]) -> Decimal | None:
    known = [(count, prices.get(name)) for name, count in counts.items() if count]
    if any(price is None for _, price in known):
        return None
    return sum((count * price for count, price in known if price is not None), ZERO)
