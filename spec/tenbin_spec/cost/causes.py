"""What changes between two configurations: a chain of stacks from the one to the other, one cause a step."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from tenbin_spec import catalogue
from tenbin_spec.objectives import Objective, Slo
from tenbin_spec.pools import Pool
from tenbin_spec.problems import path_text
from tenbin_spec.quantities import money_text
from tenbin_spec.services import Service
from tenbin_spec.stack import PREFIX, Stack
from tenbin_spec.words import duration_text, percent_text
from tenbin_spec.workload import Lengths, Workload

Value = TypeVar("Value")


class CauseKind(enum.StrEnum):
    """What drives a change of money."""

    STACK_ADDED = "stack-added"
    STACK_REMOVED = "stack-removed"
    POOL_ADDED = "pool-added"
    POOL_REMOVED = "pool-removed"
    POOL_CHANGED = "pool-changed"
    """Another instance type, way of buying or volume."""
    POOL_PRICE = "pool-price"
    POOL_SIZE = "pool-size"
    SERVICE_ADDED = "service-added"
    SERVICE_REMOVED = "service-removed"
    SERVICE_CHANGED = "service-changed"
    """Another model, engine or set of pools."""
    WORKLOAD = "workload"
    REPLICAS = "replicas"
    SLO = "slo"
    SERVICE_CAP = "service-cap"
    CLUSTER = "cluster"
    STACK_CAP = "stack-cap"
    PLANNER = "planner"
    OTHER = "other"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that changes."""

    kind: CauseKind
    path: str
    """Key path in the configuration."""
    text: str
    """In words."""


Step = tuple[Cause, Stack]
"""A cause, and the stack after it and all before it."""

_POOL_PRICE = ("hourly_usd", "priced_on")
_POOL_GROUPS = (CauseKind.POOL_CHANGED, CauseKind.POOL_PRICE, CauseKind.POOL_SIZE)
_SERVICE_FIELDS = {
    "pools": CauseKind.SERVICE_CHANGED,
    "model": CauseKind.SERVICE_CHANGED,
    "engine": CauseKind.SERVICE_CHANGED,
    "workload": CauseKind.WORKLOAD,
    "replicas": CauseKind.REPLICAS,
    "slo": CauseKind.SLO,
    "cost": CauseKind.SERVICE_CAP,
    "priority": CauseKind.SERVICE_CHANGED,
}
_STACK_FIELDS = {
    "cluster": (CauseKind.CLUSTER, "the cluster changed"),
    "planner": (CauseKind.PLANNER, "the planner changed"),
    "cost": (CauseKind.STACK_CAP, ""),
}


def chain(before: Stack, after: Stack) -> Iterator[Step]:
    """Return the causes between two stacks, each with the stack that it leads to; the last one is `after`.

    What is added comes before what may refer to it, and what is removed after. The order is the same for the same
    pair: a cause that acts together with another gets what it adds to those before it.
    """
    now = before
    for cause, change in _causes(before, after):
        now = change(now)
        yield cause, now
    if now != after:
        yield Cause(kind=CauseKind.OTHER, path=PREFIX.rstrip(":"), text="other settings changed"), after


Change = tuple[Cause, Callable[[Stack], Stack]]


def _causes(before: Stack, after: Stack) -> Iterator[Change]:
    for name in sorted(after.pools.keys() - before.pools.keys()):
        cause = _cause(CauseKind.POOL_ADDED, ("pools", name), f"pool {name} added")
        yield cause, _put("pools", name, after.pools[name])
    for name in sorted(after.pools.keys() & before.pools.keys()):
        for cause, pool in _pool_steps(name, before.pools[name], after.pools[name]):
            yield cause, _put("pools", name, pool)
    yield from _service_causes(before, after)
    for name in sorted(before.pools.keys() - after.pools.keys()):
        yield _cause(CauseKind.POOL_REMOVED, ("pools", name), f"pool {name} removed"), _drop("pools", name)
    for field, (kind, text) in _STACK_FIELDS.items():
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            told = text or f"the stack's cap {_cap_words(old, new)}"
            yield _cause(kind, (field,), told), _replace({field: new})


def _service_causes(before: Stack, after: Stack) -> Iterator[Change]:
    for name in sorted(before.services.keys() - after.services.keys()):
        cause = _cause(CauseKind.SERVICE_REMOVED, ("services", name), f"service {name} removed")
        yield cause, _drop("services", name)
    for name in sorted(after.services.keys() & before.services.keys()):
        for cause, service in _service_steps(name, before.services[name], after.services[name]):
            yield cause, _put("services", name, service)
    for name in sorted(after.services.keys() - before.services.keys()):
        cause = _cause(CauseKind.SERVICE_ADDED, ("services", name), f"service {name} added")
        yield cause, _put("services", name, after.services[name])


def _pool_steps(name: str, before: Pool, after: Pool) -> Iterator[tuple[Cause, Pool]]:
    """Return the steps of a pool: how it is bought, then its price, then its size."""
    now = before
    place: tuple[str, ...] = ("pools", name)
    of_price = {field: getattr(after, field) for field in _POOL_PRICE}
    of_size = {"nodes": after.nodes}
    bought = {field: getattr(after, field) for field in Pool.model_fields if field not in {*of_price, *of_size}}
    for kind, fields in zip(_POOL_GROUPS, (bought, of_price, of_size), strict=True):
        old, now = now, now.model_copy(update=fields)
        if now == old:
            continue
        if kind is CauseKind.POOL_PRICE:
            text, path = f"price of pool {name} {_from_to(_price(old), _price(now))}", (*place, "hourly_usd")
        elif kind is CauseKind.POOL_SIZE:
            text, path = f"pool {name}: {_range_words(old.nodes, now.nodes, 'nodes')}", (*place, "nodes")
        else:
            changed = [field for field in bought if getattr(old, field) != getattr(now, field)]
            told = [f"{field} {_from_to(_value(old, field), _value(now, field))}" for field in changed]
            text, path = f"pool {name}: {', '.join(told)}", place
        yield _cause(kind, path, text), now


def _service_steps(name: str, before: Service, after: Service) -> Iterator[tuple[Cause, Service]]:
    now = before
    for field, kind in _SERVICE_FIELDS.items():
        old, new = getattr(now, field), getattr(after, field)
        if old == new:
            continue
        now = now.model_copy(update={field: new})
        yield _cause(kind, ("services", name, field), _service_words(name, field, old, new)), now


def _service_words(name: str, field: str, old: Any, new: Any) -> str:
    if field == "slo":
        return f"SLO of {name} {_slo_words(old, new)}"
    if field == "replicas":
        return f"{name}: {_range_words(old, new, 'replicas')}"
    if field == "workload":
        return f"workload of {name}: {_workload_words(old, new)}"
    if field == "cost":
        return f"cap of {name} {_cap_words(old, new)}"
    if field == "pools":
        return f"pools of {name} {_from_to(', '.join(old), ', '.join(new))}"
    if field == "model":
        return f"model of {name} {_from_to(old.id, new.id)}"
    return f"{field} of {name} changed"


def _slo_words(old: Slo, new: Slo) -> str:
    """Say what an SLO asks more or less of, class by class."""
    told, signs = list[str](), set[int]()
    for key in sorted({*old.classes, *new.classes}):
        mine, its = old.classes.get(key), new.classes.get(key)
        if mine is None or its is None:
            told.append(f"class {key} {'added' if mine is None else 'removed'}")
            signs.add(1 if mine is None else -1)
            continue
        for field, own_words in _TERMS.items():
            past, present = getattr(mine, field), getattr(its, field)
            if past != present:
                told.append(
                    f"{key} {field.removesuffix('_ms').upper() if field != 'target' else 'target'} "
                    + _from_to(own_words(past), own_words(present))
                )
                signs.add(_sign(field, past, present))
    word = "changed" if len(signs) != 1 else "tightened" if 1 in signs else "loosened"
    return f"{word}: {', '.join(told)}" if told else "changed"


_TERMS: Mapping[str, Callable[[Any], str]] = {
    "target": lambda share: percent_text(float(share)),
    **{
        field: lambda limit: "none" if limit is None else duration_text(limit)
        for field in Objective.model_fields
        if field != "target"
    },
}


def _sign(field: str, past: Any, present: Any) -> int:
    """Return 1 where a term asks for more, -1 where it asks for less."""
    if field == "target":
        return 1 if present > past else -1
    return 1 if past is None or (present is not None and present < past) else -1


def _workload_words(old: Workload, new: Workload) -> str:
    def rates(load: Workload) -> str:
        return f"{load.requests_per_second.expected:g} to {load.requests_per_second.peak:g}"

    def lengths(own: Lengths) -> str:
        return f"{own.mean}/{own.p95}"

    pairs = (
        ("requests per second", rates(old), rates(new)),
        ("input tokens", lengths(old.input_tokens), lengths(new.input_tokens)),
        ("output tokens", lengths(old.output_tokens), lengths(new.output_tokens)),
    )
    return ", ".join(f"{name} {_from_to(past, present)}" for name, past, present in pairs if past != present)


def _range_words(old: Any, new: Any, noun: str) -> str:
    """Say how a range of `min` and `max` changes, and the part of it that never runs on spot."""
    names = {"min": "minimum", "max": "maximum", "on_demand_min": "on-demand minimum"}
    told = []
    for field, name in names.items():
        past, present = getattr(old, field, None), getattr(new, field, None)
        if past is not None and present is not None and past != present:
            told.append(f"{name} {'raised' if present > past else 'lowered'} {_from_to(past, present)} {noun}")
    return ", ".join(told)


def _cap_words(old: Any, new: Any) -> str:
    def said(cap: Any) -> str:
        if cap is None:
            return "none"
        month = "" if cap.monthly_usd is None else f" and {money_text(cap.monthly_usd)} a month"
        return f"{money_text(cap.hourly_usd)} an hour{month}"

    return _from_to(said(old), said(new))


def _price(pool: Pool) -> str:
    price: Decimal | None = catalogue.node_price(pool)
    return "unknown" if price is None else money_text(price)


def _value(pool: Pool, field: str) -> str:
    value = getattr(pool, field)
    return "none" if value is None or value == () else str(value)


def _from_to(past: object, present: object) -> str:
    return f"from {past} to {present}"


def _cause(kind: CauseKind, location: tuple[str, ...], text: str) -> Cause:
    return Cause(kind=kind, path=path_text(location, PREFIX), text=text)


def _replace(fields: Mapping[str, Any]) -> Callable[[Stack], Stack]:
    return lambda stack: stack.model_copy(update=dict(fields))


def _put(domain: str, name: str, value: Any) -> Callable[[Stack], Stack]:
    def put(stack: Stack) -> Stack:
        return stack.model_copy(update={domain: {**getattr(stack, domain), name: value}})

    return put


def _drop(domain: str, name: str) -> Callable[[Stack], Stack]:
    def drop(stack: Stack) -> Stack:
        kept = {key: value for key, value in getattr(stack, domain).items() if key != name}
        return stack.model_copy(update={domain: kept})

    return drop
