"""The release workflow: of the shape that GitHub reads, with nothing in it that moves under its name."""

from __future__ import annotations

import importlib.resources
import json
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).parents[2]
PATH = ROOT / ".github" / "workflows" / "release.yaml"
TEXT = PATH.read_text(encoding="utf-8")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGET = re.compile(r"^([a-z-]+)(?: [a-z -]+)?:", re.MULTILINE)


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    plain: dict[str, Any] = YAML(typ="safe", pure=True).load(TEXT)
    return plain


def steps(workflow: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in workflow["jobs"].items():
        for step in job["steps"]:
            yield name, step


def test_workflow_has_the_shape_that_github_reads(workflow: dict[str, Any]) -> None:
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/github-workflows.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(workflow)


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    used = re.findall(r"uses: (.*)", TEXT)
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []
    versions: dict[str, set[str]] = {}
    for line in used:
        versions.setdefault(line.partition("@")[0], set()).add(line)
    assert {name: lines for name, lines in versions.items() if len(lines) > 1} == {}


def test_every_command_is_a_target_of_the_makefile_or_the_release_itself(workflow: dict[str, Any]) -> None:
    targets = {name for line in TARGET.finditer((ROOT / "Makefile").read_text()) for name in line[0][:-1].split()}
    commands = [shlex.split(step["run"]) for _, step in steps(workflow) if "run" in step]
    made = [words for words in commands if words[0] == "make"]
    assert [words[1] for words in made] == ["check", "test", "wheels"]
    assert {words[1] for words in made} <= targets
    assert [words[:3] for words in commands if words not in made] == [["gh", "release", "create"]]


def test_no_expression_is_put_into_a_shell(workflow: dict[str, Any]) -> None:
    assert [step["run"] for _, step in steps(workflow) if "${{" in step.get("run", "")] == []


def test_rights_are_given_job_by_job_and_no_secret_is_kept_beside_githubs_own(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    writes = {
        name: sorted(right for right, kind in job["permissions"].items() if kind == "write")
        for name, job in workflow["jobs"].items()
    }
    assert writes == {
        "packages": ["attestations", "id-token"],
        "image": ["attestations", "id-token", "packages"],
        "index": ["id-token"],
        "notes": ["contents"],
    }
    assert set(re.findall(r"secrets\.(\w+)", TEXT)) == {"GITHUB_TOKEN"}


def test_the_image_is_built_from_the_containerfile_with_materials_provenance_and_a_digest(
    workflow: dict[str, Any],
) -> None:
    [build] = [step for _, step in steps(workflow) if step.get("id") == "build"]
    given = build["with"]
    assert (ROOT / given["file"]).is_file()
    assert (given["sbom"], given["provenance"], given["push"]) == (True, "mode=max", True)
    attested = [step["with"] for _, step in steps(workflow) if "attest-build-provenance" in step.get("uses", "")]
    assert [sorted(item) for item in attested] == [
        ["subject-path"],
        ["push-to-registry", "subject-digest", "subject-name"],
    ]
    assert workflow["jobs"]["image"]["outputs"]["digest"] == "${{ steps.build.outputs.digest }}"


def test_nothing_is_published_before_everything_is_built_and_tested(workflow: dict[str, Any]) -> None:
    needs = {name: job.get("needs", []) for name, job in workflow["jobs"].items()}
    assert needs == {
        "packages": [],
        "image": "packages",
        "index": ["packages", "image"],
        "notes": ["image", "index"],
    }
