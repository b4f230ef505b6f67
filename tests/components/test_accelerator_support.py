"""`AcceleratorSupport`: each device plugin on the pools that need it, and on no other."""

from __future__ import annotations

from typing import Any

import tenbin
from support.registered import Registrations, register

POOLS: dict[str, Any] = {
    "l4": {"instance_type": "g6.xlarge", "nodes": {"max": 1}},
    "inferentia": {"instance_type": "inf2.xlarge", "nodes": {"max": 1}},
    "h200": {"instance_type": "p5en.48xlarge", "efa": True, "nodes": {"max": 2}, "zones": ["us-east-1b"]},
}


def support(*names: str, **images: str) -> Registrations:
    args: Any = {"pools": {name: POOLS[name] for name in names}, **images}
    return register(lambda: tenbin.AcceleratorSupport("support", args))


def nodes(found: Registrations, key: str) -> list[str]:
    affinity = pod(found, key)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    values: list[str] = affinity["nodeSelectorTerms"][0]["matchExpressions"][0]["values"]
    return values


def pod(found: Registrations, key: str) -> dict[str, Any]:
    spec: dict[str, Any] = found.one(key).inputs["spec"]["template"]["spec"]
    return spec


def test_each_plugin_runs_where_a_pool_needs_it() -> None:
    found = support(*POOLS)
    assert nodes(found, "DaemonSet::support") == ["h200", "l4"]
    assert nodes(found, "DaemonSet::support-efa") == ["h200"]
    assert found.outputs["AcceleratorSupport::support"] == {"served": ["h200", "l4"], "efa": ["h200"]}


def test_what_no_pool_needs_is_not_there() -> None:
    assert [item.key for item in support("l4").resources if "DaemonSet" in item.key] == ["DaemonSet::support"]
    assert [item.key for item in support("inferentia").resources if "DaemonSet" in item.key] == []


def test_the_plugin_of_adapters_sees_the_nodes_own_devices_and_has_no_privilege() -> None:
    spec = pod(support("h200"), "DaemonSet::support-efa")
    assert spec["hostNetwork"] is True
    assert [volume["hostPath"]["path"] for volume in spec["volumes"]] == [
        "/var/lib/kubelet/device-plugins",
        "/dev/infiniband",
    ]
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_images_come_from_a_registry_of_ones_own() -> None:
    found = support("h200", device_plugin_image="registry.example.com/a:1", efa_plugin_image="registry.example.com/b:2")
    images = [pod(found, f"DaemonSet::{name}")["containers"][0]["image"] for name in ("support", "support-efa")]
    assert images == ["registry.example.com/a:1", "registry.example.com/b:2"]
