"""The table image to local command."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local import images

TABLE = images.known_images()


@pytest.mark.parametrize(
    "reference",
    [
        "envoyproxy/envoy",
        "envoyproxy/envoy:v1.40.0",
        "docker.io/envoyproxy/envoy:v1.40.0@sha256:" + "a" * 64,
        "index.docker.io/envoyproxy/envoy@sha256:" + "a" * 64,
    ],
)
def test_registry_tag_and_digest_of_a_known_image_do_not_matter(reference: str) -> None:
    image = images.find_image(reference, TABLE)
    assert image is TABLE["envoyproxy/envoy"]
    assert image.entrypoint[0].endswith("/envoy")


def test_a_port_of_a_registry_is_no_tag() -> None:
    assert images.repository("localhost:5000/tenbin/planner:1") == "localhost:5000/tenbin/planner"
    assert images.find_image("localhost:5000/tenbin/planner:1", TABLE) is None


@given(st.sampled_from(sorted(TABLE)), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
def test_every_known_repository_is_found_under_every_tag(repository: str, tag: str) -> None:
    assert images.find_image(f"docker.io/{repository}:{tag}", TABLE) is TABLE[repository]


def test_arguments_follow_the_entrypoint_and_a_command_replaces_it() -> None:
    planner = TABLE["tenbin/planner"]
    entry = [sys.executable, "-P", "-m", "tenbin_planner"]
    assert planner.argv((), ["picker", "--x"]) == [*entry, "picker", "--x"]
    assert planner.argv(["tenbin-planner", "run"], ["--x"]) == [*entry, "run", "--x"]
    assert planner.argv(["sh", "-c"], ["true"]) == ["sh", "-c", "true"]
