"""A real browser without a window: it opens pages, says what went wrong on them, and takes pictures.

Chromium is taken from PATH; where it is not there, Debian's package `chromium-headless-shell` brings it into the cache:
100 MB once, and the libraries that the machine lacks. Where that is not to be had either, the tests that need it skip.
It is driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest
from tenbin_local.toolchain.cache import Cache

from support import debian
from support.waiting import PATIENCE_S, until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NAMES = ("chromium", "google-chrome", "chromium-headless-shell")
_PACKAGE, _FONT = "chromium-headless-shell", "fonts-ipafont-gothic"
_BINARY = pathlib.Path("usr/lib/chromium/chromium-headless-shell")
_LIBRARIES = pathlib.Path("usr/lib/x86_64-linux-gnu")
_MOST_MESSAGE = 64 * 2**20
_LOUD = {"error", "warning", "assert"}


@functools.cache
def root() -> pathlib.Path:
    """Return the folder that a Japanese font lies in, and Debian's browser where PATH has none, as below `/`.

    Raises:
        FileNotFoundError: when this is no Debian.
        subprocess.CalledProcessError: when its archive does not have them.
    """
    cache, is_there = Cache(), _on_path() is not None
    target = cache.root / "toolchain" / ("browser-font" if is_there else "browser")
    with cache.locked("browser", on_wait=lambda: None):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                archive = debian.Archive(pathlib.Path(folder))
                found = archive.unpack(_FONT)
                if not is_there:
                    archive.unpack(_PACKAGE, "chromium-common", *archive.missing_libraries(_PACKAGE))
                found.rename(target)
    return target


def _on_path() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def _found() -> pathlib.Path:
    """Return `root`; any folder where PATH has a browser and the font is not to be had: boxes stand for glyphs then."""
    try:
        return root()
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if _on_path():
            return pathlib.Path(tempfile.gettempdir())
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else ""
        pytest.skip(f"no browser: Chromium is not on PATH, and not to be had from Debian's packages: {error} {said}")


class Page:
    """A tab with one page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.problems: list[str] = []
        """What the browser reported: errors and warnings of scripts, and what could not be loaded."""

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the DevTools protocol for this page."""
        return await self._browser.ask(method, session=self._session, **parameters)

    async def evaluate(self, script: str) -> Any:
        """Return the value of an expression of JavaScript, once it is there.

        Raises:
            AssertionError: when it throws.
        """
        found = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def text(self) -> str:
        """Return the text as it is shown."""
        return str(await self.evaluate("document.body.innerText"))

    async def show(self, *, scheme: str = "light", width: int = 1280, height: int = 900) -> None:
        """Set what the reader prefers, `light` or `dark`, and the window, in pixels."""
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self) -> bytes:
        """Return a picture of the whole page, as PNG."""
        found = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def printed(self) -> bytes:
        """Return a PDF of the page on the paper that it asks for, A4 where it asks for none, with backgrounds."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        found = await self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True, **paper)
        return base64.b64decode(found["data"])

    def take_note(self, method: str, said: dict[str, Any]) -> None:
        """Take note of an event."""
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in _LOUD:
            self.problems.append(json.dumps(said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in _LOUD:
            self.problems.append(json.dumps(said["entry"]))


@dataclasses.dataclass(kw_only=True)
class Browser:
    """A browser that runs."""

    socket: aiohttp.ClientWebSocketResponse
    _answers: dict[int, asyncio.Future[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    _pages: dict[str, Page] = dataclasses.field(default_factory=dict)
    _reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    async def open(self, url: str, **shown: Any) -> Page:
        """Open a page in a tab of its own; `shown` as of `Page.show`."""
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.ask(f"{domain}.enable")
        await page.show(**shown)
        begun = await page.ask("Page.navigate", url=url)
        assert "errorText" not in begun, begun
        await until_async(
            lambda: page.evaluate("document.readyState === 'complete' && location.href !== 'about:blank'")
        )
        return page

    async def ask(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call the DevTools protocol."""
        number = len(self._answers) + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send_json(message if session is None else {**message, "sessionId": session})
        async with asyncio.timeout(PATIENCE_S):
            said = await answer
        assert "error" not in said, f"{method}: {said['error']}"
        result: dict[str, Any] = said["result"]
        return result

    async def _read(self) -> None:
        async for message in self.socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers[said["id"]].set_result(said)
            elif page := self._pages.get(said.get("sessionId", "")):
                page.take_note(said["method"], said["params"])


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Browser]:
    """Run a browser; skips the test where there is none, and says why."""
    own = await asyncio.to_thread(_found)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            _on_path() or own / _BINARY,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            *("--remote-debugging-port=0", f"--user-data-dir={home}/profile"),
            env={
                **os.environ,
                "HOME": home,
                "TMPDIR": home,
                "XDG_DATA_HOME": str(own / "usr/share"),
                "LD_LIBRARY_PATH": str(own / _LIBRARIES),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            place = pathlib.Path(home) / "profile/DevToolsActivePort"
            await until_async(
                lambda: process.returncode is not None or (place.exists() and place.read_text().count("\n"))
            )
            assert process.returncode is None, f"the browser ended with {process.returncode}"
            port, path = place.read_text().split()
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=_MOST_MESSAGE) as socket,
                Browser(socket=socket) as browser,
            ):
                yield browser
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
