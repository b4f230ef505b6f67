"""Simulated engines as processes of their own, so that a client and its server share no event loop."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def running(profile: str, *flags: str) -> Iterator[str]:
    """Run an engine with a profile, a name or a file, while the block lasts, and give its URL."""
    command = [sys.executable, "-m", "tenbin_local.engine", "m", "--profile", profile, "--port", "0", *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
        assert match, line
        yield match[1]
    finally:
        process.kill()
        process.communicate()
