"""What a rule of the AWS stand-in says of a case; `?` in a case stands for a value that is not known yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenbin_local.plugins import properties
from tenbin_local.plugins.aws import changes, kinds, rules
from tenbin_local.plugins.aws.rules.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "eu-west-1"


def judge(name: str, case: Mapping[str, Any]) -> list[str]:
    """Return the problems of a case, each as `path: reason`; the path of the whole is `resource`.

    Args:
        name: the rule.
        case: `given` inputs, `there` outputs by type token and id, `old` inputs, and the `token` where the rule is
            about several types.
    """
    rule = rules.ALL[name]
    token = case.get("token") or next(iter(rule.tokens))
    assert token in rule.tokens
    there = case.get("there") or {}

    def find(kind: str, value: str, by: str = "id") -> dict[str, Any] | None:
        for identifier, outputs in there.get(kind, {}).items():
            known = {"id": identifier, **outputs}
            if known.get(by) == value:
                return known
        return None

    given = _known(case["given"])
    view = View(
        inputs=changes.merged(kinds.of(token).defaults, given),
        given=given,
        old=case.get("old") or {},
        region=REGION,
        find=find,
        others=lambda kind: [{"id": key, **outputs} for key, outputs in there.get(kind, {}).items()],
    )
    return [f"{problem.path or 'resource'}: {problem.reason}" for problem in rules.judged(rule, view)]


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    return properties.UNKNOWN if value == "?" else value
