"""The agreement itself: what is promised, and whether it can be kept.

A pack sees neither project nor configuration: the component `Platform` registers the parsed agreement as an input.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from collections.abc import Iterator
from decimal import Decimal

from tenbin_spec import checks
from tenbin_spec.checks import FindingId
from tenbin_spec.objectives import Objective
from tenbin_spec.placements import placements
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.quantities import window_text
from tenbin_spec.services import Service
from tenbin_spec.stack import Stack, parse_stack

from tenbin_policies.rules import (
    Resource,
    Rule,
    Settings,
    Severity,
    Standard,
    Violation,
    decimal,
    finops,
    integer,
)
from tenbin_policies.view import ShapeError

KINDS = frozenset({"tenbin:index:Platform"})
_SRE = Standard(name="Google SRE workbook", version="2018", references=("chapter 2, implementing SLOs",))
_THRESHOLDS = ("ttft_ms", "tpot_ms", "e2e_ms")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """What a stack agrees on."""

    resource: Resource
    stack: Stack
    findings: tuple[checks.Finding, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Promise:
    """One service of an agreement."""

    resource: Resource
    name: str
    service: Service
    stack: Stack


def agreements(resource: Resource) -> Iterator[Agreement]:
    """Yield the agreement that a platform registers.

    Raises:
        ShapeError: when it is none that this version of the pack can read.
    """
    plain = resource.properties.plain("agreement")
    if not isinstance(plain, dict):
        raise ShapeError("agreement", "a mapping")
    try:
        stack, findings = _parsed(json.dumps(plain, sort_keys=True))
    except ConfigurationError as error:
        raise ShapeError("agreement", f"one that this pack can read ({error.problems[0]})") from error
    yield Agreement(resource=resource, stack=stack, findings=findings)


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> tuple[Stack, tuple[checks.Finding, ...]]:
    """Parse an agreement once for all rules that judge it."""
    stack = parse_stack(json.loads(text))
    return stack, checks.findings(stack)


def promises(resource: Resource) -> Iterator[Promise]:
    """Yield the services of a platform's agreement, by name."""
    for agreement in agreements(resource):
        for name, service in sorted(agreement.stack.services.items()):
            yield Promise(resource=resource, name=name, service=service, stack=agreement.stack)


def found(agreement: Agreement, *wanted: FindingId) -> Iterator[Violation]:
    """Yield the findings of the given kinds, which `tenbin check` prints too."""
    for finding in agreement.findings:
        if finding.id in wanted:
            yield Violation(message=f"{finding.path}: {finding.message}")


def _plausible(promise: Promise, settings: Settings) -> Iterator[Violation]:
    place = f"tenbin:services.{promise.name}.slo"
    shortest = datetime.timedelta(minutes=settings["window_minutes_at_least"])
    if promise.service.slo.window < shortest:
        written = window_text(promise.service.slo.window)
        yield Violation(message=f"{place}.window: {written} is shorter than {window_text(shortest)}")
    for name, objective in sorted(promise.service.slo.classes.items()):
        yield from _plausible_class(f"{place}.classes.{name}", objective, settings)


def _plausible_class(place: str, objective: Objective, settings: Settings) -> Iterator[Violation]:
    least, most = Decimal(settings["target_at_least"]), Decimal(settings["target_at_most"])
    if not least <= objective.target <= most:
        yield Violation(message=f"{place}.target: {objective.target} is not between {least} and {most}")
    for key in _THRESHOLDS:
        value, limit = getattr(objective, key), settings[f"{key}_at_most"]
        if value is not None and value > limit:
            yield Violation(message=f"{place}.{key}: {value} ms is above the {limit} ms that a user waits")


def _feasible(agreement: Agreement, _settings: Settings) -> Iterator[Violation]:
    return found(
        agreement,
        FindingId.OBJECTIVE_INFEASIBLE,
        FindingId.MINIMUM_BEYOND_POOLS,
        FindingId.ON_DEMAND_BEYOND_POOLS,
    )


def _measured(agreement: Agreement, _settings: Settings) -> Iterator[Violation]:
    return found(agreement, FindingId.PROFILE_UNKNOWN)


def _room(promise: Promise, _settings: Settings) -> Iterator[Violation]:
    most = promise.service.replicas.max
    room = sum(item.max_replicas for item in placements(promise.stack) if item.service == promise.name)
    if most > room:
        place = f"tenbin:services.{promise.name}.replicas.max"
        yield Violation(message=f"{place}: {most} replicas are allowed, its pools hold {room}")


RULES = (
    Rule(
        id="slo-plausible",
        wish="Objectives are such that a user would notice them",
        why="An objective can be met by loosening it: a change of these numbers is a change of what users get, and "
        "belongs into review as much as a change of the bill.",
        repair="Tighten the objective, or agree on it and widen the bounds of this rule",
        severity=Severity.HIGH,
        standards=(_SRE,),
        kinds=KINDS,
        parts=promises,
        check=_plausible,
        settings={
            "target_at_least": decimal("0.9", "Smallest share of good requests"),
            "target_at_most": decimal("0.9999", "Largest share; beyond it no budget is left to change anything"),
            "ttft_ms_at_most": integer(10_000, "Longest time to first token, in milliseconds"),
            "tpot_ms_at_most": integer(
                250, "Longest time per output token, in milliseconds; people read about four a second"
            ),
            "e2e_ms_at_most": integer(600_000, "Longest end-to-end time, in milliseconds"),
            "window_minutes_at_least": integer(60, "Shortest window, in minutes"),
        },
        before='interactive: {target: "0.5", ttft_ms: 60000}',
        after='interactive: {target: "0.99", ttft_ms: 1000, tpot_ms: 60}',
    ),
    Rule(
        id="slo-feasible",
        wish="Objectives can be kept on the pools that are named",
        why="What no replica can do, no number of replicas does; and a minimum that the pools do not hold is "
        "never there.",
        repair="Loosen the threshold, choose a faster accelerator, or give the pools more nodes",
        severity=Severity.CRITICAL,
        standards=(_SRE,),
        kinds=KINDS,
        parts=agreements,
        check=_feasible,
        before="interactive: {ttft_ms: 5}",
        after="interactive: {ttft_ms: 1000}",
    ),
    Rule(
        id="profile-known",
        wish="Every pool of a service has a measured profile",
        why="The planner buys nothing where it does not know what a replica can do.",
        repair="Name a profile in engine.profile or measure one with tenbin profile measure",
        severity=Severity.HIGH,
        standards=(_SRE,),
        kinds=KINDS,
        parts=agreements,
        check=_measured,
        before="model: {id: somebody/new-model}",
        after="engine: {profile: h200-llama-3.3-70b-fp8-tp4-vllm-0.24}",
    ),
    Rule(
        id="replicas-have-nodes",
        wish="Pools hold as many replicas as a service may have",
        why="A maximum that no pool can hold is a promise to grow that is broken on the busiest day.",
        repair="Raise nodes.max of a pool, or lower replicas.max",
        severity=Severity.MEDIUM,
        standards=(finops("Forecasting"),),
        kinds=KINDS,
        parts=promises,
        check=_room,
        before="pools: {l40s: {nodes: {max: 2}}}\nservices: {chat: {replicas: {max: 16}}}",
        after="pools: {l40s: {nodes: {max: 16}}}\nservices: {chat: {replicas: {max: 16}}}",
    ),
)
