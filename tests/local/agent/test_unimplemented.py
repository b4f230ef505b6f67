"""Pods that the agent refuses."""

from __future__ import annotations

from typing import Any

import pytest
from tenbin_local.agent import host, unimplemented


def pod(spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    plain = {"name": "c", "image": "tenbin/test", **container}
    return {"metadata": {"namespace": "n", "name": "p"}, "spec": {"containers": [plain], **(spec or {})}}


HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
    "privileged": False,
}


def test_a_hardened_pod_with_all_that_the_agent_knows_is_accepted() -> None:
    known = pod(
        {
            "hostNetwork": False,
            "securityContext": {"runAsNonRoot": True, "fsGroup": 1},
            "affinity": {"nodeAffinity": {}},
            "tolerations": [{"operator": "Exists"}],
            "topologySpreadConstraints": [{"maxSkew": 1}],
            "volumes": [
                {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "b", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            ],
        },
        securityContext=HARDENED,
        resources={"limits": {"nvidia.com/gpu": "1"}},
        volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/ab", "readOnly": True}],
        livenessProbe={"httpGet": {"port": 1}, "periodSeconds": 1},
        lifecycle={"preStop": {"sleep": {"seconds": 1}}},
        stdin=False,
    )
    assert unimplemented.unimplemented_fields(known) == []


@pytest.mark.parametrize(
    ("refused", "field"),
    [
        (pod({"hostNetwork": True}), "spec.hostNetwork"),
        (pod({"shareProcessNamespace": True}), "spec.shareProcessNamespace"),
        (pod({"activeDeadlineSeconds": 5}), "spec.activeDeadlineSeconds"),
        (pod({"somethingNew": {"a": 1}}), "spec.somethingNew"),
        (pod({"volumes": [{"name": "d", "hostPath": {"path": "/"}}]}), "spec.volumes[0].hostPath"),
        (
            pod({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]}),
            "spec.volumes[0].persistentVolumeClaim",
        ),
        (
            pod({"volumes": [{"name": "d", "projected": {"sources": [{"clusterTrustBundle": {"path": "x"}}]}}]}),
            "spec.volumes[0].projected.sources[0].clusterTrustBundle",
        ),
        (
            pod({"volumes": [{"name": "d", "downwardAPI": {"items": [{"resourceFieldRef": {"resource": "x"}}]}}]}),
            "spec.volumes[0].downwardAPI.items[0].resourceFieldRef",
        ),
        (
            pod({"initContainers": [{"name": "i", "image": "x", "restartPolicy": "Always"}]}),
            "spec.initContainers[0].restartPolicy",
        ),
        (pod(securityContext={"privileged": True}), "spec.containers[0].securityContext.privileged"),
        (
            pod(securityContext={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}),
            "spec.containers[0].securityContext.capabilities.add",
        ),
        (pod(ports=[{"containerPort": 1, "hostPort": 1}]), "spec.containers[0].ports[0].hostPort"),
        (
            pod(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]),
            "spec.containers[0].env[0].valueFrom.resourceFieldRef",
        ),
        (
            pod(volumeMounts=[{"name": "a", "mountPath": "/a", "subPath": "x"}]),
            "spec.containers[0].volumeMounts[0].subPath",
        ),
        (
            pod(volumeMounts=[{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a/b"}]),
            "spec.containers[0].volumeMounts[1].mountPath (below another mount)",
        ),
        (pod(volumeDevices=[{"name": "a"}]), "spec.containers[0].volumeDevices"),
    ],
)
def test_a_field_that_is_not_implemented_is_named_by_its_path(refused: dict[str, Any], field: str) -> None:
    assert unimplemented.unimplemented_fields(refused) == [field]


def test_several_fields_are_all_named() -> None:
    refused = pod({"hostPID": True}, volumeDevices=[{"name": "a"}])
    expected = ["spec.hostPID", "spec.containers[0].volumeDevices"]
    assert unimplemented.unimplemented_fields(refused) == expected


def test_an_owner_whose_pods_are_refused_again_and_again_is_slowed_down() -> None:
    pace = host.RefusalPace()
    owned = {"metadata": {"ownerReferences": [{"uid": "set"}]}}
    assert [pace.delay_s(owned) for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert pace.delay_s({"metadata": {"ownerReferences": [{"uid": "other"}]}}) == 0
    assert [pace.delay_s({"metadata": {}}) for _ in range(3)] == [0, 0, 0]
