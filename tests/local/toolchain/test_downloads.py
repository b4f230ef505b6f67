"""Official downloads: taken when they are the published files, else refused, or left when they are not there."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest
from support import addresses
from support.releases import SCRIPT, Site, release
from tenbin_local.errors import ToolchainError
from tenbin_local.toolchain.downloads import OFFLINE_VARIABLE, Downloader, Unavailable

if TYPE_CHECKING:
    from pathlib import Path


class Silent:
    """A step that nobody watches."""

    def note(self, text: str) -> None: ...

    def total_bytes(self, count: int) -> None: ...

    def received(self, count: int) -> None: ...


STEP = Silent()


def test_a_program_comes_out_of_a_published_archive(site: Site, tmp_path: Path) -> None:
    programs = Downloader().fetch(site.publish(), tmp_path, STEP)
    assert programs["balance"].read_bytes() == SCRIPT


def test_a_file_that_is_the_program_itself_is_taken_with_a_bare_checksum(site: Site, tmp_path: Path) -> None:
    published = site.publish()
    site.files |= {"balance": SCRIPT, "balance.sha256": hashlib.sha256(SCRIPT).hexdigest().encode()}
    plain = dataclasses.replace(
        published.downloads[0],
        url=f"{site.url}/balance",
        checksums_url=f"{site.url}/balance.sha256",
        members={"balance": ""},
    )
    programs = Downloader().fetch(dataclasses.replace(published, downloads=(plain,)), tmp_path, STEP)
    assert programs["balance"].read_bytes() == SCRIPT


def test_a_file_with_another_checksum_is_refused(site: Site, tmp_path: Path) -> None:
    published = site.publish(checksum="1" * 64)
    actual = hashlib.sha256(site.files["balance.tar.gz"]).hexdigest()
    with pytest.raises(ToolchainError) as caught:
        Downloader().fetch(published, tmp_path, STEP)
    assert str(caught.value) == (
        f"{site.url}/balance.tar.gz is not the file that was published: its SHA-256 is {actual}, "
        f"{site.url}/SHA256SUMS says {'1' * 64}"
    )


def test_an_archive_without_the_program_is_refused(site: Site, tmp_path: Path) -> None:
    site.publish()
    with pytest.raises(ToolchainError) as caught:
        Downloader().fetch(release(site.url, member="elsewhere/balance"), tmp_path, STEP)
    assert str(caught.value) == f"{site.url}/balance.tar.gz does not hold elsewhere/balance"


def test_a_file_that_is_not_there_is_no_error_but_an_answer(site: Site, tmp_path: Path) -> None:
    published = site.publish()
    del site.files["balance.tar.gz"]
    with pytest.raises(Unavailable) as caught:
        Downloader().fetch(published, tmp_path, STEP)
    assert str(caught.value) == f"{site.url}/balance.tar.gz answered 404"


def test_a_list_of_checksums_without_the_file_is_no_permission_to_take_it(site: Site, tmp_path: Path) -> None:
    published = site.publish()
    site.files["SHA256SUMS"] = b"<html>Please log in</html>"
    with pytest.raises(Unavailable) as caught:
        Downloader().fetch(published, tmp_path, STEP)
    assert str(caught.value) == f"{site.url}/SHA256SUMS has no SHA-256 of balance.tar.gz"
    assert site.asked == ["SHA256SUMS"]


def test_an_unreachable_host_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloader = Downloader()
    with addresses.refusing() as (host, port):
        unreachable = release(f"http://{host}:{port}")
        with pytest.raises(Unavailable) as caught:
            downloader.fetch(unreachable, tmp_path, STEP)
    assert str(caught.value) == f"{host}:{port} cannot be reached"
    monkeypatch.setattr("httpx.Client.get", lambda *_: pytest.fail("the host was asked again"))
    with pytest.raises(Unavailable):
        downloader.fetch(unreachable, tmp_path, STEP)


def test_nothing_is_asked_for_offline(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    with pytest.raises(Unavailable) as caught:
        Downloader().fetch(site.publish(), tmp_path, STEP)
    assert str(caught.value) == f"{OFFLINE_VARIABLE} is set"
    assert site.asked == []
