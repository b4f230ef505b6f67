"""Rules of budgets and anomaly alarms."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from tenbin_local.plugins.aws.kinds import tokens
from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules.view import Table, View

_TABLE = Table()
_BUDGETS = "docs.aws.amazon.com/aws-cost-management/latest/APIReference"

BUDGET = "aws:budgets/budget:Budget"
SUBSCRIPTION = "aws:costexplorer/anomalySubscription:AnomalySubscription"

_SHARES = ("RI_UTILIZATION", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION", "SAVINGS_PLANS_COVERAGE")


@_TABLE.rule("budget-has-a-limit", BUDGET, source=f"{_BUDGETS}/API_budgets_Budget.html")
def _limit(view: View) -> Iterator[Problem]:
    amount = view.known("limitAmount")
    if not any(view.has(path) for path in ("limitAmount", "plannedLimits", "autoAdjustData")):
        yield Problem("limitAmount", "one of limitAmount, plannedLimits and autoAdjustData is required")
    if amount is not None and (_number(amount) or Decimal(0)) <= 0:
        yield Problem("limitAmount", f"{amount!r} is not allowed; a number above 0 is")
    if view.known("budgetType") == "COST" and view.known("limitUnit") not in (None, "USD"):
        yield Problem("limitUnit", f"{view.known('limitUnit')!r} is not allowed for a budget of cost; USD is")
    if view.known("budgetType") in _SHARES and view.known("limitUnit") not in (None, "PERCENTAGE"):
        yield Problem("limitUnit", f"{view.known('limitUnit')!r} is not allowed for a share; PERCENTAGE is")


def _number(text: object) -> Decimal | None:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


@_TABLE.rule("budget-filters-tags-by-key-and-value", BUDGET, source=f"{_BUDGETS}/API_budgets_Budget.html")
def _filters(view: View) -> Iterator[Problem]:
    for index, one in enumerate(view.known("costFilters") or []):
        if one.get("name") != "TagKeyValue":
            continue
        for number, value in enumerate(one.get("values") or []):
            if not re.fullmatch(r"(user|aws):[^$]+\$.*", value):
                place = f"costFilters[{index}].values[{number}]"
                yield Problem(place, f"{value!r} is no tag with its value; 'user:key$value' is")


@_TABLE.rule("budget-tells-somebody", BUDGET, source=f"{_BUDGETS}/API_budgets_NotificationWithSubscribers.html")
def _notifications(view: View) -> Iterator[Problem]:
    given = view.known("notifications") or []
    seen = []
    if len(given) > 10:
        yield Problem("notifications", f"{len(given)} given; 10 are allowed")
    for index, one in enumerate(given):
        place = f"notifications[{index}]"
        mails, topics = one.get("subscriberEmailAddresses") or [], one.get("subscriberSnsTopicArns") or []
        if not mails and not topics:
            yield Problem(place, "subscriberEmailAddresses or subscriberSnsTopicArns is required")
        if len(mails) > 10 or len(topics) > 1:
            yield Problem(place, f"{len(mails)} addresses and {len(topics)} topics; 10 and 1 are allowed")
        key = tuple(one.get(name) for name in ("notificationType", "comparisonOperator", "threshold", "thresholdType"))
        if key in seen:
            yield Problem(place, "DuplicateRecordException: another notification is the same")
        seen.append(key)


@_TABLE.rule(
    "anomaly-monitor-is-of-a-dimension-or-custom", tokens.ANOMALY_MONITOR, source=f"{_BUDGETS}/API_AnomalyMonitor.html"
)
def _monitor(view: View) -> Iterator[Problem]:
    kind, dimension = view.known("monitorType"), view.has("monitorDimension")
    custom = view.has("monitorSpecification")
    if kind == "DIMENSIONAL" and (custom or not dimension):
        yield Problem("monitorDimension", "required with type DIMENSIONAL, which has no monitorSpecification")
    if kind == "CUSTOM" and (dimension or not custom):
        yield Problem("monitorSpecification", "required with type CUSTOM, which has no monitorDimension")


@_TABLE.rule(
    "custom-monitor-is-of-one-tag-category-or-account-list",
    tokens.ANOMALY_MONITOR,
    source="docs.aws.amazon.com/cost-management/latest/userguide/getting-started-ad.html",
)
def _specification(view: View) -> Iterator[Problem]:
    text = view.known("monitorSpecification")
    if text is None or view.known("monitorType") != "CUSTOM":
        return
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        yield Problem("monitorSpecification", f"no JSON: {error}")
        return
    said = [key for key, value in given.items() if value is not None]
    if len(said) != 1 or said[0] not in ("CostCategories", "Dimensions", "Tags"):
        problem = "exactly one of CostCategories, Dimensions and Tags is allowed"
        yield Problem("monitorSpecification", f"has {', '.join(said) or 'nothing'}; {problem}")
        return
    kind, one = said[0], given[said[0]]
    if not one.get("Key") or not one.get("Values"):
        yield Problem("monitorSpecification", f"{kind} needs Key and Values")
    elif kind == "Dimensions" and one["Key"] != "LINKED_ACCOUNT":
        yield Problem("monitorSpecification", f"{one['Key']} is no dimension of a custom monitor; LINKED_ACCOUNT is")


@_TABLE.rule("immediate-alarms-go-to-topics", SUBSCRIPTION, source=f"{_BUDGETS}/API_AnomalySubscription.html")
def _subscription(view: View) -> Iterator[Problem]:
    frequency = view.known("frequency")
    wanted = {"IMMEDIATE": "SNS", "DAILY": "EMAIL", "WEEKLY": "EMAIL"}.get(str(frequency))
    for index, one in enumerate(view.known("subscribers") or []):
        if wanted and one.get("type") != wanted:
            yield Problem(
                f"subscribers[{index}].type",
                f"{one.get('type')} is not allowed with frequency {frequency}; {wanted} is",
            )
    if not view.has("thresholdExpression"):
        yield Problem("thresholdExpression", "required")


RULES = _TABLE.rules
