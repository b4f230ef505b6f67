"""A web server that publishes releases, a cache, and a screen."""

from __future__ import annotations

import dataclasses
import http.server
import io
import threading
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from support.releases import Site
from tenbin_local.toolchain.cache import Cache
from tenbin_local.toolchain.reporting import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site() -> Iterator[Site]:
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            asked.append(name)
            content = files.get(name)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Site(url=f"http://127.0.0.1:{server.server_port}", files=files, asked=asked)
        server.shutdown()
        thread.join()


@dataclasses.dataclass
class Screen:
    """What a person sees."""

    report: Report
    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def screen() -> Screen:
    stream = io.StringIO()
    return Screen(Report(Console(file=stream, width=200)), stream)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder without programs the whole PATH, and return it."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder
