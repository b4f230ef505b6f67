"""The cache: filled in one step, by one process at a time, and cleaned of what building left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain.cache import Cache, cache_root

if TYPE_CHECKING:
    from pathlib import Path

HOLD_LOCK = """
import sys
from pathlib import Path
from tenbin_local.toolchain.cache import Cache
with Cache(Path(sys.argv[1])).locked("fetch", on_wait=lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_program_is_installed_executable_with_its_source(cache: Cache, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.write_bytes(b"balance")
    target = cache.install(built, "balance", "3.1.4", "built from Go modules")
    assert cache.holds("balance", "3.1.4")
    assert target == cache.root / "toolchain/balance/3.1.4/balance"
    assert sorted(path.name for path in target.parent.iterdir()) == ["balance", "source.json"]
    assert json.loads((target.parent / "source.json").read_text()) == {
        "way": "built from Go modules",
        "sha256": "5751e048eb6fee3eb9bb4ea70f107f19c35863766bee5100044e52ab60d9edcf",
    }


def test_a_failed_installation_leaves_no_program(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cache.install(tmp_path / "nothing", "balance", "3.1.4", "by hand")
    assert not cache.holds("balance", "3.1.4")


def test_cleaning_removes_read_only_modules_and_keeps_programs(cache: Cache, tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.write_bytes(b"balance")
    cache.install(built, "balance", "3.1.4", "by hand")
    module = cache.build / "gomod" / "example.org@v1"
    module.mkdir(parents=True)
    (module / "source.go").write_bytes(b"x" * 1000)
    module.chmod(0o555)
    module.parent.chmod(0o555)
    assert cache.clean() >= 1000
    assert not cache.build.exists()
    assert cache.holds("balance", "3.1.4")
    assert cache.clean() == 0


def test_the_lock_waits_for_its_holder_and_is_free_when_the_holder_dies(cache: Cache) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, cache.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        told: list[str] = []

        def end_holder() -> None:
            told.append("waiting")
            holder.kill()

        with cache.locked("fetch", on_wait=end_holder):
            assert told == ["waiting"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(ToolchainError) as caught, Cache(blocker / "cache").locked("fetch", on_wait=lambda: None):
        pass
    assert str(caught.value) == (
        f"The cache {blocker / 'cache'} cannot be written: Not a directory; set TENBIN_CACHE to a folder that can"
    )


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENBIN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "tenbin"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_root() == tmp_path / "shared" / "tenbin"
    monkeypatch.setenv("TENBIN_CACHE", os.fspath(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
