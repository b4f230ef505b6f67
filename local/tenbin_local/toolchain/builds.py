"""Programs built from Go modules whose checksums are pinned in `wrappers/*/go.sum`.

`go get` and `go install` of a package at a version probe sub-paths that a module proxy may refuse; a go.mod with
written requirements asks for nothing but what is needed. `-mod=readonly` refuses any module that go.sum does not pin.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.releases import Release
from tenbin_local.toolchain.reporting import Step

WRAPPERS = Path(__file__).parent / "wrappers"
_TAIL_LINES = 15
_FREE_BYTES = 9_000_000_000
"""Modules (2.3 GB), build cache (4.2 GB), programs and what linking needs."""


def build(release: Release, go: Path, cache: Cache, folder: Path, step: Step) -> dict[str, Path]:
    """Build a release's programs into `folder` and return where each lies.

    Raises:
        ToolchainError: the disk is too small, or Go fails; the message has the end of its log and where the log lies.
    """
    cache.build.mkdir(parents=True, exist_ok=True)
    _check_disk(cache)
    module = folder / "module"
    shutil.copytree(WRAPPERS / release.wrapper, module)
    log = cache.build / f"{release.name}.log"
    log.write_bytes(b"")
    environment = _environment(cache)
    out = folder / "out"
    out.mkdir()
    # Given a folder, Go names each program after its package; a single one may need another name than its package has.
    target = out if len(release.packages) > 1 else out / next(iter(release.packages))
    command: list[str | Path] = [
        go,
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        release.link_flags,
        "-o",
        target,
    ]
    _run([*command, *release.packages.values()], module, environment, log, step)
    programs = {program: out / program for program in release.packages}
    return programs | _module_files(release, go, module, environment, log)


def _check_disk(cache: Cache) -> None:
    free = shutil.disk_usage(cache.build).free
    if free < _FREE_BYTES and not any(cache.build.glob("gocache/*")):
        raise ToolchainError(
            f"Building the tools needs {_FREE_BYTES / 1e9:.0f} GB for a while, and {cache.build} has "
            f"{free / 1e9:.1f} GB free; make room, or set TENBIN_CACHE to a folder on a larger disk"
        )


def _environment(cache: Cache) -> dict[str, str]:
    """Return the environment of a build: the user's proxy and checksum settings count, what changes the result not."""
    kept = {key: value for key, value in os.environ.items() if key not in {"GOFLAGS", "GOROOT", "GOOS", "GOARCH"}}
    return kept | {
        "GOMODCACHE": str(cache.build / "gomod"),
        "GOCACHE": str(cache.build / "gocache"),
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }


def _run(command: Sequence[str | Path], module: Path, environment: Mapping[str, str], log: Path, step: Step) -> None:
    """Run Go with its output in the log, showing how far it is; end it when this process is interrupted."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            cwd=module,
            env=environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            step.note(_stage(log))
            time.sleep(0.5)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
        raise ToolchainError(f"The build failed. The end of its log, {log}:\n{tail}")


def _stage(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    fetched = sum(line.startswith("go: downloading") for line in lines)
    compiled = len(lines) - fetched
    return f"{compiled} packages compiled" if compiled else f"{fetched} modules fetched"


def _module_files(
    release: Release, go: Path, module: Path, environment: Mapping[str, str], log: Path
) -> dict[str, Path]:
    programs = {}
    for program, (path, member) in release.module_files.items():
        command: list[str | Path] = [go, "mod", "download", "-json", path]
        answer = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise ToolchainError(f"{path} cannot be fetched ({log}): {answer.stdout}{answer.stderr}".strip())
        programs[program] = Path(json.loads(answer.stdout)["Dir"]) / member
    return programs
