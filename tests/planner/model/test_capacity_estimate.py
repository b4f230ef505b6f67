"""The closed-form capacity of `tenbin_spec.capacity` against that of the simulator."""

from __future__ import annotations

import statistics

from tenbin_planner.model import capacity as simulated
from tenbin_spec import capacity, catalogue
from tenbin_spec.objectives import Slo
from tenbin_spec.workload import Workload

PROFILES = (
    "h200-llama-3.3-70b-bf16-tp4-vllm-0.24",
    "l40s-llama-3.1-8b-bf16-tp1-vllm-0.24",
    "simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23",
)
OBJECTIVES = (
    {"target": "0.99", "ttft_ms": 2000, "tpot_ms": 60},
    {"target": "0.95", "ttft_ms": 2000},
    {"target": "0.95", "e2e_ms": 60000},
)
LENGTHS = (((600, 2000), (150, 400)), ((200, 600), (400, 1000)))


def workload(prompt: tuple[int, int], answer: tuple[int, int]) -> Workload:
    return Workload.model_validate(
        {
            "requests_per_second": {"expected": 1, "peak": 1},
            "input_tokens": {"mean": prompt[0], "p95": prompt[1]},
            "output_tokens": {"mean": answer[0], "p95": answer[1]},
        }
    )


def slo(**objective: object) -> Slo:
    return Slo.model_validate({"window": "30d", "classes": {"only": objective}})


def test_the_estimate_is_near_the_simulator() -> None:
    ratios = []
    for name in PROFILES:
        profile = catalogue.profiles()[name]
        for lengths in LENGTHS:
            declared = workload(*lengths)
            traffic = simulated.Traffic(input_tokens=declared.input_tokens, output_tokens=declared.output_tokens)
            for objective in OBJECTIVES:
                agreed = slo(**objective)
                table = simulated.capacity_table(profile, agreed.classes["only"], traffic)
                ratios.append(capacity.requests_per_second(profile, agreed, declared) / table.capacity_rps)
    assert len(ratios) == 18
    assert 0.85 < statistics.median(ratios) < 1.25
    assert min(ratios) > 0.4
    assert max(ratios) < 2.3


def test_a_tighter_objective_longer_answers_and_another_class_never_raise_it() -> None:
    profile = catalogue.profiles()[PROFILES[1]]
    short, long = workload((600, 2000), (150, 400)), workload((600, 2000), (300, 800))
    base = {"target": "0.95", "ttft_ms": 2000, "tpot_ms": 60}
    loose = capacity.requests_per_second(profile, slo(**base), short)
    assert capacity.requests_per_second(profile, slo(**base), long) < loose
    for tighter in ({"target": "0.99"}, {"ttft_ms": 600}, {"tpot_ms": 30}, {"e2e_ms": 8000}):
        assert capacity.requests_per_second(profile, slo(**{**base, **tighter}), short) <= loose
    both = Slo.model_validate(
        {"window": "30d", "default_class": "a", "classes": {"a": base, "b": {**base, "tpot_ms": 30}}}
    )
    assert capacity.requests_per_second(profile, both, short) == capacity.requests_per_second(
        profile, slo(**{**base, "tpot_ms": 30}), short
    )


def test_an_objective_beyond_an_empty_replica_has_no_capacity() -> None:
    profile = catalogue.profiles()[PROFILES[1]]
    assert capacity.requests_per_second(profile, slo(target="0.99", ttft_ms=1), workload((600, 2000), (150, 400))) == 0
