"""Programs on PATH count when all of a release are there in one supported version."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from support.releases import release
from tenbin_local.toolchain import installed

if TYPE_CHECKING:
    from pathlib import Path

BALANCE = release("http://unused")
PAIR = dataclasses.replace(BALANCE, programs=("balance", "weight"), packages={"balance": ".", "weight": "."})
WITH_SCRIPT = dataclasses.replace(
    BALANCE, programs=("balance", "balance-exec"), module_files={"balance-exec": ("example.org/balance", "exec")}
)


def put(folder: Path, name: str, answer: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("answer", ["v3.1.0", "balance version 3.2.17", "Balance v3.1"])
def test_a_supported_version_is_taken(empty_path: Path, answer: str) -> None:
    program = put(empty_path, "balance", answer)
    assert installed.find(BALANCE) == {"balance": program}


@pytest.mark.parametrize("answer", ["v3.0.9", "v3.3.0", "v4.1.0", "", "no version at all"])
def test_another_version_is_left(empty_path: Path, answer: str) -> None:
    put(empty_path, "balance", answer)
    assert installed.find(BALANCE) is None


def test_a_program_that_fails_is_left(empty_path: Path) -> None:
    program = empty_path / "balance"
    program.write_text("#!/bin/sh\necho v3.1.0\nexit 3\n")
    program.chmod(0o755)
    assert installed.find(BALANCE) is None


def test_programs_of_two_versions_are_left(empty_path: Path) -> None:
    put(empty_path, "balance", "v3.1.0")
    put(empty_path, "weight", "v3.2.0")
    assert installed.find(PAIR) is None


def test_half_of_a_release_is_left(empty_path: Path) -> None:
    put(empty_path, "balance", "v3.1.0")
    assert installed.find(PAIR) is None


def test_a_script_is_found_beside_the_program_that_a_link_on_path_names(empty_path: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    put(home, "balance", "v3.1.0")
    script = put(home, "balance-exec", "no version needed")
    (empty_path / "balance").symlink_to(home / "balance")
    assert installed.find(WITH_SCRIPT) == {"balance": empty_path / "balance", "balance-exec": script}
