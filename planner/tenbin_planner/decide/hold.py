"""When fewer replicas will do for certain: the needs of the last lead time and a half agree.

A replica given up too early is missed for a lead time, so what counts for giving up is the highest need of late, and
each of these needs looks a lead time ahead. There is no other cool-down. Where needs are missing, since the planner was
away or blind, the time counts anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenbin_planner.decide import memory as memories
from tenbin_planner.decide.memory import Need

if TYPE_CHECKING:
    from collections.abc import Sequence

LEADS = 1.5
"""Lead times for which the need must have been lower: one to come back, and half a one against chance."""
TICKS_MISSED = 3
"""Ticks without a need that make the past count no more."""


def remember(needs: Sequence[Need], *, at: float, rate: float, hold_s: float, interval_s: float) -> tuple[Need, ...]:
    """Add the need of this moment and forget what is older than the hold and one tick."""
    if needs and not 0 <= at - needs[-1].at <= (TICKS_MISSED + 1) * interval_s:
        needs = ()
    recent = [need for need in needs if at - hold_s - interval_s <= need.at < at]
    return (*recent, Need(at=at, rate=rate))[-memories.MOST_NEEDS :]


def keep_for(needs: Sequence[Need], *, hold_s: float) -> float:
    """Return the rate in requests per second below which no replica is given up; infinite while too little is known."""
    if not needs or needs[-1].at - needs[0].at < hold_s:
        return math.inf
    return max(need.rate for need in needs)
