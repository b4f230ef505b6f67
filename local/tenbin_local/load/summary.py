"""Numbers that sum up requests: percentiles, attainment, and both over sliding windows."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from tenbin_spec.objectives import Slo

from tenbin_local.load.records import RequestRecord

WINDOW_S = 10.0
"""Width of the windows in which attainment and rate are drawn."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Percentiles:
    """Of times in milliseconds."""

    p50: float
    p90: float
    p99: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassTally:
    """Requests of one class."""

    good: int = 0
    total: int = 0
    """Those that count: a client's own cancel does not."""

    @property
    def attainment(self) -> float | None:
        """Share of good requests; None without requests."""
        return self.good / self.total if self.total else None


def percentiles(values: Iterable[float | None]) -> Percentiles | None:
    """Return percentiles of the values that are there, between ranks a straight line; None when none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    p50, p90, p99 = np.percentile(known, [50, 90, 99]).tolist()
    return Percentiles(p50=p50, p90=p90, p99=p99)


def class_order(slo: Slo) -> list[str]:
    """Return the classes as people list them: the default one, which most requests are of, then the others by name."""
    return sorted(slo.classes, key=lambda name: (name != slo.fallback_class, name))


def tallies(records: Iterable[RequestRecord], slo: Slo) -> dict[str, ClassTally]:
    """Count good requests by class, for every class of the service, in the order of `class_order`."""
    good: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    for record in records:
        if record.counts:
            total[record.planned.request_class] += 1
            good[record.planned.request_class] += record.is_good(slo)
    return {name: ClassTally(good=good[name], total=total[name]) for name in class_order(slo)}


def errors_by_kind(records: Iterable[RequestRecord]) -> dict[str, int]:
    """Count failed requests by status, in the order of their names."""
    kinds = collections.Counter(record.status for record in records if record.is_error)
    return dict(sorted(kinds.items()))


def sliding_attainment(
    records: Sequence[RequestRecord], slo: Slo, *, request_class: str, end_s: float, window_s: float = WINDOW_S
) -> tuple[list[float], list[float]]:
    """Return the attainment of the requests that arrived in the window before each whole second.

    Returns:
        Instants in seconds, and the share of good requests at each; NaN where no request arrived.
    """
    members = sorted(
        (record.planned.arrival_s, record.is_good(slo))
        for record in records
        if record.counts and record.planned.request_class == request_class
    )
    arrivals = np.array([at_s for at_s, _ in members])
    good = np.concatenate([[0], np.cumsum([is_good for _, is_good in members])])
    instants = [float(second) for second in range(1, math.ceil(end_s) + 1)]
    upto = np.searchsorted(arrivals, instants, side="left")
    since = np.searchsorted(arrivals, np.array(instants) - window_s, side="left")
    totals = upto - since
    with np.errstate(invalid="ignore"):
        shares = np.where(totals > 0, (good[upto] - good[since]) / np.maximum(totals, 1), np.nan)
    return instants, shares.tolist()


def observed_rate(
    records: Sequence[RequestRecord], *, end_s: float, window_s: float = WINDOW_S
) -> tuple[list[float], list[float]]:
    """Return the arrivals per second in the window around each whole second, narrower at both ends of the run."""
    arrivals = np.sort([record.planned.arrival_s for record in records])
    instants = np.arange(0.0, math.ceil(end_s) + 1.0)
    starts, ends = np.maximum(instants - window_s / 2, 0.0), np.minimum(instants + window_s / 2, end_s)
    counts = np.searchsorted(arrivals, ends, side="left") - np.searchsorted(arrivals, starts, side="left")
    return instants.tolist(), (counts / np.maximum(ends - starts, 1e-9)).tolist()
