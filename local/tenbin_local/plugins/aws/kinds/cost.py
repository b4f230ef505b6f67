"""Budgets and alarms of unusual cost."""

from typing import Any

from tenbin_local.plugins.aws.kind import Call, Kind, Making, Name, Reference
from tenbin_local.plugins.aws.kinds import tokens


def _budget(making: Making) -> dict[str, Any]:
    given = making.inputs
    return {
        "accountId": given.get("accountId") or making.account,
        "arn": making.arn("budgets", f"budget/{given['name']}", regional=False),
        "costFilters": given.get("costFilters") or [],
        "costTypes": given.get("costTypes")
        or {
            "includeCredit": True,
            "includeDiscount": True,
            "includeOtherSubscription": True,
            "includeRecurring": True,
            "includeRefund": True,
            "includeSubscription": True,
            "includeSupport": True,
            "includeTax": True,
            "includeUpfront": True,
            "useAmortized": False,
            "useBlended": False,
        },
        "limitAmount": given.get("limitAmount") or "",
        "limitUnit": given.get("limitUnit") or "",
        "timePeriodStart": given.get("timePeriodStart") or "2026-01-01_00:00",
    }


_SUBSCRIBED = "NotificationsWithSubscribers"

KINDS = (
    Kind(
        token="aws:budgets/budget:Budget",
        label="Budget",
        calls=(
            Call(
                operation="budgets.CreateBudget",
                fields="name=Budget.BudgetName accountId budgetType=Budget.BudgetType timeUnit=Budget.TimeUnit "
                "limitAmount=Budget.BudgetLimit.Amount limitUnit=Budget.BudgetLimit.Unit "
                "costTypes=Budget.CostTypes autoAdjustData=Budget.AutoAdjustData metrics=Budget.Metrics "
                "filterExpression=Budget.FilterExpression billingViewArn=Budget.BillingViewArn "
                f"notifications={_SUBSCRIBED}",
                renamed={
                    "notifications.notificationType": "Notification.NotificationType",
                    "notifications.comparisonOperator": "Notification.ComparisonOperator",
                    "notifications.threshold": "Notification.Threshold",
                    "notifications.thresholdType": "Notification.ThresholdType",
                    "notifications.subscriberEmailAddresses": "Subscribers[SubscriptionType=EMAIL].Address",
                    "notifications.subscriberSnsTopicArns": "Subscribers[SubscriptionType=SNS].Address",
                    "filterExpression.ands": "And",
                    "filterExpression.ors": "Or",
                },
                tags="list:ResourceTags",
                given={"AccountId": "123456789012"},
            ),
        ),
        local="costFilters namePrefix plannedLimits timePeriodEnd timePeriodStart",
        name=Name(prefix="namePrefix"),
        kept="accountId costFilters costTypes limitAmount limitUnit timePeriodStart",
        identity=lambda making: f"{making.inputs.get('accountId') or making.account}:{making.inputs['name']}",
        outputs=_budget,
        defaults={"timePeriodEnd": "2087-06-15_00:00"},
        replaces="accountId name namePrefix",
        unordered="notifications costFilters",
        taken=("DuplicateRecordException", "Error creating budget: {name} - the budget already exists."),
        delete="budgets.DeleteBudget",
        regional=False,
    ),
    Kind(
        token=tokens.ANOMALY_MONITOR,
        label="Cost Explorer Anomaly Monitor",
        calls=(
            Call(
                operation="ce.CreateAnomalyMonitor",
                fields="name=AnomalyMonitor.MonitorName monitorType=AnomalyMonitor.MonitorType "
                "monitorDimension=AnomalyMonitor.MonitorDimension",
                tags="list:ResourceTags",
            ),
        ),
        local="monitorSpecification",
        name=Name(),
        identity=lambda making: making.arn("ce", f"anomalymonitor/{making.uuid('monitor')}", regional=False),
        outputs=lambda making: {"arn": making.identifier},
        replaces="monitorDimension monitorSpecification monitorType",
        documents="monitorSpecification",
        delete="ce.DeleteAnomalyMonitor",
        regional=False,
    ),
    Kind(
        token="aws:costexplorer/anomalySubscription:AnomalySubscription",
        label="Cost Explorer Anomaly Subscription",
        calls=(
            Call(
                operation="ce.CreateAnomalySubscription",
                fields="name=AnomalySubscription.SubscriptionName frequency=AnomalySubscription.Frequency "
                "monitorArnLists=AnomalySubscription.MonitorArnList accountId=AnomalySubscription.AccountId "
                "subscribers=AnomalySubscription.Subscribers "
                "thresholdExpression=AnomalySubscription.ThresholdExpression",
                renamed={
                    "thresholdExpression.ands": "And",
                    "thresholdExpression.ors": "Or",
                    "thresholdExpression.costCategory": "CostCategories",
                    "thresholdExpression.dimension": "Dimensions",
                },
                tags="list:ResourceTags",
            ),
        ),
        name=Name(),
        kept="accountId thresholdExpression",
        identity=lambda making: making.arn("ce", f"anomalysubscription/{making.uuid('subscription')}", regional=False),
        outputs=lambda making: {
            "accountId": making.inputs.get("accountId") or making.account,
            "arn": making.identifier,
        },
        replaces="accountId name",
        unordered="monitorArnLists subscribers",
        references=(
            Reference(
                path="monitorArnLists",
                to=tokens.ANOMALY_MONITOR,
                code="UnknownMonitorException",
                message="Unknown monitor {value}",
                holds=False,
            ),
        ),
        delete="ce.DeleteAnomalySubscription",
        regional=False,
    ),
    Kind(
        token="aws:costexplorer/costAllocationTag:CostAllocationTag",
        label="Cost Explorer Cost Allocation Tag",
        calls=(
            Call(
                operation="ce.UpdateCostAllocationTagsStatus",
                fields="tagKey=CostAllocationTagsStatus[0].TagKey status=CostAllocationTagsStatus[0].Status",
            ),
        ),
        identity=lambda making: str(making.inputs["tagKey"]),
        outputs=lambda _: {"type": "UserDefined"},
        replaces="tagKey",
        delete="ce.UpdateCostAllocationTagsStatus",
        regional=False,
    ),
)
