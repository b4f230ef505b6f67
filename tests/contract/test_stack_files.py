"""Stack files against the language: each is parsed by the models that the program uses."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ruamel.yaml import YAML
from tenbin_spec.checks import findings
from tenbin_spec.document import document_of, parse_document
from tenbin_spec.stack import DOMAINS, PREFIX, parse_stack

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def read(path: pathlib.Path) -> dict[str, Any]:
    plain: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return plain


def configuration(path: pathlib.Path) -> dict[str, Any]:
    return {key.removeprefix(PREFIX): value for key, value in read(path)["config"].items()}


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_stack_file_parses_without_findings(path: pathlib.Path) -> None:
    stack = parse_stack(configuration(path), path.name)
    assert findings(stack) == ()


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_document_of_a_stack_file_comes_back_as_it_was(path: pathlib.Path) -> None:
    document = document_of(parse_stack(configuration(path), path.name), path.name.split(".")[1])
    assert parse_document(document.to_json()) == document


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_stack_file_carries_a_salt_and_no_secret(path: pathlib.Path) -> None:
    assert str(read(path)["encryptionsalt"]).startswith("v1:")
    assert "secure:" not in path.read_text(encoding="utf-8")


def test_there_is_a_stack_for_the_local_environment() -> None:
    assert "Pulumi.local.yaml" in [path.name for path in FILES]


def test_project_declares_exactly_the_keys_that_the_language_reads() -> None:
    project = read(ROOT / "Pulumi.yaml")
    assert tuple(project["config"]) == DOMAINS
    required = {key for key, entry in project["config"].items() if "default" not in entry}
    assert required == {"cluster", "pools", "services", "cost"}
    assert {entry["type"] for entry in project["config"].values()} == {"object"}
