"""Logs are found by part or pod, and read from their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tenbin_local.environment import log_files
from tenbin_local.errors import LocalError

if TYPE_CHECKING:
    from tenbin_local.environment.layout import Layout


@pytest.fixture
def written(place: Layout) -> Layout:
    place.logs.mkdir(parents=True)
    place.log("etcd").write_text("one\ntwo\nthree\n")
    for pod in ("chat-serve-l4-7d9-a", "chat-serve-l4-7d9-b"):
        folder = place.pods / f"tenbin_{pod}_uid"
        folder.mkdir(parents=True)
        (folder / "engine.log").write_text(f"{pod} serves\n")
        (folder / "engine.previous.log").write_text("an earlier run\n")
    return place


def test_the_last_lines_of_a_part(written: Layout) -> None:
    assert list(log_files.read(log_files.find(written, "etcd"), lines=2, follow=False)) == ["two", "three"]


def test_no_lines_are_no_lines(written: Layout) -> None:
    assert list(log_files.read(log_files.find(written, "etcd"), lines=0, follow=False)) == []


def test_a_pod_is_found_by_its_whole_name(written: Layout) -> None:
    paths = log_files.find(written, "chat-serve-l4-7d9-a")
    assert list(log_files.read(paths, lines=5, follow=False)) == ["chat-serve-l4-7d9-a serves"]


def test_pods_are_found_by_the_beginning_of_their_names_and_told_apart(written: Layout) -> None:
    lines = log_files.read(log_files.find(written, "chat-serve"), lines=5, follow=False)
    assert sorted(lines) == [
        "[tenbin_chat-serve-l4-7d9-a_uid/engine] chat-serve-l4-7d9-a serves",
        "[tenbin_chat-serve-l4-7d9-b_uid/engine] chat-serve-l4-7d9-b serves",
    ]


def test_following_shows_what_is_written_later(written: Layout) -> None:
    lines = log_files.read(log_files.find(written, "etcd"), lines=1, follow=True)
    assert next(lines) == "three"
    with written.log("etcd").open("a") as file:
        file.write("four\n")
    assert next(lines) == "four"
    lines.close()


def test_an_unknown_name_is_answered_with_the_known_ones(written: Layout) -> None:
    with pytest.raises(LocalError) as caught:
        log_files.find(written, "scales")
    assert str(caught.value) == (
        "There is no log of 'scales'. Logs here: etcd, chat-serve-l4-7d9-a, chat-serve-l4-7d9-b"
    )
