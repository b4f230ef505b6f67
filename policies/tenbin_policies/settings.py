"""The configuration of a rule: its settings over their defaults, and its exemptions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic
from tenbin_spec.problems import ConfigurationError, Problem, not_one_of, problems_of, unknown_key_message
from tenbin_spec.quantities import Frozen

from tenbin_policies.exemptions import Exemption
from tenbin_policies.rules import Level, Rule, Settings

LEVEL = "enforcementLevel"
"""Key by which a configuration sets the level of a rule; the engine's own, as is `all`."""
ALL = "all"
_EXEMPTIONS = "exemptions"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration:
    """What holds for a rule."""

    level: Level
    settings: Settings
    exemptions: tuple[Exemption, ...] = ()


def parse(rule: Rule, given: Mapping[str, Any], *, level: Level | None = None) -> Configuration:
    """Parse the configuration of a rule.

    Args:
        rule: whose it is.
        given: plain values by key; what is absent has its default.
        level: that holds unless the configuration says another; the rule's own when absent.

    Raises:
        ConfigurationError: with all that is wrong.
    """
    try:
        parsed = _model(rule).model_validate({key: value for key, value in given.items() if key != LEVEL})
    except pydantic.ValidationError as error:
        raise ConfigurationError(problems_of(error, _model(rule), rule.id), "policy configuration") from error
    values = {name: getattr(parsed, name) for name in rule.settings}
    own = given.get(LEVEL, level or rule.level)
    if own not in set(Level):
        problem = Problem(path=f"{rule.id}.{LEVEL}", message=not_one_of(own, Level, "a level"))
        raise ConfigurationError([problem], "policy configuration")
    return Configuration(level=Level(own), settings=values, exemptions=getattr(parsed, _EXEMPTIONS))


def parse_all(rules: Iterable[Rule], given: Mapping[str, Any]) -> dict[str, Configuration]:
    """Parse a whole configuration, as `pulumi preview --policy-pack-config` takes it; the engine ignores unknown rules.

    Args:
        rules: all rules.
        given: by the id of a rule, or `all`: a level, or a mapping of its settings.

    Raises:
        ConfigurationError: with all that is wrong in it.
    """
    known = {rule.id: rule for rule in rules}
    problems = [
        Problem(path=key, message=unknown_key_message(key, [*known, *REPORTS, ALL]))
        for key in given
        if key not in {*known, *REPORTS, ALL}
    ]
    everything = given.get(ALL)
    level = None
    if everything is not None:
        named = _mapping(everything).get(LEVEL)
        if named in set(Level):
            level = Level(str(named))
        else:
            problems.append(Problem(path=ALL, message=not_one_of(named, Level, "a level")))
    found = {}
    for rule in known.values():
        try:
            found[rule.id] = parse(rule, _mapping(given.get(rule.id, {})), level=level)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems, "policy configuration")
    return found


def schema(rule: Rule) -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each key of a rule's configuration, by which the engine refuses what is misshapen."""
    own = {
        name: {**item.schema(), "default": item.default, "description": item.description}
        for name, item in rule.settings.items()
    }
    exemption = Exemption.model_json_schema()
    items = {key: value for key, value in exemption.items() if key in {"type", "properties", "required"}}
    return {**own, _EXEMPTIONS: {"type": "array", "items": {**items, "additionalProperties": False}}}


@functools.cache
def _model_of(rule_id: str, fields: tuple[tuple[str, Any, Any], ...]) -> type[Frozen]:
    given: dict[str, Any] = {name: (annotation, default) for name, annotation, default in fields}
    given[_EXEMPTIONS] = (tuple[Exemption, ...], ())
    return pydantic.create_model(rule_id, __base__=Frozen, **given)


def _model(rule: Rule) -> type[Frozen]:
    return _model_of(rule.id, tuple((name, item.annotation, item.default) for name, item in rule.settings.items()))


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {LEVEL: given}


REPORTS = ("exemption-used", "not-judged")
"""Policies of the pack that break nothing: they tell what the rules left out."""
