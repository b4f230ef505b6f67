"""What a change of the configuration costs: cause by cause, line by line, to the cent; and whether it may be made."""

from __future__ import annotations

import copy
import pathlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from support.stacks import plain_stack, plain_stacks, stack
from tenbin_local import stack_files
from tenbin_spec.cost import Level, changes, verdicts
from tenbin_spec.cost.changes import Change
from tenbin_spec.cost.verdicts import Verdict
from tenbin_spec.review import Review
from tenbin_spec.stack import Stack, parse_stack

PROD = pathlib.Path(__file__).parents[2] / "stacks" / "Pulumi.prod.yaml"
ZERO = Decimal(0)


def prod() -> dict[str, Any]:
    """Return the configuration of the production stack."""
    return copy.deepcopy(stack_files.read_configuration(PROD))


def three_changes(plain: dict[str, Any]) -> dict[str, Any]:
    """Raise one pool's maximum, tighten one SLO and add one service."""
    plain["pools"]["l40s"]["nodes"]["max"] = 12
    plain["services"]["chat"]["slo"]["classes"]["interactive"] |= {"target": "0.995", "tpot_ms": 33}
    plain["services"]["summary"] = copy.deepcopy(plain["services"]["chat"])
    plain["services"]["summary"]["replicas"] = {"min": 1, "max": 4}
    return plain


def adds_up(change: Change) -> None:
    """Check that causes explain each line and lines the total, to the cent, where amounts are known."""
    for level in Level:
        for line in change.lines:
            difference = line.difference.at(level)
            parts = [share.monthly_usd.at(level) for share in line.shares]
            if difference is not None and None not in parts:
                assert sum(filter(None, parts), ZERO) == difference, (line.name, level)
        for whole, amounts in (
            (change.monthly_before.at(level), [line.before.at(level) for line in change.lines]),
            (change.monthly_after.at(level), [line.after.at(level) for line in change.lines]),
            (change.difference.at(level), [change.of_cause(cause).at(level) for cause in change.causes]),
        ):
            if whole is not None and None not in amounts:
                assert whole == sum(filter(None, amounts), ZERO), level
                assert whole == whole.quantize(Decimal("0.01"))


def test_three_changes_of_production_are_explained_to_the_cent() -> None:
    before, after = parse_stack(prod()), parse_stack(three_changes(prod()))
    change = changes.between("prod", before, after)
    assert [(cause.kind.value, cause.path, cause.text) for cause in change.causes] == [
        ("pool-size", "tenbin:pools.l40s.nodes", "pool l40s: maximum raised from 8 to 12 nodes"),
        (
            "slo",
            "tenbin:services.chat.slo",
            "SLO of chat tightened: interactive target from 99 % to 99.5 %, interactive TPOT from 60 ms to 33 ms",
        ),
        ("service-added", "tenbin:services.summary", "service summary added"),
    ]
    adds_up(change)
    shares = {
        (share.cause.kind.value, share.line): tuple(share.monthly_usd.texts().values()) for share in change.shares
    }
    # The dearest pool now holds 12 of the 16 replicas: 4 more at 2.24208 USD an hour, 4 fewer at 1.05.
    assert shares["pool-size", "chat on l40s"] == ("0.00", "0.00", "6546.87")
    assert shares["pool-size", "chat on l40s-spot"] == ("0.00", "0.00", "-3066.00")
    slo = [amounts for (kind, line), amounts in shares.items() if kind == "slo" and line.startswith("chat on")]
    assert slo
    assert all(Decimal(expected) > 0 == Decimal(least) == Decimal(most) for least, expected, most in slo)
    assert shares["service-added", "summary on l40s-spot"][0] == "766.50"
    assert all(amount.is_known for amount in (change.monthly_before, change.monthly_after))


def test_the_same_configuration_costs_nothing_more() -> None:
    change = changes.between("prod", parse_stack(prod()), parse_stack(prod()))
    assert change.causes == ()
    assert change.difference.is_nothing
    adds_up(change)


def change_of(edit: Callable[[dict[str, Any]], object]) -> Change:
    """Return what an edit of the production stack costs."""
    plain = prod()
    edit(plain)
    return changes.between("prod", parse_stack(prod()), parse_stack(plain))


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "price": (
        lambda plain: plain["pools"]["l40s-spot"].update(hourly_usd="1.20"),
        "price of pool l40s-spot from 1.05 to 1.20",
    ),
    "instance": (
        lambda plain: plain["pools"]["l40s"].update(instance_type="g6e.4xlarge"),
        "pool l40s: instance_type from g6e.2xlarge to g6e.4xlarge",
    ),
    "replicas": (
        lambda plain: plain["services"]["chat"]["replicas"].update(min=3, max=18),
        "chat: minimum raised from 2 to 3 replicas, maximum raised from 16 to 18 replicas",
    ),
    "loosened": (
        lambda plain: plain["services"]["chat"]["slo"]["classes"]["interactive"].update(ttft_ms=1500),
        "SLO of chat loosened: interactive TTFT from 1 s to 1.5 s",
    ),
    "changed": (
        lambda plain: plain["services"]["chat"]["slo"]["classes"]["interactive"].update(ttft_ms=1500, tpot_ms=50),
        "SLO of chat changed: interactive TTFT from 1 s to 1.5 s, interactive TPOT from 60 ms to 50 ms",
    ),
    "workload": (
        lambda plain: plain["services"]["chat"]["workload"]["requests_per_second"].update(expected=12),
        "workload of chat: requests per second from 8 to 20 to 12 to 20",
    ),
    "removed": (lambda plain: plain["services"].pop("assistant"), "service assistant removed"),
    "stack cap": (
        lambda plain: plain["cost"].update(hourly_usd="100.00"),
        "the stack's cap from 140.00 an hour and 90000.00 a month to 100.00 an hour and 90000.00 a month",
    ),
    "service cap": (
        lambda plain: plain["services"]["chat"].update(cost={"hourly_usd": "20.00"}),
        "cap of chat from none to 20.00 an hour",
    ),
    "network": (lambda plain: plain["cluster"]["network"].update(nat="single"), "the cluster changed"),
}


@pytest.mark.parametrize(("edit", "text"), EDITS.values(), ids=EDITS)
def test_each_cause_is_named_in_words_and_adds_up(edit: Callable[[dict[str, Any]], object], text: str) -> None:
    change = change_of(edit)
    assert [cause.text for cause in change.causes] == [text]
    adds_up(change)


def test_a_stack_that_is_new_or_gone_is_one_cause() -> None:
    one = stack()
    added, removed = changes.between("local", None, one), changes.between("local", one, None)
    assert [cause.text for cause in (*added.causes, *removed.causes)] == ["stack local added", "stack local removed"]
    assert added.difference.maximum == -(removed.difference.maximum or ZERO) == Decimal("2875.62")
    adds_up(added)
    adds_up(removed)


@given(plain_stacks())
@settings(max_examples=20, deadline=None)
def test_any_change_and_its_way_back_add_up(configuration: dict[str, Any]) -> None:
    past, present = stack(), parse_stack(configuration)
    there, back = changes.between("any", past, present), changes.between("any", present, past)
    adds_up(there)
    adds_up(back)
    assert back.monthly_after == there.monthly_before
    assert back.monthly_before == there.monthly_after


def limits(**given: Any) -> Review:
    return Review.model_validate(given)


def grown(**changes_of: Any) -> Change:
    """Return the change of a stack whose minimum is raised from one to three replicas: 262.80 to 1113.10 a month."""
    after: Stack = stack(services__chat__replicas={"min": 3, "max": 6}, **changes_of)
    return changes.between("local", stack(), after)


@pytest.mark.parametrize(
    ("review", "verdict", "reason"),
    [
        ({}, Verdict.WITHIN, None),
        ({"approval": {"monthly_usd": "850.30"}}, Verdict.WITHIN, None),
        (
            {"approval": {"monthly_usd": "850.29"}},
            Verdict.NEEDS_APPROVAL,
            "850.30 USD a month more are expected; without a question: 850.29",
        ),
        (
            {"approval": {"percent": 10}},
            Verdict.NEEDS_APPROVAL,
            "323.6 % more is expected; without a question: 10 %",
        ),
        (
            {"approval": {"percent": 400}, "refusal": {"monthly_usd": "800.00"}},
            Verdict.REFUSED,
            "850.30 USD a month more are expected; allowed: 800.00",
        ),
        (
            {"expected_monthly_usd": "1113.09"},
            Verdict.REFUSED,
            "1113.10 USD a month are expected; allowed are 1113.09",
        ),
        ({"expected_monthly_usd": "1113.10"}, Verdict.WITHIN, None),
    ],
)
def test_limits_decide(review: dict[str, Any], verdict: Verdict, reason: str | None) -> None:
    found = verdicts.judge(grown(), limits(**review))
    assert found.verdict is verdict
    assert found.reasons == (() if reason is None else (reason,))
    assert found.stands is (verdict is Verdict.WITHIN)


def test_who_agrees_lets_a_question_pass_and_no_refusal() -> None:
    asked = limits(approval={"percent": 1})
    assert verdicts.judge(grown(), asked, approved=True).stands
    refused = limits(refusal={"percent": 1})
    assert not verdicts.judge(grown(), refused, approved=True).stands


def test_a_price_that_becomes_unknown_is_a_question_without_any_limit() -> None:
    found = verdicts.judge(grown(pools__l4__region="eu-north-1"), Review())
    assert found.verdict is Verdict.NEEDS_APPROVAL
    assert found.reasons == (
        "unknown, so that it is in no sum: the price of g6.xlarge on-demand in eu-north-1 (pool l4)",
    )


def test_no_change_lifts_its_own_limits() -> None:
    same = changes.between("local", stack(), stack())
    found = verdicts.judge(same, Review(), changed_limits=True)
    assert found.reasons == ("the limits of review change: those from before count here",)


def test_a_limit_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="has no limit: give at least one of monthly_usd, percent"):
        Review.model_validate({"approval": {}})


def test_the_configuration_is_parsed() -> None:
    given_limits = {"approval": {"monthly_usd": "500.00", "percent": 10}, "expected_monthly_usd": "90000"}
    assert parse_stack({**plain_stack(), "review": given_limits}).review.approval is not None
