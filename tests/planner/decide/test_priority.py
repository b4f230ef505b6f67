"""The priority of services: it says to whom money goes that is short, and never how much a service wants."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from support import planning
from support.planning import accustomed, observe, ready, steady, warm
from tenbin_planner import decide
from tenbin_planner.decide import capacity, memory

if TYPE_CHECKING:
    from collections.abc import Mapping

SEVEN = capacity.FleetCapacity(
    sizes=(1, 8), rates=(5.3, 7.0), edges=(5.6, 7.2), bound_rps=8.3, slots=24, binding="interactive", infeasible=()
)
"""About what the simulated futures find of a replica."""
AMPLE, SHORT = "10.00", "6.40"
"""Caps in US dollars per hour; a replica costs 0.80."""


def replicas(priorities: Mapping[str, int], *, rate: float, cap: str) -> dict[str, int]:
    """Return what each service is to have, all of them with the same requests per second and one replica."""
    agreed = planning.document(
        services={name: planning.service(pools=["l4"], priority=level) for name, level in priorities.items()},
        cost={"hourly_usd": cap},
    )
    workloads = {name: f"{name}-serve-l4" for name in priorities}
    observation = dataclasses.replace(
        observe(arrivals={name: steady(rate) for name in priorities}),
        workloads={workload: ready(workload, 1) for workload in workloads.values()},
    )
    known = accustomed(warm(), rate).service("chat")
    remembered = memory.Memory(at=planning.NOW - planning.INTERVAL_S, services=dict.fromkeys(priorities, known))
    wanted = decide.decide(agreed, planning.capacities(agreed, SEVEN), observation, remembered).plan.wanted()
    return {name: wanted[workload] for name, workload in workloads.items()}


@pytest.mark.parametrize("level", [1, 100])
def test_services_of_one_priority_share_alike(level: int) -> None:
    assert replicas({"aaa": level, "zzz": level}, rate=26, cap=SHORT) == {"aaa": 4, "zzz": 4}


@pytest.mark.parametrize("level", [5, 100])
@pytest.mark.parametrize(("first", "other"), [("aaa", "zzz"), ("zzz", "aaa")])
def test_a_service_of_higher_priority_gets_more_of_what_is_short(first: str, other: str, level: int) -> None:
    found = replicas({first: level, other: 1}, rate=26, cap=SHORT)
    assert found[first] > found[other] >= 1
    assert sum(found.values()) == 8


def test_priority_buys_nothing_where_money_is_ample() -> None:
    assert replicas({"aaa": 100, "zzz": 1}, rate=12, cap=AMPLE) == replicas({"aaa": 1, "zzz": 1}, rate=12, cap=AMPLE)


@pytest.mark.parametrize("cap", [AMPLE, "3.20"])
def test_priority_changes_nothing_for_a_service_that_is_alone(cap: str) -> None:
    assert replicas({"aaa": 100}, rate=20, cap=cap) == replicas({"aaa": 1}, rate=20, cap=cap)
