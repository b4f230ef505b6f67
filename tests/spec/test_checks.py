"""Findings: what can be built but breaks the agreement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from support.stacks import plain_stacks, stack
from tenbin_spec import cost, feasibility
from tenbin_spec.catalogue import profiles
from tenbin_spec.checks import findings
from tenbin_spec.stack import parse_stack

PROFILE = profiles()["simulated-l4-llama-3.1-8b-fp8-tp1-vllm-0.23"]


def found(**replacements: Any) -> list[str]:
    return [str(finding) for finding in findings(stack(**replacements))]


def test_the_valid_stack_has_no_finding() -> None:
    assert found() == []


CASES = {
    "cap below the minimum": (
        {"cost__hourly_usd": "0.35"},
        (
            "tenbin:cost.hourly_usd: 0.35 is below the 0.36 USD per hour of the minimum replicas."
            " Raise the cap or lower the services' minimum (cap-below-minimum)"
        ),
    ),
    "service's own cap below its minimum": (
        {"services__chat__cost": {"hourly_usd": "1.00"}, "services__chat__replicas": {"min": 3, "max": 6}},
        (
            "tenbin:services.chat.cost.hourly_usd: 1.00 is below the 1.5248 USD per hour of the minimum replicas."
            " Raise the cap or lower the service's minimum (cap-below-minimum)"
        ),
    ),
    "price unknown": (
        {"pools__l4-spot__hourly_usd": None},
        (
            "tenbin:pools.l4-spot.hourly_usd: the price of g6.xlarge spot in us-east-1 is unknown."
            " Ask AWS for it with tenbin prices refresh --region us-east-1, or write the price of one node for an hour,"
            ' for example hourly_usd: "0.36" (price-unknown)'
        ),
    ),
    "price of another region unknown": (
        {"pools__l4__region": "eu-north-1"},
        (
            "tenbin:pools.l4.hourly_usd: the price of g6.xlarge on-demand in eu-north-1 is unknown."
            " Ask AWS for it with tenbin prices refresh --region eu-north-1, or write the price of one node for an"
            ' hour, for example hourly_usd: "0.36" (price-unknown)'
        ),
    ),
    "profile unknown": (
        {"services__chat__engine": {"kind": "vllm", "image": "vllm/vllm-openai:v0.23.0", "max_model_len": 8192}},
        (
            "tenbin:services.chat.pools[0]: no engine profile is known for meta-llama/Llama-3.1-8B-Instruct on pool l4."
            " Name a profile in engine.profile or measure one; until then nothing is bought there (profile-unknown)"
        ),
    ),
    "minimum that the pools cannot hold": (
        {"services__chat__replicas": {"min": 7, "max": 9}},
        (
            "tenbin:services.chat.replicas.min: 7 is above the 6 replicas that its pools hold."
            " Raise nodes.max of a pool or lower the minimum (minimum-beyond-pools)"
        ),
    ),
    "minimum off spot that the pools cannot hold": (
        {"services__chat__replicas": {"min": 5, "max": 6, "on_demand_min": 5}},
        (
            "tenbin:services.chat.replicas.on_demand_min: 5 is above the 4 replicas that its pools hold off spot."
            " Add a pool of another capacity type, raise its nodes.max or lower the minimum (on-demand-beyond-pools)"
        ),
    ),
}


@pytest.mark.parametrize(("replacements", "expected"), CASES.values(), ids=CASES.keys())
def test_finding_names_place_numbers_and_repair(replacements: dict[str, Any], expected: str) -> None:
    assert expected in found(**replacements)


def test_an_objective_below_one_empty_replica_is_found_for_each_pool() -> None:
    best = feasibility.floor(PROFILE, input_tokens=900, output_tokens=160)
    place = "tenbin:services.chat.slo.classes.interactive"
    assert found(services__chat__slo__classes__interactive__tpot_ms=5) == [
        f"{place}: on pool {pool} tpot_ms 5 is below the {best.tpot_ms:.0f} ms of one empty replica"
        " for the p95 request. Loosen the threshold or choose a faster accelerator (objective-infeasible)"
        for pool in ("l4", "l4-spot")
    ]


def test_floor_by_hand() -> None:
    plain = PROFILE.model_dump(mode="json")
    plain["forward"] = {
        "decode_ms": [[0, 10.0], [100, 110.0]],
        "kv_ms": [[0, 0.0], [1000, 10.0]],
        "prefill_ms": [[0, 0.0], [100, 10.0]],
        "per_prefill_context_ms": 0.001,
    }
    plain["api"] = {"per_request_ms": 2.0, "per_output_token_ms": 0.5}
    plain["limits"]["max_num_batched_tokens"] = 100
    best = feasibility.floor(type(PROFILE).model_validate(plain), input_tokens=250, output_tokens=3)
    # 3 passes of 10 ms, 250 tokens of 0.1 ms, 250^2 / 2 context pairs of 0.001 ms; API 2 ms and 0.5 ms for the token.
    assert best.ttft_ms == pytest.approx(30 + 25 + 31.25 + 2.5)
    # 10 for the pass, 1 for the sequence, 0.01 for each of the 251.5 tokens of the mean context.
    assert best.tpot_ms == pytest.approx(13.515)
    assert best.e2e_ms == pytest.approx(best.ttft_ms + 2 * best.tpot_ms)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (-5, 3)])
def test_floor_refuses_counts_below_one(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="token counts must be 1 or more"):
        feasibility.floor(PROFILE, input_tokens=counts[0], output_tokens=counts[1])


def test_price_range_fills_cheap_pools_first_and_dear_ones_for_the_maximum() -> None:
    priced = cost.stack_range(stack(services__chat__replicas={"min": 3, "max": 5}))
    assert priced.minimum == Decimal("0.36") * 2 + Decimal("0.8048")
    assert priced.maximum == Decimal("0.8048") * 4 + Decimal("0.36")
    assert priced.capped(Decimal("2.00")).maximum == Decimal("2.00")


def test_the_minimum_off_spot_is_priced_off_spot() -> None:
    priced = cost.stack_range(stack(services__chat__replicas={"min": 3, "max": 5, "on_demand_min": 2}))
    assert priced.minimum == Decimal("0.8048") * 2 + Decimal("0.36")


def test_an_unknown_price_is_never_zero() -> None:
    priced = cost.stack_range(stack(**{"pools__l4-spot__hourly_usd": None}))
    assert priced.minimum == Decimal("0.8048")
    assert priced.maximum is None


@settings(max_examples=60, deadline=None)
@given(plain_stacks())
def test_minimum_never_costs_more_than_maximum(plain: dict[str, Any]) -> None:
    priced = cost.stack_range(parse_stack(plain))
    if priced.minimum is not None and priced.maximum is not None:
        assert priced.minimum <= priced.maximum
