"""What replicas cost: by the second, from the moment they have a node until they are gone."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenbin_planner.backtest.replicas import Replica

ZERO = Decimal(0)
HOUR_S = 3600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bill:
    """Money and accelerators of a run, up to the end of its scenario."""

    usd: Decimal
    usd_by_pool: Mapping[str, Decimal]
    usd_by_service: Mapping[str, Decimal]
    gpu_hours: float
    """Accelerators times the hours for which they were held."""
    gpu_hours_by_service: Mapping[str, float]
    peak_hourly_usd: Decimal
    """The most that all replicas that existed at an instant cost per hour."""


def bill(replicas: Iterable[Replica], *, end_s: float, minimum_billed_s: Mapping[str, float]) -> Bill:
    """Add up.

    Args:
        replicas: all that ever were; a price that is unknown counts as nothing.
        end_s: nothing is counted from then on, save what a start costs at least.
        minimum_billed_s: seconds that a start costs at least, by pool; a begun second counts in full.
    """
    by_pool: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    by_service: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    hours: defaultdict[str, float] = defaultdict(float)
    steps: defaultdict[float, Decimal] = defaultdict(lambda: ZERO)
    for replica in replicas:
        until_s = min(replica.gone_s, end_s)
        if not replica.node_s < until_s:
            continue
        workload = replica.workload
        price = workload.hourly_usd or ZERO
        # A nanosecond is forgiven, since instants are sums of binary fractions.
        seconds = math.ceil(until_s - replica.node_s - 1e-9)
        billed = max(Decimal(seconds), Decimal(str(minimum_billed_s.get(workload.pool, 0))))
        by_pool[workload.pool] += billed * price / HOUR_S
        by_service[workload.service] += billed * price / HOUR_S
        hours[workload.service] += workload.accelerators * (until_s - replica.node_s) / HOUR_S
        steps[replica.node_s] += price
        steps[until_s] -= price
    return Bill(
        usd=sum(by_pool.values(), ZERO),
        usd_by_pool=dict(sorted(by_pool.items())),
        usd_by_service=dict(sorted(by_service.items())),
        gpu_hours=math.fsum(hours.values()),
        gpu_hours_by_service=dict(sorted(hours.items())),
        peak_hourly_usd=_highest(steps),
    )


def _highest(steps: Mapping[float, Decimal]) -> Decimal:
    """Return the highest sum of steps up to an instant; what ends then is gone before what begins then."""
    highest = level = ZERO
    for _, step in sorted(steps.items()):
        level += step
        highest = max(highest, level)
    return highest
