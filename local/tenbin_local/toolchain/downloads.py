"""Official release files, checked against the checksums published beside them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx

from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain.releases import Download, Release
from tenbin_local.toolchain.reporting import Step

OFFLINE_VARIABLE = "TENBIN_TOOLCHAIN_OFFLINE"
"""Set to skip downloads of release files."""

# A host that cannot be reached must cost seconds, a slow one may take its time.
_TIMEOUT = httpx.Timeout(30.0, connect=3.0)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Unavailable(Exception):  # noqa: N818 - an answer that the caller acts on, no fault
    """A release file is not to be had from its official place; the message says why."""


class Downloader:
    """Fetches release files; a host found unreachable is not asked again."""

    def __init__(self) -> None:
        self._unreachable: dict[str, str] = {}

    def fetch(self, release: Release, folder: Path, step: Step) -> dict[str, Path]:
        """Download a release's programs into `folder` and return where each lies.

        Raises:
            Unavailable: the host cannot be reached, or does not have the files.
            ToolchainError: a file came and is not the one that was published.
        """
        if os.environ.get(OFFLINE_VARIABLE):
            raise Unavailable(f"{OFFLINE_VARIABLE} is set")
        programs: dict[str, Path] = {}
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            for download in release.downloads:
                name = download.url.rpartition("/")[2]
                expected = self._checksum(client, download, name)
                file = folder / name
                actual = self._stream(client, download.url, file, step)
                if actual != expected:
                    raise ToolchainError(
                        f"{download.url} is not the file that was published: its SHA-256 is {actual}, "
                        f"{download.checksums_url} says {expected}"
                    )
                programs |= _unpack(file, download, folder)
        return programs

    def _checksum(self, client: httpx.Client, download: Download, name: str) -> str:
        text = self._get(client, download.checksums_url)
        for line in text.splitlines():
            words = line.split()
            if words and _SHA256.fullmatch(words[0]) and (len(words) == 1 or words[1].lstrip("*") == name):
                return words[0]
        raise Unavailable(f"{download.checksums_url} has no SHA-256 of {name}")

    def _get(self, client: httpx.Client, url: str) -> str:
        host = self._host(url)
        try:
            return client.get(url).raise_for_status().text
        except httpx.HTTPError as error:
            raise self._unavailable(host, url, error) from error

    def _stream(self, client: httpx.Client, url: str, file: Path, step: Step) -> str:
        host = self._host(url)
        digest = hashlib.sha256()
        try:
            with client.stream("GET", url) as response, file.open("wb") as out:
                response.raise_for_status()
                step.total_bytes(int(response.headers.get("content-length", 0)))
                for chunk in response.iter_bytes(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
                    step.received(len(chunk))
        except httpx.HTTPError as error:
            raise self._unavailable(host, url, error) from error
        return digest.hexdigest()

    def _host(self, url: str) -> str:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise Unavailable(self._unreachable[host])
        return host

    def _unavailable(self, host: str, url: str, error: httpx.HTTPError) -> Unavailable:
        if isinstance(error, httpx.HTTPStatusError):
            return Unavailable(f"{url} answered {error.response.status_code}")
        self._unreachable[host] = f"{host} cannot be reached"
        return Unavailable(self._unreachable[host])


def _unpack(file: Path, download: Download, folder: Path) -> dict[str, Path]:
    programs: dict[str, Path] = {}
    for program, member in download.members.items():
        if not member:
            programs[program] = file
            continue
        try:
            with (
                tarfile.open(file) as archive,
                _member(archive, member) as source,
                (folder / program).open("wb") as out,
            ):
                shutil.copyfileobj(source, out)
        except (KeyError, tarfile.TarError) as error:
            raise ToolchainError(f"{download.url} does not hold {member}") from error
        programs[program] = folder / program
    return programs


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file
