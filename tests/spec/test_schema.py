"""The published JSON schema agrees with the parser."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from support.stacks import plain_stack, plain_stacks
from tenbin_spec.schema import stack_file_schema

VALIDATOR = jsonschema.Draft202012Validator(stack_file_schema())


def stack_file(configuration: dict[str, Any]) -> dict[str, Any]:
    return {"config": {f"tenbin:{key}": value for key, value in configuration.items()}}


@settings(max_examples=40, deadline=None)
@given(plain_stacks())
def test_what_the_parser_takes_the_schema_takes(plain: dict[str, Any]) -> None:
    VALIDATOR.validate(stack_file(plain))


def test_keys_of_other_namespaces_are_allowed() -> None:
    file = stack_file(plain_stack())
    file["config"]["aws:region"] = "us-east-1"
    VALIDATOR.validate(file)


@pytest.mark.parametrize(
    "replacements",
    [
        {"network": {}},
        {"services__chat__slo__classes__interactive__target": 0.99},
        {"services__chat__slo__classes__interactive__ttft_ms": "1s"},
        {"services__chat__engine__kind": "vlm"},
        {"cost": {}},
        {"cost__hourly_usd": "-1"},
        {"services__chat__replicas": {"min": 1, "max": 5, "on_demand_min": -1}},
        {"services__chat__priority": 101},
    ],
    ids=[
        "unknown domain",
        "unquoted number",
        "wrong unit",
        "unknown engine",
        "missing cap",
        "negative money",
        "floor",
        "priority",
    ],
)
def test_what_the_schema_refuses(replacements: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(stack_file(plain_stack(**replacements)))
