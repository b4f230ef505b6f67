"""What fleets do within objectives."""

from __future__ import annotations

import pytest
from support import planning
from tenbin_planner.decide import capacity, memory
from tenbin_planner.decide.observation import Absent, ObservedLengths
from tenbin_spec.profiles import EngineProfile
from tenbin_spec.workload import Workload

AGREED = planning.document()
LINEAR = capacity.FleetCapacity(
    sizes=(1, 2, 4),
    rates=(4.0, 5.0, 6.0),
    edges=(4.4, 5.5, 6.6),
    bound_rps=8.0,
    slots=16,
    binding="interactive",
    infeasible=(),
)


def profile() -> EngineProfile:
    found = AGREED.workloads[0].profile
    assert found is not None
    return found


def found_for(**classes: dict[str, object]) -> capacity.FleetCapacity:
    slo: dict[str, object] = {"window": "30d", "classes": classes}
    if len(classes) > 1:
        slo["default_class"] = next(iter(classes))
    agreed = planning.document(services={"chat": planning.service(slo=slo)})
    return capacity.fleet_capacity(profile(), capacity.traffic(agreed, "chat", memory.ServiceMemory()))


def test_the_rate_per_replica_is_a_straight_line_between_sizes() -> None:
    assert [LINEAR.per_replica(size) for size in (0, 1, 1.5, 2, 3, 4, 9)] == [4.0, 4.0, 4.5, 5.0, 5.5, 6.0, 6.0]
    assert LINEAR.per_replica(3, at_edge=True) == pytest.approx(6.05)


@pytest.mark.parametrize(("rate", "replicas"), [(0, 0), (4.4, 1), (4.5, 2), (11, 2), (11.1, 3), (26.4, 4), (66, 10)])
def test_replicas_for_a_rate_at_the_edge(rate: float, replicas: int) -> None:
    assert LINEAR.replicas_for(rate) == replicas


def test_replicas_for_no_rate_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="rate is nan; allowed is a finite number of 0 or more"):
        LINEAR.replicas_for(float("nan"))


def test_a_fleet_does_more_per_replica_than_a_lone_one_and_stays_below_the_bound() -> None:
    found = found_for(interactive={"target": "0.99", "ttft_ms": 1000, "tpot_ms": 60})
    assert found.sizes == (1, 2, 4, 8)
    assert list(found.rates) == sorted(found.rates)
    assert found.rates[0] < found.rates[-1] < found.bound_rps
    assert all(edge >= rate for rate, edge in zip(found.rates, found.edges, strict=True))


def test_the_tightest_class_binds() -> None:
    loose = {"target": "0.95", "e2e_ms": 60000}
    tight = {"target": "0.99", "ttft_ms": 500, "tpot_ms": 50}
    alone, both = found_for(tight=tight), found_for(tight=tight, loose=loose)
    assert both.rates == alone.rates
    assert both.binding == "tight"


def test_an_objective_that_no_replica_keeps_is_named_and_sized_for_the_best_there_is() -> None:
    found = found_for(interactive={"target": "0.99", "ttft_ms": 90, "tpot_ms": 60})
    assert len(found.infeasible) == 1
    assert found.infeasible[0].startswith("class interactive: an almost empty replica keeps ")
    assert found.infeasible[0].endswith("% of requests within the thresholds, the target is 0.99")
    assert found.rates[0] > 0


def test_a_hopeless_objective_is_sized_for_throughput() -> None:
    found = found_for(interactive={"target": "0.99", "ttft_ms": 1, "tpot_ms": 60})
    assert found.infeasible
    assert found.rates[0] == pytest.approx(0.9 * found.bound_rps)


def steps(input_tokens: float, output_tokens: float, *, requests: int = 1000, now: int = 0) -> tuple[int, int]:
    declared = Workload.model_validate(planning.service()["workload"])
    observed = ObservedLengths(input_tokens=input_tokens, output_tokens=output_tokens, requests=requests)
    return capacity.length_steps(declared, observed, memory.ServiceMemory(input_step=now, output_step=now))


def test_observed_lengths_count_in_steps() -> None:
    assert steps(300, 60) == (0, 0)
    assert steps(600, 60) == (3, 0)  # 2 = 1.25 ** 3.1
    assert steps(300, 30) == (0, -3)


def test_lengths_on_the_edge_between_two_steps_do_not_move_to_and_fro() -> None:
    edge = 300 * 1.25**0.6
    assert steps(edge, 60, now=0)[0] == 0
    assert steps(edge, 60, now=1)[0] == 1


def test_few_requests_say_nothing_about_lengths() -> None:
    assert steps(3000, 600, requests=99) == (0, 0)
    declared = Workload.model_validate(planning.service()["workload"])
    before = memory.ServiceMemory(input_step=2, output_step=1)
    assert capacity.length_steps(declared, Absent(why="engines did not tell"), before) == (2, 1)


def test_longer_requests_need_more() -> None:
    short = capacity.traffic(AGREED, "chat", memory.ServiceMemory())
    long = capacity.traffic(AGREED, "chat", memory.ServiceMemory(input_step=3, output_step=3))
    assert long.lengths.input_tokens.mean == round(300 * 1.25**3)
    small = capacity.fleet_capacity(
        profile(), short.__class__(lengths=long.lengths, objectives=short.objectives, largest=1)
    )
    large = capacity.fleet_capacity(
        profile(), short.__class__(lengths=short.lengths, objectives=short.objectives, largest=1)
    )
    assert small.rates[0] < large.rates[0]
