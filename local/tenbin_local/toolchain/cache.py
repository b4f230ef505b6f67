"""The cache of programs outside the repository: by version, filled atomically, one writer at a time.

<cache>/toolchain/<program>/<version>/<program>    and source.json beside it, which says how it came
<cache>/build/                                     Go's modules and build cache; may be deleted when all is there
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tenbin_local.errors import ToolchainError


def cache_root() -> Path:
    """Return the cache folder: $TENBIN_CACHE, $XDG_CACHE_HOME/tenbin or ~/.cache/tenbin."""
    if chosen := os.environ.get("TENBIN_CACHE"):
        return Path(chosen).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "tenbin"


@dataclass(frozen=True, kw_only=True)
class Source:
    """How a cached program came; kept beside it."""

    way: str
    """For people: `downloaded from ...` or `built from Go modules with ...`."""
    sha256: str


class Cache:
    """The cache folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_root()
        self.build = self.root / "build"

    def program(self, name: str, version: str) -> Path:
        """Return where a program lies once it is cached."""
        return self.root / "toolchain" / name / version / name

    def holds(self, name: str, version: str) -> bool:
        """Say whether a program is cached."""
        return os.access(self.program(name, version), os.X_OK)

    def source(self, name: str, version: str) -> str:
        """Say how a cached program came."""
        try:
            return str(json.loads((self.program(name, version).parent / "source.json").read_text())["way"])
        except (OSError, ValueError, KeyError):
            return "put there by hand"

    def install(self, built: Path, name: str, version: str, way: str) -> Path:
        """Put a program into the cache in one step: readers see all of it or nothing."""
        target = self.program(name, version)
        target.parent.mkdir(parents=True, exist_ok=True)
        with built.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        record = json.dumps(asdict(Source(way=way, sha256=digest)), indent=2) + "\n"
        _replace(target.parent / "source.json", lambda partial: partial.write_text(record))
        _replace(target, lambda partial: _copy_program(built, partial))
        return target

    @contextmanager
    def locked(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the cache's lock of a name; `on_wait` is called when another process holds it.

        The operating system drops the lock when its holder ends, however it ends.
        """
        path = self.root / "toolchain" / f".{name}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        except OSError as error:
            raise ToolchainError(
                f"The cache {self.root} cannot be written: {error.strerror}; set TENBIN_CACHE to a folder that can"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def clean(self) -> int:
        """Delete the build cache and return how many bytes that freed."""
        if not self.build.exists():
            return 0
        freed = sum(path.lstat().st_size for path in self.build.rglob("*"))
        for folder in (
            self.build,
            *(path for path in self.build.rglob("*") if path.is_dir() and not path.is_symlink()),
        ):
            # Go makes its module folders read-only.
            folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        shutil.rmtree(self.build)
        return freed


def _copy_program(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
