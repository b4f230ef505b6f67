"""`CostGuard`: the cap of the agreement on the bill itself, over what carries the stack's tag and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
import tenbin
from support import amazon, stacks
from support.registered import Registrations, register

TOPIC = f"arn:aws:sns:us-east-1:{amazon.ACCOUNT}:cost-alerts"
MAIL = "ml-platform@example.com"


def guard(*, cost: dict[str, str] | None = None, **fields: Any) -> Registrations:
    args: Any = {
        "cost": cost or {"hourly_usd": "10.00", "monthly_usd": "5000"},
        "guard": {"emails": [MAIL], **fields},
        "owner": "ml-platform",
    }
    return register(lambda: tenbin.CostGuard("cost", args))


def budget(found: Registrations) -> dict[str, Any]:
    return found.one("Budget::cost").inputs


@pytest.mark.parametrize(
    ("cost", "limit"),
    [
        ({"hourly_usd": "10.00", "monthly_usd": "5000"}, "5000.00"),
        ({"hourly_usd": "10.00"}, "7300.00"),
    ],
    ids=["monthly cap", "every hour of a month at the hourly cap"],
)
def test_the_limit_is_what_the_agreement_allows_for_a_month(cost: dict[str, str], limit: str) -> None:
    made = budget(guard(cost=cost))
    assert (made["limitAmount"], made["limitUnit"], made["timeUnit"]) == (limit, "USD", "MONTHLY")


def test_only_what_carries_the_stacks_tag_counts_and_credits_hide_nothing() -> None:
    made = budget(guard())
    assert made["costFilters"] == [{"name": "TagKeyValue", "values": ["user:tenbin.dev/stack$test"]}]
    assert made["costTypes"] == {"includeCredit": False, "includeRefund": False}


def test_spending_and_its_forecast_are_told_at_their_shares() -> None:
    made = budget(guard(spent_percent=[100, 50], forecast_percent=[120], sns_topic=TOPIC))
    assert [(item["notificationType"], item["threshold"]) for item in made["notifications"]] == [
        ("ACTUAL", 50),
        ("ACTUAL", 100),
        ("FORECASTED", 120),
    ]
    for item in made["notifications"]:
        assert (item["subscriberEmailAddresses"], item["subscriberSnsTopicArns"]) == ([MAIL], [TOPIC])


def test_the_monitor_is_of_the_stack_since_an_account_has_one_by_service_only() -> None:
    made = guard().one("AnomalyMonitor::cost").inputs
    assert (made["monitorType"], "monitorDimension" in made) == ("CUSTOM", False)
    specification = json.loads(made["monitorSpecification"])
    assert {key: value for key, value in specification.items() if value is not None} == {
        "Tags": {"Key": "tenbin.dev/stack", "MatchOptions": None, "Values": ["test"]}
    }


def test_mail_is_daily_and_a_topic_hears_at_once_as_aws_allows() -> None:
    found = guard(sns_topic=TOPIC, anomaly_usd="250")
    said = {
        item.name: (item.inputs["frequency"], [each["address"] for each in item.inputs["subscribers"]])
        for item in found.resources
        if item.type.endswith(":AnomalySubscription")
    }
    assert said == {"cost-email": ("DAILY", [MAIL]), "cost-topic": ("IMMEDIATE", [TOPIC])}
    threshold = found.one("AnomalySubscription::cost-topic").inputs["thresholdExpression"]["dimension"]
    assert threshold["values"] == ["250.00"]


def test_a_topic_alone_is_enough() -> None:
    found = guard(emails=[], sns_topic=TOPIC)
    assert [item.name for item in found.resources if item.type.endswith(":AnomalySubscription")] == ["cost-topic"]


def test_tags_are_activated_where_that_is_wanted_only() -> None:
    def activated(found: Registrations) -> list[str]:
        return [item.inputs["tagKey"] for item in found.resources if item.type.endswith(":CostAllocationTag")]

    assert activated(guard()) == []
    wanted = ["tenbin.dev/stack", "tenbin.dev/part", "tenbin.dev/owner", "tenbin.dev/pool"]
    assert activated(guard(activate_tags=True)) == wanted


def test_every_resource_that_can_carry_tags_says_stack_part_and_owner() -> None:
    for item in guard(sns_topic=TOPIC).resources:
        if item.type.startswith("aws:"):
            tags = item.inputs["tags"]
            assert (tags["tenbin.dev/stack"], tags["tenbin.dev/part"], tags["tenbin.dev/owner"]) == (
                "test",
                "cost",
                "ml-platform",
            ), item.key


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"emails": []}, "guard: names nobody who is told. Allowed: emails, sns_topic or both"),
        ({"emails": [MAIL, MAIL]}, f"guard: emails names more than once: {MAIL}"),
        ({"spent_percent": [80, 80]}, "guard: spent_percent names more than once: 80"),
        ({"forecast_percent": [0]}, "guard.forecast_percent[0]: 0: input should be greater than or equal to 1"),
        ({"anomaly_usd": 100}, "guard.anomaly_usd: 100 is a number where a string belongs: put it in quotes"),
    ],
)
def test_a_guard_that_cannot_be_built_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        guard(**fields)
    assert problem in str(caught.value)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_platform_on_aws_has_one_where_somebody_is_told(wanted: bool) -> None:
    plain: Any = stacks.plain_stack(cluster=amazon.plain_cluster())
    for pool in plain["pools"].values():
        pool["region"] = "eu-west-1"
    if wanted:
        plain["guard"] = {"emails": [MAIL]}
    found = register(lambda: tenbin.Platform("platform", plain))
    made = [item.key for item in found.resources if item.parent == "CostGuard::platform-cost"]
    assert ("Budget::platform-cost" in made) is wanted
    if wanted:
        assert found.one("Budget::platform-cost").inputs["limitAmount"] == "2920.00"
        assert found.one("Budget::platform-cost").provider == "aws::platform"
