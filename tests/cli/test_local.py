"""`tenbin local`: what is wrong is told in one line, without a trace, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tenbin_local.toolchain import bootstrap

if TYPE_CHECKING:
    from pathlib import Path

needs_toolchain = pytest.mark.skipif(
    bootstrap.present() is None and not os.environ.get("CI"), reason="the toolchain is missing: make toolchain"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: tenbin\nruntime: python\n")
    return tmp_path


def tenbin(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("TENBIN_ENV", "FORCE_"))}
    return subprocess.run(
        [sys.executable, "-m", "tenbin_cli", "local", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_outside_a_checkout_nothing_is_guessed(tmp_path: Path) -> None:
    answer = tenbin(tmp_path, "status")
    assert answer.returncode == 1
    assert answer.stderr == (
        f"error: No Pulumi.yaml in {tmp_path} or above it: run this inside a checkout of the project\n"
    )


@pytest.mark.parametrize("command", [["status"], ["stop"], ["logs"], ["kill-node", "l4-0"]])
def test_an_environment_that_does_not_exist_is_named(checkout: Path, command: list[str]) -> None:
    answer = tenbin(checkout, *command, "--env", "balance")
    assert (answer.returncode, answer.stderr) == (
        1,
        f"error: There is no environment 'balance' in {checkout}: `tenbin local up --env balance` makes it\n",
    )


def test_down_of_nothing_is_well(checkout: Path) -> None:
    assert tenbin(checkout, "down").returncode == 0
    assert not (checkout / ".tenbin").exists()


def test_a_stack_file_with_problems_changes_nothing(checkout: Path) -> None:
    (checkout / "stacks" / "Pulumi.local.yaml").write_text("config:\n  tenbin:cost: {hourly_usd: 30}\n")
    answer = tenbin(checkout, "up")
    assert answer.returncode == 1
    assert "tenbin:cost.hourly_usd" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (checkout / ".tenbin").exists()


def test_a_name_that_is_no_folder_is_refused(checkout: Path) -> None:
    answer = tenbin(checkout, "up", "--env", "../elsewhere")
    assert answer.returncode == 1
    assert answer.stderr == (
        "error: '../elsewhere' cannot name an environment: allowed are up to 30 lower-case letters, digits and dashes\n"
    )


@needs_toolchain
def test_status_of_a_stopped_environment_is_not_ready_and_says_why(checkout: Path) -> None:
    made = tenbin(checkout, "exec", "--", sys.executable, "-c", "import os; print(os.environ['TENBIN_LOCAL'])")
    try:
        assert (made.returncode, made.stdout) == (0, "local\n"), made.stderr
        answer = tenbin(checkout, "status", "--json")
        assert answer.returncode == 1
        status = json.loads(answer.stdout)
        assert status["ready"] is False
        assert {process["state"] for process in status["processes"]} == {"stopped"}
        assert status["kubeconfig"] == str(checkout / ".tenbin" / "local" / "kubeconfig")
    finally:
        assert tenbin(checkout, "down").returncode == 0
    assert not (checkout / ".tenbin").exists()


@needs_toolchain
def test_a_command_that_is_not_there_is_named(checkout: Path) -> None:
    try:
        answer = tenbin(checkout, "exec", "--", "weigh-nothing")
        assert answer.stderr.endswith("error: weigh-nothing cannot be run: No such file or directory\n")
    finally:
        tenbin(checkout, "down")
