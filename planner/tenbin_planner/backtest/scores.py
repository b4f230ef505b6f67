"""What a run is worth: attainment, money, and both beside constant fleets and a clairvoyant."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from tenbin_planner.model.results import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tenbin_planner.backtest.hull import Hull
    from tenbin_planner.backtest.running import Run

MINUTE_S = 60.0
WORST_MINUTES = 5
LEAST_REPLICAS = 6
"""Captured savings are told where the constant fleet that reaches the target has so many replicas."""
LEAST_SAVING = 0.08
"""And where a clairvoyant saves so much of its price."""
MILLION = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """The figures of one run; shed and failed requests count as missed, and each request in the minute it came."""

    policy: str
    trace: str
    """Name of the scenario."""
    seed: int
    requests: int
    attainment: float
    """Share of good requests of all services."""
    attainment_by_service: Mapping[str, float]
    attainment_by_class: Mapping[str, float]
    """By `service/class`."""
    target_by_class: Mapping[str, float]
    worst_5min_attainment: float
    """The lowest share of good requests in five whole minutes in a row."""
    minutes_below_target: int
    """Minutes in which a class of a service was below its target."""
    usd: Decimal
    usd_by_service: Mapping[str, Decimal]
    usd_by_pool: Mapping[str, Decimal]
    peak_hourly_usd: Decimal
    gpu_hours: float
    output_tokens: int
    """Of all answers."""
    good_tokens: int
    """Of good answers."""
    replica_changes: int
    shed: int
    failed: int

    @property
    def is_target_met(self) -> bool:
        """Whether each class reached its target."""
        return all(share >= self.target_by_class[name] for name, share in self.attainment_by_class.items())


def score(run: Run) -> Score:
    """Score a run."""
    results = run.results.values()
    good = {name: result.good(run.scenario.objectives(name)) for name, result in run.results.items()}
    everything = np.concatenate(list(good.values()))
    classes = list(_classes(run, good))
    minutes = max((int(came.max(initial=-1)) + 1 for _, _, came, _ in classes), default=0)
    tables = [(target, *_by_minute(came, kept, minutes)) for _, target, came, kept in classes]
    below = np.zeros(minutes, dtype=np.bool_)
    for target, kept_by_minute, came_by_minute in tables:
        below |= kept_by_minute < target * came_by_minute - 1e-9
    return Score(
        policy=run.policy,
        trace=run.scenario.name,
        seed=run.seed,
        requests=everything.size,
        attainment=_share(everything),
        attainment_by_service={name: _share(kept) for name, kept in sorted(good.items()) if kept.size},
        attainment_by_class={name: _share(kept) for name, _, _, kept in classes},
        target_by_class={name: target for name, target, _, _ in classes},
        worst_5min_attainment=_worst(
            np.sum([kept for _, kept, _ in tables], axis=0),
            np.sum([came for _, _, came in tables], axis=0),
        )
        if tables
        else 1.0,
        minutes_below_target=int(np.count_nonzero(below)),
        usd=run.bill.usd,
        usd_by_service=run.bill.usd_by_service,
        usd_by_pool=run.bill.usd_by_pool,
        peak_hourly_usd=run.bill.peak_hourly_usd,
        gpu_hours=run.bill.gpu_hours,
        output_tokens=sum(
            _tokens(result.arrivals.output_tokens, result.outcome == Outcome.FINISHED) for result in results
        ),
        good_tokens=sum(_tokens(run.results[name].arrivals.output_tokens, kept) for name, kept in good.items()),
        replica_changes=run.changes,
        shed=sum(result.count(Outcome.SHED) for result in results),
        failed=sum(result.count(Outcome.FAILED) for result in results),
    )


def row(
    found: Score, *, lead_time_s: float, hulls: Mapping[str, Hull] | None = None, clairvoyant: Score | None = None
) -> dict[str, Any]:
    """Return a run as plain values for JSON; what cannot be told is None.

    Args:
        found: of the run.
        lead_time_s: of its scenario.
        hulls: constant fleets, by service.
        clairvoyant: score of the clairvoyant on the same scenario and seed.
    """
    fixed_usd = _fixed_usd(found, hulls or {})
    return {
        "policy": found.policy,
        "trace": found.trace,
        "lead_time_s": lead_time_s,
        "seed": found.seed,
        "attainment": found.attainment,
        "worst_5min_attainment": found.worst_5min_attainment,
        "minutes_below_target": found.minutes_below_target,
        "usd": _rounded(found.usd),
        "gpu_hours": round(found.gpu_hours, 6),
        "usd_per_million_output_tokens": _per_million(found.usd, found.output_tokens),
        "usd_per_million_good_tokens": _per_million(found.usd, found.good_tokens),
        "replica_changes": found.replica_changes,
        "fixed_usd_at_same_attainment": None if fixed_usd is None else _rounded(fixed_usd),
        "captured_saving": captured_saving(found, hulls or {}, clairvoyant),
        "target_met": found.is_target_met,
        "attainment_by_class": dict(found.attainment_by_class),
        "usd_by_pool": {pool: _rounded(usd) for pool, usd in found.usd_by_pool.items()},
        "peak_hourly_usd": _rounded(found.peak_hourly_usd),
        "requests": found.requests,
        "shed": found.shed,
        "failed": found.failed,
    }


def captured_saving(found: Score, hulls: Mapping[str, Hull], clairvoyant: Score | None) -> float | None:
    """Return (fixed - cost) / (fixed - clairvoyant), where `fixed` is what constant fleets pay for the same attainment.

    None where there is nothing to tell: no hull that reaches as far, a fleet of fewer than `LEAST_REPLICAS`, or a
    clairvoyant that saves less than `LEAST_SAVING` of what constant fleets pay for its attainment.
    """
    fixed_usd = _fixed_usd(found, hulls)
    if fixed_usd is None or clairvoyant is None:
        return None
    replicas = [hulls[name].replicas_at(share) for name, share in found.attainment_by_service.items()]
    if sum(count or 0 for count in replicas) < LEAST_REPLICAS:
        return None
    saved_at_its = _fixed_usd(clairvoyant, hulls)
    if saved_at_its is None or clairvoyant.usd > saved_at_its * Decimal(str(1 - LEAST_SAVING)):
        return None
    possible = fixed_usd - clairvoyant.usd
    return round(float((fixed_usd - found.usd) / possible), 6) if possible > 0 else None


def _fixed_usd(found: Score, hulls: Mapping[str, Hull]) -> Decimal | None:
    """Return what constant fleets pay for the attainment that each service reached, all together."""
    total = Decimal(0)
    for name, share in found.attainment_by_service.items():
        usd = hulls[name].usd_at(share) if name in hulls else None
        if usd is None:
            return None
        total += usd
    return total


def _classes(
    run: Run, good: Mapping[str, NDArray[np.bool_]]
) -> Iterator[tuple[str, float, NDArray[np.int64], NDArray[np.bool_]]]:
    """Return name, target, minutes of arrival and whether they are good, of the requests of each class that has any."""
    for service, result in sorted(run.results.items()):
        objectives = run.scenario.objectives(service)
        for index, name in enumerate(result.arrivals.classes):
            members = result.arrivals.class_index == index
            minutes = (result.arrivals.arrival_s[members] // MINUTE_S).astype(np.int64)
            yield f"{service}/{name}", float(objectives[name].target), minutes, good[service][members]


def _by_minute(
    came: NDArray[np.int64], kept: NDArray[np.bool_], minutes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.bincount(came[kept], minlength=minutes), np.bincount(came, minlength=minutes)


def _worst(kept: NDArray[np.int64], came: NDArray[np.int64]) -> float:
    width = min(WORST_MINUTES, came.size)
    window = np.ones(width)
    kept_in, came_in = np.convolve(kept, window, mode="valid"), np.convolve(came, window, mode="valid")
    known = came_in > 0
    return float((kept_in[known] / came_in[known]).min(initial=1.0))


def _share(kept: NDArray[np.bool_]) -> float:
    return float(kept.mean()) if kept.size else 1.0


def _tokens(tokens: NDArray[np.int64], chosen: NDArray[np.bool_]) -> int:
    return int(tokens[chosen].sum())


def _per_million(usd: Decimal, tokens: int) -> float | None:
    return _rounded(usd * MILLION / tokens) if tokens else None


def _rounded(usd: Decimal) -> float:
    return round(float(usd), 6)
