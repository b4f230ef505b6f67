"""Money: caps, prices, and how much of a fleet may be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec import catalogue, contract, cost
from tenbin_spec.checks import FindingId
from tenbin_spec.pools import CapacityType
from tenbin_spec.quantities import HOURS_A_MONTH, money_text

from tenbin_policies import agreement, workloads
from tenbin_policies.agreement import Agreement, Promise
from tenbin_policies.rules import (
    Level,
    Resource,
    Rule,
    Settings,
    Severity,
    Stack,
    Violation,
    decimal,
    finops,
    integer,
)

_CAP = "tenbin:cost.hourly_usd"
_GROUP, _POOL = "aws:eks/nodeGroup:NodeGroup", "kubernetes:karpenter.sh/v1:NodePool"
_MADE_BY_TENBIN = "tenbin:index:AcceleratorPool"


def _priced(agreed: Agreement, _settings: Settings) -> Iterator[Violation]:
    return agreement.found(agreed, FindingId.PRICE_UNKNOWN)


def _minimum(agreed: Agreement, _settings: Settings) -> Iterator[Violation]:
    yield from agreement.found(agreed, FindingId.CAP_BELOW_MINIMUM)
    hourly, monthly = cost.stack_range(agreed.stack).minimum, agreed.stack.cost.monthly_usd
    if hourly is not None and monthly is not None and hourly * HOURS_A_MONTH > monthly:
        least = money_text(hourly * HOURS_A_MONTH)
        message = f"tenbin:cost.monthly_usd: {money_text(monthly)} is below the {least} USD of the minimum replicas"
        yield Violation(message=message)


def _maximum(agreed: Agreement, _settings: Settings) -> Iterator[Violation]:
    """Add up what the nodes cost that the stack may make; those of an existing cluster are somebody else's."""
    if agreed.stack.cluster.kind != "eks":
        return
    prices = {name: catalogue.node_price(pool) for name, pool in agreed.stack.pools.items()}
    known = {
        name: price * agreed.stack.pools[name].nodes.max for name, price in sorted(prices.items()) if price is not None
    }
    total, cap = sum(known.values(), Decimal(0)), agreed.stack.cost.hourly_usd
    if total > cap:
        parts = ", ".join(f"{name} {money_text(amount)}" for name, amount in known.items())
        yield Violation(message=f"{_CAP}: all nodes cost {money_text(total)} USD per hour ({parts}), the cap is {cap}")


def _ceiling(agreed: Agreement, settings: Settings) -> Iterator[Violation]:
    for key in ("hourly_usd", "monthly_usd"):
        cap, most = getattr(agreed.stack.cost, key), settings[key]
        if most and cap is not None and cap > Decimal(most):
            message = (
                f"tenbin:cost.{key}: {money_text(cap)} USD is above the {money_text(Decimal(most))} of this environment"
            )
            yield Violation(message=message)


def _watched(agreed: Agreement, _settings: Settings) -> Iterator[Violation]:
    if agreed.stack.cluster.kind == "eks" and not agreed.stack.guard.is_set:
        yield Violation(message="tenbin:guard: nobody is told when the bill leaves the cap")


def _floor(promise: Promise, settings: Settings) -> Iterator[Violation]:
    capacity = {promise.stack.pools[name].capacity_type for name in promise.service.pools}
    own, least = promise.service.replicas.on_demand_min, settings["replicas"]
    if CapacityType.SPOT in capacity and own < least:
        place = f"tenbin:services.{promise.name}.replicas.on_demand_min"
        yield Violation(message=f"{place}: {own} replicas stay when spot nodes are taken back, {least} are needed")


def _acts(agreed: Agreement, _settings: Settings) -> Iterator[Violation]:
    if not agreed.stack.planner.enabled:
        yield Violation(message="tenbin:planner.enabled: the planner is switched off")
    elif agreed.stack.planner.dry_run:
        yield Violation(message="tenbin:planner.dry_run: the planner decides and changes nothing")


def _sleeps(promise: Promise, _settings: Settings) -> Iterator[Violation]:
    least = promise.service.replicas.min
    if least:
        place = f"tenbin:services.{promise.name}.replicas.min"
        yield Violation(message=f"{place}: {least} replicas run though nobody asks")


def _pools(stack: Stack) -> Iterator[tuple[Resource, Stack]]:
    # The node groups and NodePools of a component carry its own name: it is judged once.
    own = stack.of([_MADE_BY_TENBIN])
    names = {item.properties.text("name") for item in own}
    yield from ((pool, stack) for pool in own)
    for pool in stack.of([_GROUP, _POOL]):
        if _name(pool) and _name(pool) not in names:
            yield pool, stack


def _name(pool: Resource) -> str:
    if pool.type == _MADE_BY_TENBIN:
        return pool.properties.text("name")
    place = ("spec", "template", "metadata", "labels") if pool.type == _POOL else ("labels",)
    return pool.properties.text(*place, contract.LABEL_POOL)


def _used(part: tuple[Resource, Stack], _settings: Settings) -> Iterator[Violation]:
    pool, stack = part
    name = _name(pool)
    for workload in stack.of(workloads.KINDS):
        for pod in workloads.pods(workload):
            if pod.spec.text("nodeSelector", contract.LABEL_POOL) == name:
                return
    yield Violation(message=f"nothing selects pool {name}", resource=pool)


RULES = (
    Rule(
        id="price-known",
        wish="Every pool has a price",
        why="An unknown price is not 0: without it no cap holds and no fleet is the cheapest.",
        repair="Ask AWS with tenbin prices refresh, or write the price of one node as hourly_usd",
        severity=Severity.HIGH,
        standards=(finops("Planning & Estimating"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_priced,
        before="l40s-spot: {instance_type: g6e.2xlarge, capacity_type: spot}",
        after='l40s-spot: {instance_type: g6e.2xlarge, capacity_type: spot, hourly_usd: "1.05"}',
    ),
    Rule(
        id="cap-covers-minimum",
        wish="The cap pays for the minimum",
        why="A cap below the minimum is an agreement that is broken on its first hour, one way or the other.",
        repair="Raise the cap or lower the minimum",
        severity=Severity.CRITICAL,
        standards=(finops("Budgeting"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_minimum,
        before='cost: {hourly_usd: "1.00"}\nservices: {chat: {replicas: {min: 8}}}',
        after='cost: {hourly_usd: "20.00"}\nservices: {chat: {replicas: {min: 8}}}',
    ),
    Rule(
        id="pools-within-cap",
        wish="All nodes that a stack may make stay within its hourly cap",
        why="A planner keeps its plans within the cap, but nodes also come for pods that somebody else makes: "
        "the sum of "
        "the largest sizes is what a fault can spend.",
        repair="Lower nodes.max of a pool, or raise the cap in the same review",
        severity=Severity.HIGH,
        standards=(finops("Budgeting", "Forecasting"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_maximum,
        before='pools: {l40s: {nodes: {max: 20}}}\ncost: {hourly_usd: "30.00"}',
        after='pools: {l40s: {nodes: {max: 12}}}\ncost: {hourly_usd: "30.00"}',
    ),
    Rule(
        id="cap-within-ceiling",
        wish="Caps stay below the ceiling of the environment",
        why="A cap is one line of the same file as what it caps: who raises one can raise the other.",
        repair="Lower the cap, or have the ceiling raised by who answers for the budget",
        severity=Severity.HIGH,
        standards=(finops("Budgeting"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_ceiling,
        settings={
            "hourly_usd": decimal("", "Highest hourly cap, in USD; none when empty"),
            "monthly_usd": decimal("", "Highest monthly cap, in USD; none when empty"),
        },
        before='cost: {hourly_usd: "500.00"}',
        after='cost: {hourly_usd: "140.00"}',
    ),
    Rule(
        id="bill-watched",
        wish="Somebody hears when a bill leaves the cap",
        why="A planner keeps the cap by prices that it knows; what AWS really charges is known to AWS alone.",
        repair="Name emails or an sns_topic under tenbin:guard",
        severity=Severity.HIGH,
        standards=(finops("Budgeting", "Anomaly Management"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_watched,
        before="tenbin:guard: {}",
        after="tenbin:guard: {emails: [ml-platform@example.com]}",
    ),
    Rule(
        id="spot-floor",
        wish="A service keeps replicas when all spot nodes are taken back",
        why="Spot nodes of one type go together, within two minutes, and new replicas take longer.",
        repair="Give the service a pool of another capacity type and set replicas.on_demand_min",
        severity=Severity.HIGH,
        standards=(finops("Rate Optimization"),),
        kinds=agreement.KINDS,
        parts=agreement.promises,
        check=_floor,
        settings={"replicas": integer(1, "Replicas that must never run on spot nodes")},
        before="pools: [l40s-spot]\nreplicas: {min: 2, max: 8}",
        after="pools: [l40s, l40s-spot]\nreplicas: {min: 2, max: 8, on_demand_min: 1}",
    ),
    Rule(
        id="planner-acts",
        wish="The planner is on and acts",
        why="A planner that was put into dry run for an afternoon holds no SLO and saves nothing.",
        repair="Set enabled: true and dry_run: false under tenbin:planner",
        severity=Severity.HIGH,
        standards=(finops("Workload Optimization"),),
        kinds=agreement.KINDS,
        parts=agreement.agreements,
        check=_acts,
        before="tenbin:planner: {dry_run: true}",
        after="tenbin:planner: {dry_run: false}",
    ),
    Rule(
        id="scales-to-zero",
        wish="Services cost nothing while nobody asks",
        why="A test environment is used for an hour a day; accelerators that wait for it cost the other twenty-three.",
        repair="Set replicas.min: 0",
        severity=Severity.MEDIUM,
        level=Level.DISABLED,
        standards=(finops("Usage Optimization"),),
        kinds=agreement.KINDS,
        parts=agreement.promises,
        check=_sleeps,
        before="replicas: {min: 1, max: 2}",
        after="replicas: {min: 0, max: 2}",
    ),
    Rule(
        id="pool-used",
        wish="Every pool has a workload",
        why="A pool that nothing selects is money, or a trap for the next who reads the stack.",
        repair="Name it among the pools of a service, or remove it",
        severity=Severity.MEDIUM,
        standards=(finops("Usage Optimization"),),
        kinds=None,
        parts=_pools,
        check=_used,
        before="pools: {l40s: {...}, h100-old: {...}}\nservices: {chat: {pools: [l40s]}}",
        after="pools: {l40s: {...}}\nservices: {chat: {pools: [l40s]}}",
    ),
)
