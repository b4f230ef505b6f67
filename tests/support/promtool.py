"""Prometheus's own checker of rule files, and its own evaluation of them on made-up series.

It is taken from PATH; where it is not there, Debian's package `prometheus` brings it into the cache, without root and
without installing anything. A machine with neither fails the tests that need it.
"""

from __future__ import annotations

import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

from tenbin_local.toolchain.cache import Cache

_NAME, _SOURCE = "promtool", "debian"


@functools.cache
def program() -> pathlib.Path:
    """Return where promtool lies.

    Raises:
        FileNotFoundError: when it is neither on PATH nor to be had from Debian.
    """
    if found := shutil.which(_NAME):
        return pathlib.Path(found)
    cache = Cache()
    with cache.locked(_NAME, on_wait=lambda: None):
        if not cache.holds(_NAME, _SOURCE):
            if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
                raise FileNotFoundError("promtool is not on PATH, and this is no Debian: install Prometheus")
            with tempfile.TemporaryDirectory() as folder:
                package = _unpacked(pathlib.Path(folder))
                cache.install(package / "usr/bin" / _NAME, _NAME, _SOURCE, "from Debian's package prometheus")
    return cache.program(_NAME, _SOURCE)


def run(*arguments: str | pathlib.Path) -> str:
    """Run promtool and return what it says.

    Raises:
        AssertionError: with its words, when it is not content.
    """
    answer = subprocess.run([program(), *arguments], capture_output=True, text=True, check=False, timeout=60)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    return said


def _unpacked(folder: pathlib.Path) -> pathlib.Path:
    """Return a folder with the unpacked package; apt's lists and its cache lie beside it."""
    options: list[str] = []
    for name, place in (("Dir::State::lists", "lists"), ("Dir::Cache", "cache")):
        (folder / place / "partial").mkdir(parents=True)
        options += ["-o", f"{name}={folder / place}"]
    options += ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    for command in (["update"], ["download", "prometheus"]):
        subprocess.run(["apt-get", "--quiet", *options, *command], cwd=folder, check=True, capture_output=True)
    [package] = folder.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, folder / "package"], check=True, capture_output=True)
    return folder / "package"
