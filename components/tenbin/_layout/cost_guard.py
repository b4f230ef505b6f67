"""Alarms on the bill of a stack: a budget of its cost cap, and a monitor of what its resources usually cost."""

from __future__ import annotations

import json
from decimal import Decimal

from tenbin_spec import contract
from tenbin_spec.cost_cap import CostCap
from tenbin_spec.guard import Guard
from tenbin_spec.quantities import HOURS_A_MONTH, money_text

from tenbin._layout.manifests import Json

ALLOCATION_TAGS = (contract.LABEL_STACK, contract.TAG_PART, contract.TAG_OWNER, contract.LABEL_POOL)
"""Tags by which a bill is divided."""


def monthly_usd(cap: CostCap) -> Decimal:
    """Return what a month may cost: its own cap, or every hour of it at the hourly one."""
    return cap.hourly_usd * HOURS_A_MONTH if cap.monthly_usd is None else cap.monthly_usd


def budget(*, cap: CostCap, guard: Guard, stack: str) -> Json:
    """Return the budget of a stack: the month's cap against what carries the stack's tag.

    Credits and refunds do not count, since they hide what is used until they are gone.
    """
    return {
        "name": f"tenbin-{stack}",
        "budget_type": "COST",
        "time_unit": "MONTHLY",
        "limit_amount": money_text(monthly_usd(cap)),
        "limit_unit": "USD",
        "cost_filters": [{"name": "TagKeyValue", "values": [f"user:{contract.LABEL_STACK}${stack}"]}],
        "cost_types": {"include_credit": False, "include_refund": False},
        "notifications": [
            *(_notification("ACTUAL", percent, guard) for percent in sorted(guard.spent_percent)),
            *(_notification("FORECASTED", percent, guard) for percent in sorted(guard.forecast_percent)),
        ],
    }


def monitor(stack: str) -> Json:
    """Return the anomaly monitor of what carries the stack's tag.

    A monitor by service would be the account's only one, so that a second stack could not be made.
    """
    tags = {"Key": contract.LABEL_STACK, "MatchOptions": None, "Values": [stack]}
    # AWS answers with every member, and what it answers beyond the input would replace the monitor at each run.
    absent = dict.fromkeys(("And", "CostCategories", "Dimensions", "Not", "Or"))
    return {
        "name": f"tenbin-{stack}",
        "monitor_type": "CUSTOM",
        "monitor_specification": json.dumps({**absent, "Tags": tags}, sort_keys=True),
    }


def subscriptions(guard: Guard, stack: str) -> dict[str, Json]:
    """Return who hears of anomalies, by the end of the resource's name: AWS tells topics at once, mail once a day."""
    wanted = {
        "email": ("DAILY", [{"type": "EMAIL", "address": address} for address in guard.emails]),
        "topic": ("IMMEDIATE", [{"type": "SNS", "address": guard.sns_topic}] if guard.sns_topic else []),
    }
    threshold = {
        "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
        "match_options": ["GREATER_THAN_OR_EQUAL"],
        "values": [money_text(guard.anomaly_usd)],
    }
    return {
        kind: {
            "name": f"tenbin-{stack}-{kind}",
            "frequency": frequency,
            "subscribers": subscribers,
            "threshold_expression": {"dimension": threshold},
        }
        for kind, (frequency, subscribers) in wanted.items()
        if subscribers
    }


def _notification(kind: str, percent: int, guard: Guard) -> Json:
    return {
        "notification_type": kind,
        "comparison_operator": "GREATER_THAN",
        "threshold": percent,
        "threshold_type": "PERCENTAGE",
        "subscriber_email_addresses": list(guard.emails),
        "subscriber_sns_topic_arns": [guard.sns_topic] if guard.sns_topic else [],
    }
