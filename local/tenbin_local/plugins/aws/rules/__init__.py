"""What AWS refuses although its models allow it: a table of rules, each with its source.

A rule is a generator of problems. It sees inputs with the defaults, and what the account has; whatever is not known yet
gives no problem.
"""

from collections.abc import Iterable

from tenbin_local.plugins.aws.problems import Problem
from tenbin_local.plugins.aws.rules import (
    clusters,
    cost,
    documents,
    events,
    launch_templates,
    network,
    node_groups,
    storage,
    tags,
)
from tenbin_local.plugins.aws.rules.view import Rule, View

_MODULES = (clusters, cost, documents, events, launch_templates, network, node_groups, storage, tags)

ALL: dict[str, Rule] = {rule.name: rule for module in _MODULES for rule in module.RULES}
"""By name."""


def broken(token: str, view: View) -> Iterable[Problem]:
    """What the rules say against a resource of a type."""
    return [problem for rule in ALL.values() if token in rule.tokens for problem in judged(rule, view)]


def judged(rule: Rule, view: View) -> list[Problem]:
    """What one rule says."""
    try:
        return list(rule.check(view))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [Problem("", f"cannot be judged by {rule.name}: an input has another type than AWS expects ({error})")]
