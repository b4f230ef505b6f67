"""Wheels of this checkout, and environments with nothing else of it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from tenbin_local.toolchain import cache

ROOT = pathlib.Path(__file__).parents[2]


def program() -> str:
    """Return the path of uv: on PATH, or in the cache; skip the test where there is none."""
    own = cache.cache_root() / "uv" / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        pytest.skip("uv is neither on PATH nor in the cache")
    return found


def uv(*arguments: str) -> str:
    """Run uv in the checkout and return what it prints; fail the test when it fails."""
    variables = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [program(), *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def build(folder: pathlib.Path) -> pathlib.Path:
    """Build the wheels of all packages into a folder and return it."""
    uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(folder))
    return folder


def empty_environment(folder: pathlib.Path) -> pathlib.Path:
    """Make a virtual environment with nothing in it and return its interpreter."""
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    return folder / "bin" / "python"
