"""The estimate of a stack's bill: levels, parts, sums, and what is unknown."""

from __future__ import annotations

import pathlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from support import amazon
from support.stacks import plain_stack, plain_stacks, stack
from tenbin_local import stack_files
from tenbin_spec import cost
from tenbin_spec.cost.amounts import Amounts, in_cents
from tenbin_spec.cost.estimate import Part
from tenbin_spec.stack import Stack, parse_stack

MANAGED = {"pools__l4__backend": "managed", "pools__l4-spot__backend": "managed"}
STACKS = pathlib.Path(__file__).parents[2] / "stacks"


def committed(name: str) -> Stack:
    """Return a committed stack."""
    return stack_files.read_stack_file(stack_files.stack_file_path(STACKS, name)).stack


def monthly(estimate: cost.Estimate) -> dict[str, tuple[str, ...]]:
    """Return the amounts of each line in USD per month, at minimum, expected and maximum."""
    return {line.name: tuple(line.monthly_usd.texts().values()) for line in estimate.lines}


def on_eks(**changes: Any) -> Stack:
    """Return the valid stack on a cluster in Auto Mode that it builds, in the region whose fixed prices are known."""
    zones = {"zones": ["us-east-1a", "us-east-1b"]}
    configuration = plain_stack(cluster=amazon.plain_cluster(network=zones, auto_mode=True))
    for pool in configuration["pools"].values():
        pool["backend"] = "karpenter"
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = configuration
        for parent in parents:
            place = place[parent]
        place[last] = value
    return parse_stack(configuration)


def test_a_stack_on_a_cluster_of_somebody_else_pays_for_its_replicas() -> None:
    found = cost.of(stack(services__chat__replicas={"min": 3, "max": 6}))
    assert monthly(found) == {
        "chat on l4": ("587.50", "587.50", "2350.02"),
        "chat on l4-spot": ("525.60", "525.60", "525.60"),
    }
    assert found.monthly_usd == Amounts(
        minimum=Decimal("1113.10"), expected=Decimal("1113.10"), maximum=Decimal("2875.62")
    )
    assert found.spot_share == pytest.approx(0.72 / (0.72 + 0.8048))


def test_a_built_cluster_also_pays_for_nodes_network_control_plane_and_fee() -> None:
    found = cost.of(on_eks())
    volume = "16.00"
    assert monthly(found) == {
        "chat on l4": ("0.00", "0.00", "2350.02"),
        "chat on l4-spot": ("262.80", "262.80", "525.60"),
        "l4: auto mode fee": ("0.00", "0.00", "282.00"),
        "l4: volumes": ("0.00", "0.00", "64.00"),
        "l4-spot: auto mode fee": ("70.50", "70.50", "141.00"),
        "l4-spot: volumes": (volume, volume, "32.00"),
        "control plane": ("73.00", "73.00", "73.00"),
        "endpoints": ("160.60", "160.60", "160.60"),
        "nat gateways": ("65.70", "65.70", "65.70"),
    }
    assert found.unknown == ()
    made = "nodes that Auto Mode makes for programs without accelerators"
    assert "data through NAT gateways and endpoints" in found.not_counted
    assert made in found.not_counted
    assert made not in cost.of(on_eks(cluster__auto_mode=False, **MANAGED)).not_counted


@pytest.mark.parametrize(("nat", "usd"), [("zone", "65.70"), ("single", "32.85"), ("none", None)])
def test_nat_gateways_are_paid_by_the_zone(nat: str, usd: str | None) -> None:
    zones = ["us-east-1a", "us-east-1b"]
    found = monthly(cost.of(on_eks(cluster__network={"zones": zones, "nat": nat})))
    assert found.get("nat gateways", (None,))[0] == usd


def test_system_nodes_are_paid_where_the_cluster_has_them() -> None:
    found = cost.of(on_eks(cluster__auto_mode=False, **MANAGED))
    # Two to four m7i.large at 0.1008 USD an hour with 50 GB at 0.08 USD a month each.
    assert monthly(found)["system nodes"] == ("155.17", "155.17", "310.34")
    assert not [line for line in found.lines if line.part is Part.AUTO_MODE]


def test_whole_nodes_are_paid_and_what_replicas_leave_of_them_is_a_line_of_its_own() -> None:
    changes = {"pools__l4__instance_type": "g6.12xlarge", "services__chat__pools": ["l4"]}
    found = monthly(cost.of(on_eks(**changes)))
    # One of the four accelerators of a node at 4.6016 USD an hour.
    assert found["chat on l4"][0] == "839.79"
    assert found["l4: rest of nodes"] == ("2519.38", "2519.38", "1679.58")


def test_a_pool_keeps_its_least_nodes_without_replicas() -> None:
    changes = {"cluster__auto_mode": False, "pools__l4__nodes": {"min": 2, "max": 4}, **MANAGED}
    found = monthly(cost.of(on_eks(services__chat__pools=["l4-spot"], **changes)))
    assert found["l4: rest of nodes"] == ("1175.01", "1175.01", "1175.01")


def test_what_is_committed_is_paid_used_or_not() -> None:
    found = cost.of(committed("prod"))
    assert found.committed_hourly_usd == Decimal("63.296") + Decimal("39.00")
    reserved = {line.name: line for line in found.of_pool("h200-reserved")}
    for level in cost.Level:
        used = reserved["assistant on h200-reserved"].monthly_usd.at(level)
        rest = reserved["h200-reserved: rest of nodes"].monthly_usd.at(level)
        assert used is not None
        assert rest is not None
        assert used + rest == Decimal("46206.08"), level


def test_services_that_count_on_the_same_nodes_pay_for_them_once() -> None:
    configuration = plain_stack(cost__hourly_usd="100.00")
    configuration["services"]["other"] = configuration["services"]["chat"]
    found = cost.of(parse_stack(configuration))
    assert found.hourly_usd.maximum == 4 * Decimal("0.8048") + 2 * Decimal("0.36")
    assert monthly(found)["l4: rest of nodes"] == ("0.00", "0.00", "-2350.02")


def test_services_share_the_room_of_a_cheap_pool_and_the_rest_overflows() -> None:
    configuration = plain_stack(**{"pools__l4-spot__nodes": {"max": 1}}, cost__hourly_usd="100.00")
    configuration["services"]["other"] = configuration["services"]["chat"]
    found = monthly(cost.of(parse_stack(configuration)))
    assert found["chat on l4-spot"][:2] == ("262.80", "262.80")
    assert found["other on l4-spot"][:2] == ("0.00", "0.00")
    assert found["other on l4"][:2] == ("587.50", "587.50")


def test_caps_hold_the_maximum() -> None:
    assert cost.of(stack(cost__hourly_usd="2.00")).hourly_usd.maximum == Decimal("2.00")
    own = cost.of(stack(services__chat__cost={"hourly_usd": "3.00"}))
    assert own.hourly_usd.maximum == Decimal("3.00")
    assert "held by the cap" not in monthly(own)


def test_more_traffic_is_expected_to_need_more_replicas() -> None:
    rates = [{"expected": rate, "peak": 40} for rate in (1, 10, 20, 40)]
    found = [cost.of(stack(services__chat__workload__requests_per_second=rate)) for rate in rates]
    expected = [item.hourly_usd.expected or Decimal(-1) for item in found]
    assert expected == sorted(expected)
    assert expected[0] == found[0].hourly_usd.minimum
    assert expected[-1] > expected[0]


def test_without_a_planner_the_minimum_runs() -> None:
    amounts = cost.of(stack(planner={"enabled": False})).hourly_usd
    assert amounts.minimum == amounts.expected == amounts.maximum


def test_tokens_are_priced_at_the_expected_rate() -> None:
    found = cost.of(stack())
    assert found.hourly_usd.expected == Decimal("0.36")
    # 3 requests a second with answers of 60 tokens, and prompts of 300.
    assert found.usd_per_million("chat") == Decimal("0.5556")
    assert found.usd_per_million(outputs_only=False) == Decimal("0.0926")


def test_an_unknown_price_is_named_and_nothing_that_needs_it_is_a_number() -> None:
    found = cost.of(stack(pools__l4__region="eu-north-1"))
    assert found.unknown == ("the price of g6.xlarge on-demand in eu-north-1 (pool l4)",)
    assert found.hourly_usd == Amounts(minimum=Decimal("0.36"), expected=Decimal("0.36"), maximum=None)
    assert found.plain()["monthly_usd"]["maximum"] == "unknown"


def test_unknown_fixed_prices_of_a_region_are_named() -> None:
    zones = {"zones": ["eu-west-1a", "eu-west-1b"]}
    found = cost.of(
        on_eks(cluster__network=zones, pools__l4__region="eu-west-1", **{"pools__l4-spot__region": "eu-west-1"})
    )
    assert "the price of an EKS control plane in eu-west-1" in found.unknown
    assert "the fee of Auto Mode for g6.xlarge in eu-west-1" in found.unknown
    assert found.hourly_usd.minimum is None


def test_an_unknown_profile_leaves_the_expectation_alone_unknown() -> None:
    engine = {"kind": "vllm", "image": "vllm/vllm-openai:v0.23.0", "max_model_len": 8192}
    found = cost.of(stack(services__chat__engine=engine))
    assert found.unknown == (
        (
            "replicas of chat at the expected rate: no engine profile is known for meta-llama/Llama-3.1-8B-Instruct on"
            " l4-spot, l4"
        ),
    )
    assert found.hourly_usd.expected is None
    assert found.hourly_usd.minimum == Decimal("0.36")
    assert found.hourly_usd.maximum == Decimal("3.9392")


@pytest.mark.parametrize("name", ["dev", "local", "prod", "staging"])
def test_every_committed_stack_is_priced_whole(name: str) -> None:
    found = cost.of(committed(name))
    assert found.unknown == ()
    assert found.hourly_usd.is_known


@given(plain_stacks())
@settings(max_examples=25, deadline=None)
def test_levels_are_ordered_lines_add_up_and_the_order_of_input_does_not_matter(configuration: dict[str, Any]) -> None:
    found = cost.of(parse_stack(configuration))
    for level in cost.Level:
        amounts = [line.monthly_usd.at(level) for line in found.lines]
        if None not in amounts:
            assert found.monthly_usd.at(level) == sum(filter(None, amounts), Decimal(0))
    if found.hourly_usd.is_known:
        assert found.hourly_usd.minimum is not None
        assert found.hourly_usd.minimum >= 0
    shuffled = {**configuration, "services": dict(reversed(configuration["services"].items()))}
    assert cost.of(parse_stack(shuffled)) == found


def test_cents_go_to_the_largest_remainders() -> None:
    exact = [Decimal("0.004"), Decimal("0.006"), Decimal("-0.002"), Decimal("1.0")]
    assert [str(item) for item in in_cents(exact, Decimal("1.01"))] == ["0.00", "0.01", "0.00", "1.00"]
    assert in_cents([Decimal("0.005")], Decimal("0.01")) == [Decimal("0.01")]
