"""Runs one rule on one subject: what breaks it, what is exempt, and what cannot be judged yet."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from tenbin_policies import exemptions, view
from tenbin_policies.rules import Level, Resource, Rule, Stack, Violation
from tenbin_policies.settings import Configuration


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that a rule says of a resource, in words."""

    rule: str
    message: str
    resource: Resource | None
    """None for the stack as a whole."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judgement:
    """What came of a rule on a subject."""

    violations: tuple[Notice, ...] = ()
    exempted: tuple[Notice, ...] = ()
    """Violations that an exemption covers."""
    unjudged: tuple[Notice, ...] = ()
    """Places that are not known before the update: the message is the place."""


def judge(rule: Rule, subject: Resource | Stack, configuration: Configuration, today: datetime.date) -> Judgement:
    """Judge a subject by a rule.

    Args:
        rule: the rule; it is one for this kind of subject.
        subject: a resource of one of the rule's kinds, or the whole stack.
        configuration: of the rule.
        today: day on which exemptions are judged.
    """
    own = subject if isinstance(subject, Resource) else None
    violations, unjudged = _find(rule, subject, configuration)
    broken, exempted = [], []
    for item in violations:
        resource = item.resource or own
        message = f"{exemptions.STACK if resource is None else resource.label}: {item.message}"
        standing = exemptions.standing(configuration.exemptions, resource, today)
        if standing.holds:
            exempted.append(Notice(rule=rule.id, message=f"{message}; {standing.exemption}", resource=resource))
            continue
        expired = "" if standing.exemption is None else f" Its exemption ended on {standing.exemption.expires}."
        broken.append(Notice(rule=rule.id, message=f"{message}. {rule.repair}.{expired}", resource=resource))
    return Judgement(
        violations=tuple(broken),
        exempted=tuple(exempted),
        unjudged=tuple(Notice(rule=rule.id, message=place, resource=resource or own) for place, resource in unjudged),
    )


def judge_all(
    rules: Iterable[Rule],
    resources: Sequence[Resource],
    configurations: Mapping[str, Configuration],
    today: datetime.date,
) -> Judgement:
    """Judge resources, each by itself and all together, by every rule that is not disabled."""
    stack, found = Stack(resources=tuple(resources)), []
    for rule in rules:
        configuration = configurations[rule.id]
        if configuration.level is Level.DISABLED:
            continue
        kinds = rule.kinds
        subjects = (stack,) if kinds is None else tuple(item for item in resources if item.type in kinds)
        found += [judge(rule, subject, configuration, today) for subject in subjects]
    return Judgement(
        violations=tuple(notice for item in found for notice in item.violations),
        exempted=tuple(notice for item in found for notice in item.exempted),
        unjudged=tuple(notice for item in found for notice in item.unjudged),
    )


def _find(
    rule: Rule, subject: Resource | Stack, configuration: Configuration
) -> tuple[list[Violation], list[tuple[str, Resource | None]]]:
    """Return the violations, and the unknown places with the resource that each is of."""
    violations: list[Violation] = []
    unjudged: list[tuple[str, Resource | None]] = []
    parts: Iterator[Any] = _begun(rule, subject)
    while True:
        part: Any = subject
        try:
            part = next(parts)
            for violation in rule.check(part, configuration.settings):
                violations.append(violation)  # noqa: PERF402 what was found before an unknown value counts
        except StopIteration:
            return violations, unjudged
        except UnknownValueError as error:
            unjudged.append((view.path_of(error), _owner(part)))
        except view.ShapeError as error:
            violations.append(Violation(message=f"{error}, so that it cannot be judged", resource=_owner(part)))


def _begun(rule: Rule, subject: Resource | Stack) -> Iterator[Any]:
    """Yield the parts, so that what is raised before the first one is raised when it is asked for."""
    yield from rule.parts(subject)


def _owner(part: object) -> Resource | None:
    """Return the resource that a part is of, or begins with."""
    if isinstance(part, Resource):
        return part
    if isinstance(part, Iterable) and not isinstance(part, str):
        return next((item for item in part if isinstance(item, Resource)), None)
    found = getattr(part, "resource", None)
    return found if isinstance(found, Resource) else None
