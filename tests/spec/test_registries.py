"""Mirrors of registries: which images go through them, and which mirrors are refused."""

from __future__ import annotations

from typing import Any

import pytest
from support import stacks
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.registries import mirrored
from tenbin_spec.stack import parse_stack

CACHE = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("envoyproxy/envoy:v1.40.0", f"{CACHE}/hub/envoyproxy/envoy:v1.40.0"),
        ("docker.io/envoyproxy/envoy:v1.40.0", f"{CACHE}/hub/envoyproxy/envoy:v1.40.0"),
        ("busybox:1.37", f"{CACHE}/hub/library/busybox:1.37"),
        (f"vllm/vllm-openai@{DIGEST}", f"{CACHE}/hub/vllm/vllm-openai@{DIGEST}"),
        ("registry.k8s.io/autoscaling/cluster-autoscaler:v1", f"{CACHE}/k8s/autoscaling/cluster-autoscaler:v1"),
        ("localhost:5000/tenbin/planner:1", f"{CACHE}/here/tenbin/planner:1"),
        ("nvcr.io/nvidia/k8s-device-plugin:v1", "nvcr.io/nvidia/k8s-device-plugin:v1"),
        ("localhost/docker.io/planner:1", "localhost/docker.io/planner:1"),
        (f"{CACHE}/hub/envoyproxy/envoy:v1", f"{CACHE}/hub/envoyproxy/envoy:v1"),
    ],
)
def test_an_image_goes_through_the_mirror_of_its_registry(image: str, pulled: str) -> None:
    mirrors = {"docker.io": f"{CACHE}/hub", "registry.k8s.io": f"{CACHE}/k8s", "localhost:5000": f"{CACHE}/here"}
    assert mirrored(image, mirrors) == pulled


def refused(images: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_stack({**stacks.plain_stack(), "images": images})
    return [str(problem) for problem in caught.value.problems]


def test_what_is_no_registry_and_what_is_no_mirror_is_named() -> None:
    registry, mirror = refused({"mirrors": {"Docker Hub": f"{CACHE}/hub", "quay.io": f"https://{CACHE}/quay"}})
    assert registry == (
        "tenbin:images.mirrors.Docker Hub: 'Docker Hub' is not the name of a registry, for example 'docker.io'"
    )
    assert mirror == (
        f"tenbin:images.mirrors.quay.io: 'https://{CACHE}/quay' is not a registry,"
        " for example 'registry.example.com/copies'"
    )


def test_a_mirror_with_a_tag_is_refused() -> None:
    [problem] = refused({"mirrors": {"docker.io": f"{CACHE}/hub:latest"}})
    assert problem.startswith(f"tenbin:images.mirrors.docker.io: '{CACHE}/hub:latest' is not a registry")


def test_a_mirror_of_a_mirror_is_refused() -> None:
    [problem] = refused({"mirrors": {"docker.io": "mirror.example.com/hub", "mirror.example.com": f"{CACHE}/hub"}})
    assert problem == (
        "tenbin:images: mirrors: that of docker.io is in mirror.example.com, which has a mirror itself."
        " Allowed: a registry without one"
    )


def test_a_misspelt_key_is_refused() -> None:
    assert refused({"mirror": {}}) == [
        "tenbin:images.mirror: unknown key; did you mean 'mirrors'? Allowed here: mirrors"
    ]
