"""How a run behaved besides its score: starts too soon after stops, and what a trouble cost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from tenbin_spec.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenbin_planner.backtest.running import Run

EXCUSES = frozenset({Reason.BACKLOG, Reason.FORECAST_MISS, Reason.STUCK_PENDING})
"""Reasons that say that the forecast was wrong: work waits already, or a pool did not give what it was asked for."""
SPANS = ("before", "during", "after")
HOUR_S = 3600.0


def hasty_starts(run: Run) -> list[float]:
    """Return the instants at which a service got replicas less than a lead time after it had given some up.

    What the cluster replaces on its own does not count, neither does giving up what does not serve yet, nor a start
    whose recorded reason says that the forecast was wrong.
    """
    interval_s = run.scenario.interval_s
    found: list[float] = []
    for service in sorted(run.scenario.document.services):
        own = [item for item in run.replicas if item.workload.service == service]
        pools = {item.pool for item in run.scenario.workloads(service)}
        lead_s = max((run.scenario.lead(pool).median_s for pool in pools), default=0.0)
        net: Counter[float] = Counter()
        for replica in own:
            if _is_tick(replica.asked_s, interval_s) and replica.asked_s > 0:
                net[replica.asked_s] += 1
            if _is_tick(replica.removed_s, interval_s):
                net[replica.removed_s] -= 1
        served = {item.removed_s for item in own if item.ready_s <= item.removed_s}
        stops = np.array(sorted(at for at, count in net.items() if count < 0 and at in served))
        for at_s in sorted(at for at, count in net.items() if count > 0):
            last = stops[stops < at_s][-1:]
            if last.size and at_s - last[0] < lead_s and _reason(run, service, at_s) not in EXCUSES:
                found.append(at_s)
    return sorted(found)


def spans(run: Run, trouble: tuple[float, float]) -> dict[str, dict[str, Any]]:
    """Return attainment and dollars per hour before, during and after a trouble; attainment is None without requests.

    Args:
        run: the run.
        trouble: when it begins and when it ends, in seconds.
    """
    end_s = run.scenario.end_s
    borders = [0.0, min(trouble[0], end_s), min(trouble[1], end_s), end_s]
    found = {}
    for name, begin_s, stop_s in zip(SPANS, borders[:-1], borders[1:], strict=True):
        good = came = 0
        for service, result in run.results.items():
            rows = (result.arrivals.arrival_s >= begin_s) & (result.arrivals.arrival_s < stop_s)
            came += int(rows.sum())
            good += int(result.good(run.scenario.objectives(service))[rows].sum())
        usd = sum(
            float(item.hourly_usd) / HOUR_S * max(min(item.until_s, stop_s) - max(item.from_s, begin_s), 0.0)
            for item in run.charges
        )
        hours = (stop_s - begin_s) / HOUR_S
        found[name] = {"attainment": good / came if came else None, "usd_per_hour": usd / hours if hours else None}
    return found


def reasons(run: Run) -> dict[str, int]:
    """Return how often each reason was told, most often first."""
    told: Iterable[str] = (str(item.reason) for item in run.reasons)
    return dict(Counter(told).most_common())


def _is_tick(instant_s: float, interval_s: float) -> bool:
    return bool(np.isfinite(instant_s)) and instant_s % interval_s == 0


def _reason(run: Run, service: str, at_s: float) -> Reason | None:
    told = [item.reason for item in run.reasons if item.subject == service and item.at_s <= at_s]
    return told[-1] if told else None
