"""Prometheus' own checker of rule files, and its own evaluation of them on made-up series."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support import prometheus

if TYPE_CHECKING:
    import pathlib


def run(*arguments: str | pathlib.Path) -> str:
    """Run promtool and return what it says.

    Raises:
        AssertionError: with its words, when it is not content.
    """
    command = [prometheus.program("promtool"), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    return said
