"""Component `CostGuard`."""

from typing import TypedDict

import pulumi
import pulumi_aws as aws

from tenbin import parsing, resources
from tenbin._layout import cost_guard as layout
from tenbin._layout.tags import Tags
from tenbin.shapes import CostCapConfig, GuardConfig


class CostGuardArgs(TypedDict):
    """Arguments of `CostGuard`."""

    cost: CostCapConfig
    """What the stack may cost."""
    guard: GuardConfig
    """Who hears when it costs more, and when."""
    owner: str
    """Who pays: a tag of every resource."""


class CostGuard(pulumi.ComponentResource):
    """A budget of the stack's cost cap and a monitor of unusual cost, over all that carries the stack's tag.

    The planner holds the hourly cap; this is the second pair of eyes, on the bill itself, hours to a day later. AWS
    divides a bill by tags once they are activated for cost allocation, and counts nothing from before.
    """

    budget_name: pulumi.Output[str]
    """The budget."""
    monitor_arn: pulumi.Output[str]
    """The monitor of anomalies."""

    def __init__(self, name: str, args: CostGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        parsed = parsing.arguments(args, parsing.GuardArguments, component=f"CostGuard {name}")
        super().__init__("tenbin:index:CostGuard", name, parsed.model_dump(mode="json", exclude_none=True), opts)
        stack, guard, child = pulumi.get_stack(), parsed.guard, resources.child_options(self, opts)
        tags = Tags(stack=stack, owner=parsed.owner, part="cost")
        budget = aws.budgets.Budget(
            name, **layout.budget(cap=parsed.cost, guard=guard, stack=stack), tags=tags.of(), opts=child
        )
        monitor = aws.costexplorer.AnomalyMonitor(name, **layout.monitor(stack), tags=tags.of(), opts=child)
        for kind, subscription in layout.subscriptions(guard, stack).items():
            aws.costexplorer.AnomalySubscription(
                f"{name}-{kind}", **subscription, monitor_arn_lists=[monitor.arn], tags=tags.of(), opts=child
            )
        if guard.activate_tags:
            # Other stacks of the account have the same tags, and a deletion would take them from their bills.
            kept = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(retain_on_delete=True))
            for key in layout.ALLOCATION_TAGS:
                last = key.rpartition("/")[2]
                aws.costexplorer.CostAllocationTag(f"{name}-{last}", tag_key=key, status="Active", opts=kept)
        self.budget_name, self.monitor_arn = budget.name, monitor.arn
        self.register_outputs({"budget_name": self.budget_name, "monitor_arn": self.monitor_arn})
