"""Images of a whole platform, pulled through mirrors: all of them, wherever their names come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tenbin
from support import amazon, stacks
from support.registered import register

MIRRORS = {
    "docker.io": "mirror.example.com/hub",
    "nvcr.io": "mirror.example.com/nvidia",
    "registry.k8s.io": "mirror.example.com/kubernetes",
    "public.ecr.aws": "mirror.example.com/public",
}
EKS = "602401143452.dkr.ecr.us-west-2.amazonaws.com"


def images(value: Any) -> Iterator[str]:
    """Yield the image of every container in what was registered."""
    if isinstance(value, dict):
        if "containers" in value:
            for container in [*value["containers"], *value.get("initContainers", [])]:
                yield container["image"]
        else:
            for item in value.values():
                yield from images(item)
    elif isinstance(value, list):
        for item in value:
            yield from images(item)


def pulled(**replacements: Any) -> list[str]:
    args: Any = stacks.plain_stack(images={"mirrors": MIRRORS}, **replacements)
    found = register(lambda: tenbin.Platform("platform", args))
    return sorted({image for item in found.resources for image in images(item.inputs)})


def test_every_image_of_a_platform_goes_through_the_mirrors() -> None:
    assert pulled() == [
        "mirror.example.com/hub/envoyproxy/envoy:v1.40.0",
        "mirror.example.com/hub/tenbin/picker:0.1.0",
        "mirror.example.com/hub/tenbin/planner:0.1.0",
        "mirror.example.com/hub/tenbin/simulated-engine:0.1.0",
    ]


def test_so_does_every_image_that_a_built_cluster_is_given() -> None:
    pools = {key: {**pool, "region": "eu-west-1"} for key, pool in stacks.plain_stack()["pools"].items()}
    found = pulled(cluster=amazon.plain_cluster(), pools=pools)
    assert len(found) == 6
    assert [image for image in found if not image.startswith("mirror.example.com/")] == []


def test_so_do_the_charts_and_the_image_of_karpenter() -> None:
    pools = {key: {**pool, "region": "eu-west-1"} for key, pool in stacks.plain_stack()["pools"].items()}
    cluster = amazon.plain_cluster(karpenter=True)
    args: Any = stacks.plain_stack(images={"mirrors": MIRRORS}, cluster=cluster, pools=pools)
    found = register(lambda: tenbin.Platform("platform", args)).one("Karpenter::platform-karpenter")
    assert found.inputs["registry"] == "mirror.example.com/public/karpenter"


def test_so_do_what_makes_groups_of_pods_and_the_plugin_of_adapters() -> None:
    plain = stacks.plain_stack(
        cluster=amazon.plain_cluster(), images={"mirrors": {**MIRRORS, EKS: "mirror.example.com/eks"}}
    )
    engine = {"kind": "vllm", "image": "vllm/vllm-openai:v0.24.0", "max_model_len": 8192}
    plain["services"]["chat"] |= {
        "engine": {**engine, "tensor_parallel": 16, "nodes_per_replica": 2},
        "pools": ["h100"],
    }
    plain["pools"] = {
        "h100": {
            "instance_type": "p5.48xlarge",
            "region": "eu-west-1",
            "zones": ["eu-west-1a"],
            "nodes": {"max": 2},
            "efa": True,
        }
    }
    args: Any = plain
    found = register(lambda: tenbin.Platform("platform", args))
    assert found.one("LeaderWorkerSetController::platform-groups").inputs["registry"] == (
        "mirror.example.com/kubernetes/lws"
    )
    made = {image for item in found.resources for image in images(item.inputs)}
    assert [image for image in sorted(made) if not image.startswith("mirror.example.com/")] == []
    assert "mirror.example.com/eks/eks/aws-efa-k8s-device-plugin:v0.5.20" in made


def test_an_image_that_the_configuration_names_goes_through_them_too() -> None:
    found = pulled(
        gateway={"image": f"envoyproxy/envoy@sha256:{'0' * 64}"}, planner={"image": "quay.io/acme/planner:1"}
    )
    assert f"mirror.example.com/hub/envoyproxy/envoy@sha256:{'0' * 64}" in found
    assert "quay.io/acme/planner:1" in found, "a registry without a mirror is asked itself"


def test_the_agreement_that_policies_see_names_what_is_pulled() -> None:
    args: Any = stacks.plain_stack(images={"mirrors": MIRRORS})
    agreement = register(lambda: tenbin.Platform("platform", args)).one("Platform::platform").inputs["agreement"]
    assert agreement["planner"]["image"] == "mirror.example.com/hub/tenbin/planner:0.1.0"
    assert agreement["services"]["chat"]["engine"]["image"].startswith("mirror.example.com/hub/")


@pytest.mark.parametrize("mirrors", [{}, {"quay.io": "mirror.example.com/quay"}])
def test_without_a_mirror_of_theirs_images_keep_their_names(mirrors: dict[str, str]) -> None:
    args: Any = stacks.plain_stack(images={"mirrors": mirrors})
    found = register(lambda: tenbin.Platform("platform", args))
    assert "envoyproxy/envoy:v1.40.0" in {image for item in found.resources for image in images(item.inputs)}
