"""Why a number in a plan is what it is: one closed list for logs, metrics, events, `explain` and reports."""

from __future__ import annotations

import enum


class Reason(enum.StrEnum):
    """Reason of a planned number of replicas."""

    STEADY = "steady"
    """What runs is what the forecast needs."""
    FORECAST = "forecast"
    """The forecast at now plus lead time needs more replicas."""
    BACKLOG = "backlog"
    """Work that already waits needs more replicas to be served within the objective."""
    SCALE_DOWN = "scale-down"
    """The forecast over the next lead time agrees that fewer replicas do."""
    HOLD = "hold"
    """Fewer replicas would do now, but not for certain over the next lead time."""
    CHEAPER_POOL = "cheaper-pool"
    """The same capacity costs less on another pool."""
    MINIMUM = "minimum"
    """The service's minimum number of replicas."""
    MAXIMUM = "maximum"
    """The service's maximum number of replicas bites."""
    POOLS_FULL = "pools-full"
    """Every pool that the service may use is at its maximum."""
    HOURLY_CAP = "hourly-cap"
    """The hourly cost cap bites."""
    MONTHLY_CAP = "monthly-cap"
    """The monthly cost cap, paced over what is left of the month, bites."""
    INFEASIBLE = "infeasible"
    """Even one empty replica misses the objective, so that no number of replicas meets it."""
    NO_SIGNAL = "no-signal"
    """Demand or engines could not be observed: what runs is kept, since no signal is not zero demand."""
    WARMING_UP = "warming-up"
    """Too little has been observed yet: the declared workload counts."""
    PROFILE_UNKNOWN = "profile-unknown"
    """No engine profile for a pool: its replicas cannot be counted on, so none are bought there."""
    PRICE_UNKNOWN = "price-unknown"
    """No price for a pool: the cost cap cannot be kept there, so none are bought there."""
    STUCK_PENDING = "stuck-pending"
    """A replica has been pending for longer than its pool's lead time allows, so another pool is tried."""
