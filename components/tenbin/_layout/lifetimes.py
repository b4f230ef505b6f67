"""How long an engine may take to start, and how it ends without losing a request.

A replica ends in three steps: it leaves the endpoints (the kubelet waits before SIGTERM, requests go on), the engine
finishes what runs (`--shutdown-timeout`), and what is left is killed. vLLM answers new requests with 500 while it
drains, so the first step has to come first.
"""

from __future__ import annotations

ENDPOINT_REMOVAL_S = 5
"""From a pod's deletion until no gateway sends to it: the picker pushes within a second, the rest is margin."""
TEARDOWN_S = 10
"""From the end of the drain until the process is gone."""
SHORTEST_STARTUP_S = 600
"""vLLM's own limit for an engine to get ready (VLLM_ENGINE_READY_TIMEOUT_S)."""
STARTUP_PERIOD_S = 2
"""Between two looks at a starting engine; it is what a replica comes later than it could."""
LEAD_TIME_FACTOR = 3
"""A start that takes so many times its pool's lead time has failed."""


def grace_s(drain_s: int) -> int:
    """Return the seconds that a pod has from its deletion to its end, for an engine that drains so long."""
    return ENDPOINT_REMOVAL_S + drain_s + TEARDOWN_S


def startup_budget_s(lead_time_s: int) -> int:
    """Return the seconds that an engine has to start, from the lead time that is planned with."""
    return max(SHORTEST_STARTUP_S, LEAD_TIME_FACTOR * lead_time_s)
