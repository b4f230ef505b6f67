"""A tighter objective never gets more out of a fleet, on the real engine model."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import planning
from tenbin_planner.decide import capacity, memory

PROFILE = planning.document().workloads[0].profile


def rates(target: str, ttft_ms: int, tpot_ms: int) -> tuple[float, ...]:
    slo = {"window": "30d", "classes": {"c": {"target": target, "ttft_ms": ttft_ms, "tpot_ms": tpot_ms}}}
    agreed = planning.document(services={"chat": planning.service(slo=slo, replicas={"min": 1, "max": 1})})
    assert PROFILE is not None
    found = capacity.fleet_capacity(PROFILE, capacity.traffic(agreed, "chat", memory.ServiceMemory()))
    return found.rates + found.edges if not found.infeasible else (0.0, 0.0)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(400, 2000), st.integers(45, 120), st.integers(0, 300), st.integers(0, 20))
def test_tighter_thresholds_never_give_more(ttft_ms: int, tpot_ms: int, ttft_less: int, tpot_less: int) -> None:
    loose = rates("0.95", ttft_ms, tpot_ms)
    for tight in (rates("0.95", ttft_ms - ttft_less, tpot_ms - tpot_less), rates("0.99", ttft_ms, tpot_ms)):
        assert all(less <= more for less, more in zip(tight, loose, strict=True))
