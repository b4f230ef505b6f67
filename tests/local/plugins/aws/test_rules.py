"""Each rule of AWS on cases that it allows and cases that it denies."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import aws_rules
from tenbin_local.plugins.aws import rules

FILES = sorted((pathlib.Path(__file__).parent / "rules").glob("*.yaml"))


def _read() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in FILES:
        found |= YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return found


CASES = _read()


def _cases(side: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}-{index}")
        for name, sides in CASES.items()
        for index, case in enumerate(sides[side])
    ]


def test_every_rule_has_a_case_each_way() -> None:
    assert set(CASES) == set(rules.ALL)
    assert [name for name, sides in CASES.items() if not sides["allowed"] or not sides["denied"]] == []


def test_every_rule_names_its_source() -> None:
    assert [rule.name for rule in rules.ALL.values() if "/" not in rule.source] == []


@pytest.mark.parametrize(("name", "case"), _cases("allowed"))
def test_what_aws_allows_is_allowed(name: str, case: dict[str, Any]) -> None:
    assert aws_rules.judge(name, case) == []


@pytest.mark.parametrize(("name", "case"), _cases("denied"))
def test_what_aws_denies_is_denied(name: str, case: dict[str, Any]) -> None:
    assert aws_rules.judge(name, case) == case["problems"]


def _with_unknown(value: Any) -> Iterator[Any]:
    """The value with each of its leaves and branches unknown in turn."""
    yield "?"
    if isinstance(value, dict):
        steps: Any = value.items()
    else:
        steps = enumerate(value) if isinstance(value, list) else ()
    for key, item in steps:
        for changed in _with_unknown(item):
            copied = copy.copy(value)
            copied[key] = changed
            yield copied


@pytest.mark.parametrize(("name", "case"), _cases("allowed"))
def test_what_is_not_known_yet_is_no_problem(name: str, case: dict[str, Any]) -> None:
    for given in _with_unknown(case["given"]):
        if given != "?":
            assert aws_rules.judge(name, {**case, "given": given}) == [], given


@pytest.mark.parametrize("wrong", ["text", 7, True, [], ["text"], {}, {"a": "b"}, [{"a": ["b"]}]], ids=str)
def test_a_value_of_another_type_is_a_problem_and_no_crash(wrong: Any) -> None:
    for name, sides in CASES.items():
        for case in sides["allowed"]:
            for key in case["given"]:
                changed = {**case, "given": {**case["given"], key: wrong}}
                assert all(isinstance(one, str) for one in aws_rules.judge(name, changed))


def test_numbers_may_be_texts() -> None:
    sizes = {"minSize": "2", "desiredSize": "10", "maxSize": "20"}
    assert aws_rules.judge("sizes-are-in-order", {"given": {"scalingConfig": sizes}}) == []


def test_sizes_have_limits() -> None:
    data = aws_rules.judge("user-data-is-base64", {"given": {"userData": "QUFB" * 5500}})
    assert data == ["userData: 16500 bytes; User data is limited to 16384 bytes"]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Sid": "x" * 2100}
    case = {"given": {"assumeRolePolicy": json.dumps({"Statement": [statement]})}}
    assert aws_rules.judge("trust-policy-names-who-is-trusted", case) == [
        "assumeRolePolicy: LimitExceeded: 2185 characters without white space; 2048 are allowed"
    ]
    tags = {"k" * 129: "a", "b": "v" * 257, **{str(index): "x" for index in range(49)}}
    case = {"token": "aws:ec2/vpc:Vpc", "given": {"tags": tags}}
    assert aws_rules.judge("tags-are-fifty-and-not-of-aws", case) == [
        "tags: 51 given; 50 are allowed",
        f'tags["{"k" * 129}"]: keys have 128 characters at most, values 256',
        'tags["b"]: keys have 128 characters at most, values 256',
    ]
