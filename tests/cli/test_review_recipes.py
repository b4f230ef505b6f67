"""Recipes for review: valid, pinned, and what needs no cloud runs as it is written."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).parents[2]
GITHUB = ROOT / ".github" / "workflows" / "review.yaml"
GITLAB = ROOT / "examples" / "review" / "gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
FAKE_UV = f"""#!/bin/sh
[ "$1" = run ] || exit 9
shift
[ "$1" = tenbin ] || exit 9
shift
exec {shlex.quote(sys.executable)} -m tenbin_cli "$@"
"""
FAKE_GH = f"""#!{sys.executable}
import json, os, pathlib, sys
calls, words = pathlib.Path("calls.jsonl"), sys.argv[1:]
files = [pathlib.Path(word.removeprefix("body=@")) for word in words if word.startswith("body=@")]
body = files[0].read_text() if files else None
with calls.open("a") as stream:
    stream.write(json.dumps({{"words": words, "body": body}}) + "\\n")
if "--jq" in words and os.environ.get("COMMENT"):
    print(os.environ["COMMENT"])
"""


def read(path: pathlib.Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def steps(job: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a job of the workflow that have a name."""
    return {step["name"]: step for step in read(GITHUB)["jobs"][job]["steps"] if "name" in step}


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a repository whose stacks cost more than those of its branch `main`, with stand-ins for uv and gh."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("uv", FAKE_UV), ("gh", FAKE_GH)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "stacks", repository / "stacks")
    shutil.copy(ROOT / "Pulumi.yaml", repository)
    prod = repository / "stacks" / "Pulumi.prod.yaml"
    limits = '  tenbin:review:\n    approval:\n      monthly_usd: "100.00"\nencryptionsalt'
    prod.write_text(prod.read_text().replace("encryptionsalt", limits))
    for words in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "."],
        ["-c", "user.name=test", "-c", "user.email=test", "commit", "--quiet", "--message", "Begin"],
    ):
        subprocess.run(["git", *words], cwd=repository, check=True)
    prod.write_text(prod.read_text().replace("min: 2\n        max: 16", "min: 4\n        max: 16"))
    return repository


def run(script: str, place: pathlib.Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as GitHub does, with the stand-ins first on the PATH."""
    environment = {
        **os.environ,
        "PATH": f"{place.parent / 'tools'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
        "GITHUB_OUTPUT": str(place / "output"),
        "GITHUB_REPOSITORY": "example/models",
        **variables,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_every_action_is_pinned_by_commit_with_its_version() -> None:
    used = [line.strip().removeprefix("- ") for line in GITHUB.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


def test_no_job_has_more_rights_than_it_needs() -> None:
    workflow = read(GITHUB)
    assert workflow["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions", {}) for name, job in workflow["jobs"].items()}
    assert [name for name, given in rights.items() if given.get("id-token") == "write"] == ["preview", "up"]
    assert all(given.get("contents", "read") == "read" for given in rights.values())
    assert workflow["jobs"]["up"]["environment"] == "${{ matrix.stack }}"
    assert "refs/heads/main" in workflow["jobs"]["up"]["if"]


def test_recipes_name_the_stacks_that_a_cloud_has() -> None:
    on_aws = sorted(
        path.name.split(".")[1]
        for path in (ROOT / "stacks").glob("Pulumi.*.yaml")
        if "kind: eks" in path.read_text(encoding="utf-8")
    )
    for job in ("preview", "up"):
        assert sorted(read(GITHUB)["jobs"][job]["strategy"]["matrix"]["stack"]) == on_aws
    [matrix] = read(GITLAB)[".pulumi"]["parallel"]["matrix"]
    assert sorted(matrix["STACK"]) == on_aws


def test_every_preview_and_up_is_held_against_the_policies_at_the_levels_of_the_stack() -> None:
    assert (ROOT / "policies" / "PulumiPolicy.yaml").is_file()
    for job in ("preview", "up"):
        *_, pulumi = read(GITHUB)["jobs"][job]["steps"]
        assert pulumi["with"]["policyPacks"] == "policies"
        [command] = read(GITLAB)[job]["script"]
        for stack in read(GITHUB)["jobs"][job]["strategy"]["matrix"]["stack"]:
            levels = pulumi["with"]["policyPackConfigs"].replace("${{ matrix.stack }}", stack)
            assert (ROOT / levels).is_file()
            assert f'--policy-pack policies --policy-pack-config "{levels.replace(stack, "$STACK")}"' in command


@pytest.mark.timeout(180)
def test_the_steps_of_the_workflow_run_as_written(checkout: pathlib.Path) -> None:
    assert run(steps("check")["Check the stacks"]["run"], checkout).returncode == 0
    diff, edit, stop = steps("cost").values()
    done = run(diff["run"], checkout, BASE="main", APPROVED="")
    assert done.returncode == 0, done.stderr
    assert (checkout / "output").read_text() == "status=1\n"
    comment = (checkout / "summary.md").read_text()
    assert comment == (checkout / "cost.md").read_text()
    assert "chat: minimum raised from 2 to 4 replicas" in comment
    assert run(stop["run"], checkout, STATUS="1").returncode == 1

    for found, method, place in (
        ("", "POST", "repos/example/models/issues/7/comments"),
        ("42", "PATCH", "comments/42"),
    ):
        (checkout / "calls.jsonl").unlink(missing_ok=True)
        done = run(edit["run"], checkout, NUMBER="7", COMMENT=found)
        assert done.returncode == 0, done.stderr
        asked, written = map(json.loads, (checkout / "calls.jsonl").read_text().splitlines())
        marker = asked["words"][asked["words"].index("--jq") + 1]
        assert json.dumps(comment.splitlines()[0]) in marker
        assert written["words"][written["words"].index("--method") + 1] == method
        assert any(word.endswith(place) for word in written["words"])
        assert written["body"] == comment

    (checkout / "output").unlink()
    assert run(diff["run"], checkout, BASE="main", APPROVED="--approved").returncode == 0
    assert (checkout / "output").read_text() == "status=0\n"


@pytest.mark.timeout(180)
def test_the_job_of_gitlab_runs_as_written(checkout: pathlib.Path) -> None:
    subprocess.run(["git", "remote", "add", "origin", "."], cwd=checkout, check=True)
    script = "\n".join(read(GITLAB)["cost"]["script"])
    target = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "TENBIN_COMMENT_TOKEN": ""}
    done = run(script, checkout, **target, CI_MERGE_REQUEST_LABELS="other")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("<!-- tenbin cost diff -->")
    assert run(script, checkout, **target, CI_MERGE_REQUEST_LABELS="other,cost-approved").returncode == 0
    assert '"<!-- tenbin cost diff -->"' in script


def test_the_hook_of_pre_commit_checks_the_stacks() -> None:
    [hook] = read(HOOKS)
    assert hook["language"] == "system"
    assert re.search(hook["files"], "stacks/Pulumi.prod.yaml")
    assert not re.search(hook["files"], "Pulumi.yaml")
    program, *words = shlex.split(hook["entry"])
    assert program == "tenbin"
    done = subprocess.run([sys.executable, "-m", "tenbin_cli", *words], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout
