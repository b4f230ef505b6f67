"""A real Prometheus for a test: it scrapes what it is told, or serves samples that were made up.

Its programs are taken from PATH; where they are not there, Debian's package `prometheus` brings them into the cache,
without root and without installing anything. A machine with neither fails the tests that need them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

import httpx
from tenbin_local.toolchain.cache import Cache

from support import addresses, debian
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PROGRAMS, _SOURCE = ("prometheus", "promtool"), "debian"
_PORT = 9090


@functools.cache
def program(name: str) -> pathlib.Path:
    """Return where `prometheus` or `promtool` lies.

    Raises:
        FileNotFoundError: when it is not on PATH, and this is no Debian.
        subprocess.CalledProcessError: when Debian's archive does not have it.
    """
    if found := shutil.which(name):
        return pathlib.Path(found)
    cache = Cache()
    with cache.locked("prometheus", on_wait=lambda: None):
        if not cache.holds(name, _SOURCE):
            with tempfile.TemporaryDirectory() as folder:
                root = debian.Archive(pathlib.Path(folder)).unpack("prometheus")
                for each in _PROGRAMS:
                    cache.install(root / "usr/bin" / each, each, _SOURCE, "from Debian's package prometheus")
    return cache.program(name, _SOURCE)


@contextlib.contextmanager
def scraping(folder: pathlib.Path, jobs: Sequence[Mapping[str, Any]], *, every: str = "1s") -> Iterator[str]:
    """Run a Prometheus with these scrape jobs, and yield its address; its first scrape comes after 5 s.

    Args:
        folder: empty, for its configuration, its data and its log.
        jobs: as in its configuration file.
        every: between two scrapes.
    """
    configuration = {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": list(jobs)}
    with _running(folder, configuration) as url:
        yield url


@contextlib.contextmanager
def holding(folder: pathlib.Path, samples: str) -> Iterator[str]:
    """Run a Prometheus that scrapes nothing and has these samples, and yield its address.

    Args:
        folder: empty, for its configuration, its data and its log.
        samples: in the OpenMetrics text format, each with its time, the series of a family together, without `# EOF`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples").write_text(f"{samples}# EOF\n")
    command = ["tsdb", "create-blocks-from", "openmetrics", folder / "samples", folder / "data"]
    done = subprocess.run([program("promtool"), *command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    with _running(folder, {}) as url:
        yield url


def ask(url: str, query: str, *, at: float | None = None) -> list[dict[str, Any]]:
    """Return the result of an instant query, of now or of a moment in seconds since the epoch.

    Raises:
        AssertionError: when Prometheus refuses it.
    """
    moment = {} if at is None else {"time": str(at)}
    answer = httpx.post(f"{url}/api/v1/query", data={"query": query, **moment}, timeout=30).json()
    assert answer["status"] == "success", answer
    return list(answer["data"]["result"])


@contextlib.contextmanager
def _running(folder: pathlib.Path, configuration: Mapping[str, Any]) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    url = f"http://{addresses.spare()}:{_PORT}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    log = folder / "log"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            until(lambda: process.poll() is not None or _is_ready(url))
            assert process.poll() is None, log.read_text()
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).is_success
    except httpx.HTTPError:
        return False
