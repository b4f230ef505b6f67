"""Programs that are on PATH already, in a supported version."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tenbin_local.toolchain.releases import Release, Version

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


def find(release: Release) -> dict[str, Path] | None:
    """Return where the release's programs lie when all of them are on PATH in one supported version, else None.

    A program that is a script counts when it lies on PATH or beside the release's first program.
    """
    found: dict[str, Path] = {}
    for program in release.programs:
        place = shutil.which(program)
        if place is None and program in release.module_files and found:
            beside = next(iter(found.values())).resolve().parent / program
            place = str(beside) if beside.exists() else None
        if place is None:
            return None
        found[program] = Path(place)
    versions = {_version(found[program], release) for program in release.packages}
    if len(versions) != 1:
        return None
    version = versions.pop()
    return found if version is not None and release.oldest <= version <= release.newest else None


def _version(program: Path, release: Release) -> Version | None:
    try:
        answer = subprocess.run(
            [program, *release.version_arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else None
