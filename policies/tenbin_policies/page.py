"""The documentation page of the pack, written from the rules themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tenbin_policies.catalogue import CONCERNS
from tenbin_policies.rules import Rule

_HEAD = """# Rules of the policy pack

Written from the rules themselves by `tenbin policy list --markdown`. How to use the pack, change levels and exempt a
resource stands in [How to](how-to.md#refuse-what-breaks-the-agreement). *Level* is production's; a rule that judges the
stack sees all of its resources at once, every other one a resource by itself.
"""


def markdown(concerns: Mapping[str, tuple[Rule, ...]] = CONCERNS) -> str:
    """Return the page: a table of all rules by concern, then each with its reason, repair, standards and example."""
    parts = [_HEAD, "\n", *_contents(concerns)]
    for concern, rules in concerns.items():
        parts.append(f"\n## {concern}\n")
        for rule in rules:
            parts += _section(rule)
    return "".join(parts)


def _contents(concerns: Mapping[str, tuple[Rule, ...]]) -> Iterator[str]:
    yield "| Rule | Wish | Severity | Level |\n|---|---|---|---|\n"
    for rules in concerns.values():
        for rule in rules:
            yield f"| [`{rule.id}`](#{rule.id}) | {rule.wish} | {rule.severity} | {rule.level} |\n"


def _section(rule: Rule) -> Iterator[str]:
    scope = "the stack" if rule.kinds is None else ", ".join(f"`{kind}`" for kind in sorted(rule.kinds))
    yield f"\n### {rule.id}\n\n{rule.wish}. {rule.why}\n\n{rule.repair}.\n\n"
    yield f"- Severity {rule.severity}, level {rule.level}\n- Judges {scope}\n"
    yield "".join(f"- {standard}\n" for standard in rule.standards)
    for name, setting in rule.settings.items():
        yield f"- Setting `{name}`: {setting.description}. Default: `{json.dumps(setting.default)}`\n"
    yield f"\n```text\n{rule.before}\n```\n\n```text\n{rule.after}\n```\n"
