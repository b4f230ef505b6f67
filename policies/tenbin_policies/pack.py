"""The rules as policies of Pulumi: levels, configuration, reports. The only module that speaks with its SDK.

A preview knows the inputs of every resource, but of what a provider makes of them only what that provider can say: one
whose cluster does not exist yet says nothing. Rules over the whole stack therefore judge the inputs that the resources
were asked with before, and take from the stack what they depend on.

Two reports stand beside the rules. A violation that an exemption covers, and a place that a preview does not know yet,
break nothing; but neither passes in silence. The rules write both down, and advisory policies over the whole stack,
which the engine asks last, tell them.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterable

import pulumi_policy
from pulumi_policy import EnforcementLevel, PolicyConfigSchema, ReportViolation

from tenbin_policies import catalogue, judging, settings
from tenbin_policies.judging import Judgement, Notice
from tenbin_policies.rules import Level, Resource, Rule, Severity, Stack
from tenbin_policies.view import View

NAME = "tenbin"
DESCRIPTION = "Holds the agreement on response time and money, and keeps what serves it safe"
PAGE = "https://github.com/tenbin/tenbin/blob/main/docs/policies.md"
_LEVELS = {
    Level.MANDATORY: EnforcementLevel.MANDATORY,
    Level.ADVISORY: EnforcementLevel.ADVISORY,
    Level.DISABLED: EnforcementLevel.DISABLED,
}
_SEVERITIES = {
    Severity.LOW: pulumi_policy.Severity.LOW,
    Severity.MEDIUM: pulumi_policy.Severity.MEDIUM,
    Severity.HIGH: pulumi_policy.Severity.HIGH,
    Severity.CRITICAL: pulumi_policy.Severity.CRITICAL,
}
_EXEMPTION_USED, _NOT_JUDGED = settings.REPORTS
_SHOWN = 3

Today = Callable[[], datetime.date]


class Ledger:
    """What the rules saw, and what they left out since it was last told; the engine asks from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inputs: dict[str, View] = {}
        self._exempted: dict[Notice, None] = {}
        self._unjudged: dict[Notice, None] = {}

    def remember(self, urn: str, inputs: View) -> None:
        """Keep the inputs of a resource."""
        with self._lock:
            self._inputs[urn] = inputs

    def inputs(self, urn: str) -> View | None:
        """Return the inputs of a resource; None where it was not seen by itself."""
        with self._lock:
            return self._inputs.get(urn)

    def note(self, judgement: Judgement) -> None:
        """Write down what a judgement left out."""
        with self._lock:
            self._exempted |= dict.fromkeys(judgement.exempted)
            self._unjudged |= dict.fromkeys(judgement.unjudged)

    def take_exempted(self) -> list[Notice]:
        """Return what exemptions covered, and forget it."""
        with self._lock:
            found, self._exempted = list(self._exempted), {}
        return sorted(found, key=lambda item: (item.rule, item.message))

    def take_unjudged(self) -> list[Notice]:
        """Return what could not be judged, and forget it."""
        with self._lock:
            found, self._unjudged = list(self._unjudged), {}
        return sorted(found, key=lambda item: (item.rule, item.message, item.resource.urn if item.resource else ""))


def policies(rules: Iterable[Rule] = catalogue.RULES, today: Today | None = None) -> list[pulumi_policy.Policy]:
    """Return the rules, and the reports about them, as policies of Pulumi.

    Args:
        rules: the rules.
        today: the day on which exemptions are judged; the machine's own when absent.
    """
    ledger, day = Ledger(), today or _today
    made = [_of_stack(rule, ledger, day) if rule.judges_stack else _of_resource(rule, ledger, day) for rule in rules]
    # The engine asks in this order, so that the reports come when all rules have been asked.
    return [*made, *_reports(ledger)]


def _of_resource(rule: Rule, ledger: Ledger, today: Today) -> pulumi_policy.Policy:
    kinds = rule.kinds or frozenset()

    def validate(args: pulumi_policy.ResourceValidationArgs, report: ReportViolation) -> None:
        ledger.remember(args.urn, View(args.props))
        if args.resource_type not in kinds:
            return
        resource = Resource(
            type=args.resource_type,
            name=args.name,
            urn=args.urn,
            properties=View(args.props),
            protected=bool(args.opts.protect),
            default_tags=View(None) if args.provider is None else _default_tags(args.provider),
        )
        for notice in _judged(rule, resource, args.get_config(), ledger, today).violations:
            report(notice.message, None)

    return pulumi_policy.ResourceValidationPolicy(
        rule.id,
        f"{rule.wish}.",
        validate,
        _LEVELS[rule.level],
        _schema(rule),
        severity=_SEVERITIES[rule.severity],
        framework=_framework(rule),
        tags=_tags(rule),
        remediation_steps=f"{rule.repair}.",
        url=f"{PAGE}#{rule.id}",
    )


def _of_stack(rule: Rule, ledger: Ledger, today: Today) -> pulumi_policy.Policy:
    def validate(args: pulumi_policy.StackValidationArgs, report: ReportViolation) -> None:
        stack = Stack(resources=tuple(_resource(item, ledger.inputs(item.urn)) for item in args.resources))
        for notice in _judged(rule, stack, args.get_config(), ledger, today).violations:
            report(notice.message, notice.resource.urn if notice.resource else None)

    return pulumi_policy.StackValidationPolicy(
        rule.id,
        f"{rule.wish}.",
        validate,
        _LEVELS[rule.level],
        _schema(rule),
        severity=_SEVERITIES[rule.severity],
        framework=_framework(rule),
        tags=_tags(rule),
        remediation_steps=f"{rule.repair}.",
        url=f"{PAGE}#{rule.id}",
    )


def _judged(rule: Rule, subject: Resource | Stack, config: object, ledger: Ledger, today: Today) -> Judgement:
    judgement = judging.judge(rule, subject, settings.parse(rule, config), today())  # type: ignore[arg-type]
    ledger.note(judgement)
    return judgement


def _resource(item: pulumi_policy.PolicyResource, inputs: View | None) -> Resource:
    return Resource(
        type=item.resource_type,
        name=item.name,
        urn=item.urn,
        properties=inputs or View(item.props),
        protected=bool(item.opts.protect),
        dependencies=tuple(sorted(found.urn for found in item.dependencies)),
    )


def _default_tags(provider: pulumi_policy.PolicyProviderResource) -> View:
    return View(provider.props).at("defaultTags", "tags")


def _schema(rule: Rule) -> PolicyConfigSchema:
    return PolicyConfigSchema(settings.schema(rule))


def _framework(rule: Rule) -> pulumi_policy.PolicyComplianceFramework:
    first = rule.standards[0]
    return pulumi_policy.PolicyComplianceFramework(
        name=first.name, version=first.version, reference=", ".join(first.references)
    )


def _tags(rule: Rule) -> list[str]:
    return [str(standard) for standard in rule.standards]


def _reports(ledger: Ledger) -> list[pulumi_policy.Policy]:
    def exemptions(_args: pulumi_policy.StackValidationArgs, report: ReportViolation) -> None:
        for notice in ledger.take_exempted():
            report(f"{notice.rule}: {notice.message}.", notice.resource.urn if notice.resource else None)

    def unjudged(_args: pulumi_policy.StackValidationArgs, report: ReportViolation) -> None:
        for text in unjudged_texts(ledger.take_unjudged()):
            report(text, None)

    return [
        pulumi_policy.StackValidationPolicy(
            _EXEMPTION_USED, "Exemptions that were used.", exemptions, EnforcementLevel.ADVISORY
        ),
        pulumi_policy.StackValidationPolicy(
            _NOT_JUDGED, "What a preview does not know yet; the update judges it.", unjudged, EnforcementLevel.ADVISORY
        ),
    ]


def unjudged_texts(notices: Iterable[Notice]) -> list[str]:
    """Return a line for each rule and place, with the resources whose place it is."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for notice in notices:
        label = "the stack" if notice.resource is None else notice.resource.label
        own = grouped.setdefault((notice.rule, notice.message), [])
        if label not in own:
            own.append(label)
    return [
        f"{rule} cannot be judged in preview: {place} is unknown of {_few(own)}"
        for (rule, place), own in grouped.items()
    ]


def _few(labels: list[str]) -> str:
    more = len(labels) - _SHOWN
    return ", ".join(labels[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()
