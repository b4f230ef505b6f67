"""Stacks of the checkout in the environment's backend: created once, without touching the committed files."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest
from tenbin_local.environment import commands, stacks
from tenbin_local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenbin_local.environment.layout import Layout
    from tenbin_local.toolchain import Toolchain

SALT = "encryptionsalt: v1:vrfsJTnBEsk=:v1:axbn1bM3tp5kSP0t:Zr1CGxzRfV1eaj4QqDzyBsMwNWGxzw==\n"
CONFIG = '# A comment.\nconfig:\n  tenbin:cost: {hourly_usd: "30.00"}\n\n'


@pytest.fixture
def variables(place: Layout, tools: Toolchain) -> Mapping[str, str]:
    for name in ("dev", "prod"):
        (place.stacks / f"Pulumi.{name}.yaml").write_text(CONFIG + SALT)
    place.root.mkdir(parents=True)
    commands.prepare(place, tools)
    return commands.variables(place, tools, "dev")


def pulumi(place: Layout, variables: Mapping[str, str], *arguments: str) -> str:
    answer = subprocess.run(
        ["pulumi", *arguments], cwd=place.checkout, env=dict(variables), capture_output=True, text=True, check=True
    )
    return answer.stdout


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_each_stack_is_created_once_and_its_file_stays_as_it_is(place: Layout, variables: Mapping[str, str]) -> None:
    before = digests(place.stacks)
    assert stacks.create_missing(place, variables) == ["dev", "prod"]
    assert stacks.create_missing(place, variables) == []
    listed = json.loads(pulumi(place, variables, "stack", "ls", "--json"))
    assert [stack["name"] for stack in listed] == ["dev", "prod"]
    assert digests(place.stacks) == before
    assert list(place.root.glob(".init.*")) == []


def test_a_command_without_a_stack_means_the_environments_own(place: Layout, variables: Mapping[str, str]) -> None:
    stacks.create_missing(place, variables)
    assert pulumi(place, variables, "stack", "--show-name") == "dev\n"


def test_the_users_own_pulumi_settings_have_no_effect(
    place: Layout, tools: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-theirs")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://theirs.example.org")
    own = commands.variables(place, tools, "dev")
    assert "PULUMI_ACCESS_TOKEN" not in own
    assert own["PULUMI_BACKEND_URL"] == f"file://{place.pulumi_state}"
    assert own["KUBECONFIG"] == str(place.kubeconfig)
    assert own["PATH"].split(":")[0] == str(place.bin)


def test_a_stack_without_a_file_is_named_with_those_that_have_one(place: Layout) -> None:
    (place.stacks / "Pulumi.dev.yaml").write_text(CONFIG)
    with pytest.raises(LocalError) as caught:
        stacks.stack_configuration(place, "def")
    assert str(caught.value) == (
        f"There is no stack 'def': {place.stacks / 'Pulumi.def.yaml'} is missing. Stacks here: dev"
    )


def lock(place: Layout, pid: int) -> Path:
    path = place.pulumi_state / ".pulumi" / "locks" / "organization" / "tenbin" / "dev" / "1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "username": "somebody"}))
    return path


def test_the_lock_of_a_dead_pulumi_is_removed(place: Layout) -> None:
    dead = max(psutil.pids()) + 100_000
    path = lock(place, dead)
    stacks.release_dead_locks(place)
    assert not path.exists()


def test_the_lock_of_a_running_pulumi_is_respected(place: Layout, tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as running:
        path = lock(place, running.pid)
        with pytest.raises(LocalError) as caught:
            stacks.release_dead_locks(place)
        running.kill()
    assert str(caught.value) == (
        f"Pulumi (process {running.pid}) is at work on this environment's stack; wait for it, or end it"
    )
    assert path.exists()
