"""Who hears when a bill leaves what was agreed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from tenbin_spec.quantities import Frozen, Text, Usd

Email = Annotated[
    str,
    Text(r"[^@\s,;<>]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "an e-mail address", "ml-platform@example.com"),
]
"""An address that mail is sent to."""

TopicArn = Annotated[
    str,
    Text(
        r"arn:aws(-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}",
        "the ARN of a standard SNS topic",
        "arn:aws:sns:us-east-1:111122223333:cost-alerts",
    ),
]
"""A topic; budgets and anomaly alarms know no FIFO topics."""

_Percent = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Percents = Annotated[tuple[_Percent, ...], Field(max_length=5)]
"""Five of what is spent and five of what is forecast: a budget on AWS has ten notifications at most."""


class Guard(Frozen):
    """Who hears of a bill on AWS that leaves the cost cap or its own habits, and when; nobody is told when empty."""

    emails: Annotated[tuple[Email, ...], Field(max_length=10)] = ()
    """Addresses that are told; of anomalies once a day."""
    sns_topic: TopicArn | None = None
    """Topic that is told, of anomalies at once; its policy must let AWS Budgets and Cost Anomaly Detection publish."""
    spent_percent: _Percents = (50, 80, 100)
    """Shares of the month's cap that are told once they are spent."""
    forecast_percent: _Percents = (100,)
    """Shares of the month's cap that are told once the month is expected to reach them."""
    anomaly_usd: Usd = Decimal(100)
    """Unexpected cost in all from which an anomaly is told."""
    activate_tags: Annotated[bool, Field(strict=True)] = False
    """Activate the stack's tags for cost allocation: from the account that pays, and not before they are on a bill."""

    @property
    def is_set(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.emails or self.sns_topic)

    @model_validator(mode="after")
    def _tells_somebody(self) -> Self:
        changed = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if changed and not self.is_set:
            raise ValueError("names nobody who is told. Allowed: emails, sns_topic or both")
        return self

    @model_validator(mode="after")
    def _tells_once(self) -> Self:
        for field in ("emails", "spent_percent", "forecast_percent"):
            values = getattr(self, field)
            repeated = sorted({str(value) for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"{field} names more than once: {', '.join(repeated)}")
        return self
