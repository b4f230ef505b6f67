"""A small release `balance`, as an upstream project would publish it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile

from tenbin_local.toolchain.releases import Download, Release

SCRIPT = b"#!/bin/sh\necho balance version v3.1.4\n"
MEMBER = "balance-3.1/balance"


@dataclasses.dataclass
class Site:
    """A web server on a loopback address; `files` is what it has, `asked` what was asked for."""

    url: str
    files: dict[str, bytes]
    asked: list[str]

    def publish(self, checksum: str | None = None) -> Release:
        """Publish the program, and describe its release."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            info = tarfile.TarInfo(MEMBER)
            info.size = len(SCRIPT)
            tar.addfile(info, io.BytesIO(SCRIPT))
        content = archive.getvalue()
        self.files["balance.tar.gz"] = content
        digest = checksum or hashlib.sha256(content).hexdigest()
        self.files["SHA256SUMS"] = f"{'0' * 64}  other.tar.gz\n{digest}  balance.tar.gz\n".encode()
        return release(self.url)


def release(url: str, member: str = MEMBER, wrapper: str = "balance", package: str = ".") -> Release:
    """Describe the release of `balance` that a site publishes."""
    download = Download(url=f"{url}/balance.tar.gz", checksums_url=f"{url}/SHA256SUMS", members={"balance": member})
    return Release(
        name="balance",
        version="3.1.4",
        programs=("balance",),
        version_arguments=("version",),
        oldest=(3, 1),
        newest=(3, 2),
        downloads=(download,),
        wrapper=wrapper,
        packages={"balance": package},
    )
