"""Every pod of a platform against the Pod Security Standard `restricted` and the CIS benchmark for workloads."""

from __future__ import annotations

from typing import Any

import pytest
import tenbin
from support import stacks
from support.registered import register

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""Kinds of volumes that `restricted` allows."""


def pods() -> dict[str, dict[str, Any]]:
    args: Any = stacks.plain_stack(
        services__chat__model={"id": "a/b", "credentials": {"secret": "hf-token", "key": "token"}},
        gateway={"replicas": 2},
    )
    found = register(lambda: tenbin.Platform("platform", args))
    return {
        item.name: item.inputs["spec"]["template"]["spec"]
        for item in found.resources
        if item.type == "kubernetes:apps/v1:Deployment"
    }


PODS = pods()


@pytest.mark.parametrize("name", sorted(PODS))
def test_pod_is_restricted(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= VOLUMES
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not [port for port in container["ports"] if "hostPort" in port]


@pytest.mark.parametrize("name", sorted(PODS))
def test_pod_has_bounds_probes_and_an_orderly_end(name: str) -> None:
    pod = PODS[name]
    assert pod["terminationGracePeriodSeconds"] > 0
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"] or (
            name in {"platform-planner", "platform-picker"}
        )
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", sorted(PODS))
def test_tokens_are_mounted_only_where_the_api_server_is_called(name: str) -> None:
    pod = PODS[name]
    calls = name in {"platform-planner", "platform-picker"}
    assert pod["automountServiceAccountToken"] is calls
    assert ("serviceAccountName" in pod) is calls


@pytest.mark.parametrize("name", sorted(PODS))
def test_no_secret_is_an_environment_variable(name: str) -> None:
    for container in PODS[name]["containers"]:
        for variable in container["env"]:
            assert "secretKeyRef" not in variable.get("valueFrom", {})


def test_namespace_enforces_what_the_pods_keep() -> None:
    args: Any = stacks.plain_stack()
    found = register(lambda: tenbin.Platform("platform", args)).one("Namespace::platform")
    assert found.inputs["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "tenbin",
        "tenbin.dev/stack": "test",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
