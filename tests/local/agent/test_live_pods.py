"""Pods on a real control plane: started, configured, probed, restarted and ended as a kubelet would."""

from __future__ import annotations

import json
import pathlib
import ssl
import time
from typing import Any

import httpx
import pytest
from support.node_agent import World, condition, is_ready
from support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(300)
READY_PROBE = {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1, "timeoutSeconds": 60}


def deployment(name: str, replicas: int, **container: Any) -> dict[str, Any]:
    """A Deployment of the test image with a named port."""
    body = {
        "name": "main",
        "image": "docker.io/tenbin/test@sha256:" + "0" * 64,
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": READY_PROBE,
        **container,
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [body]},
            },
        },
    }


def test_a_deployment_gets_ready_and_its_service_reaches_each_pod(world: World) -> None:
    world.call("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("web", 2))
    service = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    address = world.call("POST", "/api/v1/namespaces/default/services", service)["spec"]["clusterIP"]

    path = "/apis/apps/v1/namespaces/default/deployments/web"
    until(lambda: (world.get(path) or {}).get("status", {}).get("readyReplicas") == 2)

    pods = world.pods("web")
    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 2
    assert all(address.startswith(f"127.{world.octet}.") for address in addresses)
    status = pods[0]["status"]
    assert status["phase"] == "Running"
    assert status["observedGeneration"] == 1
    assert status["hostIP"] == f"127.{world.octet}.1.1"
    assert [condition(pods[0], kind) for kind in ("PodScheduled", "PodReadyToStartContainers", "Initialized")] == [
        "True",
        "True",
        "True",
    ]
    [report] = status["containerStatuses"]
    assert (report["ready"], report["started"], report["restartCount"]) == (True, True, 0)

    until(lambda: _answering(address) == {pod["metadata"]["name"] for pod in pods})

    world.call("PATCH", path, {"spec": {"replicas": 0}})
    until(lambda: not world.pods("web"))
    until(lambda: _answering(address) == {"ConnectError"})


def _answering(address: str) -> set[str]:
    """Who answers four connections; the name of the error where one fails."""
    try:
        return {httpx.get(f"http://{address}/", trust_env=False, timeout=PATIENCE_S).text for _ in range(4)}
    except httpx.TransportError as error:
        return {type(error).__name__}


def test_an_unknown_image_is_reported_as_one_that_cannot_be_pulled(world: World) -> None:
    world.run_pod("unknown-image", image="example.com/other/thing:2")
    report = world.wait_waiting("unknown-image", "ImagePullBackOff")
    assert report["state"]["waiting"]["message"] == (
        'Back-off pulling image "example.com/other/thing:2": ErrImagePull: failed to pull image '
        '"example.com/other/thing:2": the local environment runs no containers and has no command for repository '
        "'example.com/other/thing'; known repositories: envoyproxy/envoy, tenbin/picker, tenbin/planner, "
        "tenbin/simulated-engine, tenbin/test"
    )
    pod = world.pod("unknown-image")
    assert pod
    assert pod["status"]["phase"] == "Pending"
    world.delete("unknown-image")
    world.wait_gone("unknown-image")


def test_a_field_that_is_not_implemented_fails_the_pod_and_is_named(world: World) -> None:
    volumes = [{"name": "data", "hostPath": {"path": "/data"}}]
    mounts = [{"name": "data", "mountPath": "/data"}]
    world.run_pod("host-path", spec={"volumes": volumes}, volumeMounts=mounts)
    pod = world.wait_phase("host-path", "Failed")
    assert pod["status"]["reason"] == "UnimplementedField"
    assert pod["status"]["message"] == "the local node agent does not implement spec.volumes[0].hostPath"
    world.delete("host-path")


def test_configuration_reaches_the_container_and_a_changed_config_map_its_files(world: World) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    world.call("POST", maps, {"metadata": {"name": "settings"}, "data": {"color": "red", "document.json": "{}"}})
    secret = {"metadata": {"name": "key"}, "stringData": {"token": "s3cret"}}
    world.call("POST", "/api/v1/namespaces/default/secrets", secret)
    world.run_pod(
        "configured",
        metadata={"labels": {"app": "configured"}, "annotations": {"note": "one"}},
        spec={
            "volumes": [
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "key", "secret": {"secretName": "key", "defaultMode": 0o400}},
                {
                    "name": "self",
                    "downwardAPI": {"items": [{"path": "notes", "fieldRef": {"fieldPath": "metadata.annotations"}}]},
                },
            ]
        },
        env=[
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}},
            {"name": "URL", "value": "http://$(POD_IP):80/$(COLOR)/$$(COLOR)/$(NOTHING)"},
            {"name": "DOCUMENT", "value": "/etc/settings/document.json"},
        ],
        args=["--port", "8000", "--ready-file=/etc/settings/color"],
        volumeMounts=[
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "key", "mountPath": "/etc/key"},
            {"name": "self", "mountPath": "/etc/self"},
        ],
        readinessProbe=READY_PROBE,
    )
    pod = world.wait_ready("configured")
    address = pod["status"]["podIP"]
    variables = json.loads(world.ask("configured", "/env"))
    root = world.folder("configured") / "root" / "main"
    expected = {
        "NODE": "system-0",
        "APP": "configured",
        "COLOR": "red",
        "TOKEN": "s3cret",
        "URL": f"http://{address}:80/red/$(COLOR)/$(NOTHING)",
        "DOCUMENT": f"{root}/etc/settings/document.json",
        "TENBIN_ROOT": str(root),
        "KUBERNETES_SERVICE_HOST": f"127.{world.octet}.0.1",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert (root / "etc/key/token").stat().st_mode & 0o777 == 0o400
    assert world.ask("configured", "/file?/etc/self/notes") == 'note="one"'

    world.call("PATCH", f"{maps}/settings", {"data": {"document.json": '{"version": 2}'}})
    until(lambda: world.ask("configured", "/file?/etc/settings/document.json") == '{"version": 2}')
    world.call("PATCH", "/api/v1/namespaces/default/pods/configured", {"metadata": {"annotations": {"note": "two"}}})
    until(lambda: world.ask("configured", "/file?/etc/self/notes") == 'note="two"')
    world.delete("configured", 0)


def test_a_missing_config_map_is_waited_for(world: World) -> None:
    source = {"configMapKeyRef": {"name": "late", "key": "color"}}
    world.run_pod("waits", env=[{"name": "COLOR", "valueFrom": source}], readinessProbe=READY_PROBE)
    report = world.wait_waiting("waits", "CreateContainerConfigError")
    assert report["state"]["waiting"]["message"] == 'configmap "late" not found'
    body = {"metadata": {"name": "late"}, "data": {"color": "blue"}}
    world.call("POST", "/api/v1/namespaces/default/configmaps", body)
    world.wait_ready("waits")
    assert json.loads(world.ask("waits", "/env"))["COLOR"] == "blue"
    world.delete("waits", 0)


def test_a_pods_token_has_the_rights_of_its_service_account_and_no_others(world: World) -> None:
    account = {"metadata": {"name": "reader"}}
    world.call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
    world.call("POST", f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
    }
    world.call("POST", f"{rbac}/rolebindings", binding)
    world.run_pod("reader", spec={"serviceAccountName": "reader"}, readinessProbe=READY_PROBE)
    world.wait_ready("reader")

    folder = world.folder("reader") / "root/main/var/run/secrets/kubernetes.io/serviceaccount"
    assert (folder / "namespace").read_text() == "default"
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    token = (folder / "token").read_text()
    with httpx.Client(base_url=world.http.base_url, verify=context, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {token}"
        assert http.get("/api/v1/namespaces/default/configmaps").status_code == 200
        assert http.get("/api/v1/namespaces/default/secrets").status_code == 403
    world.delete("reader", 0)


def test_readiness_follows_its_probe_and_the_startup_probe_holds_it_back(world: World) -> None:
    mounts = [{"name": "state", "mountPath": "/state"}]
    world.run_pod(
        "probed",
        spec={"volumes": [{"name": "state", "emptyDir": {}}]},
        args=["--ready-file", "/state/ready"],
        volumeMounts=mounts,
        startupProbe={
            "exec": {"command": ["test", "-e", "/state/started"]},
            "periodSeconds": 1,
            "timeoutSeconds": 60,
            "failureThreshold": 600,
        },
        readinessProbe={**READY_PROBE, "failureThreshold": 1},
    )
    until(lambda: world.container("probed").get("state", {}).get("running"))
    state = world.folder("probed") / "volumes" / "state"
    (state / "ready").touch()
    time.sleep(1.2)
    report = world.container("probed")
    assert (report["started"], report["ready"]) == (False, False)
    (state / "started").touch()
    world.wait_ready("probed")
    (state / "ready").unlink()
    until(lambda: not is_ready(world.pod("probed") or {}))
    pod = world.pod("probed")
    assert pod
    reasons = {entry["type"]: entry.get("message") for entry in pod["status"]["conditions"]}
    assert reasons["Ready"] == "containers with unready status: [main]"
    until(
        lambda: (
            ("Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503: not yet")
            in world.events("probed")
        )
    )
    world.delete("probed", 0)


def test_a_failed_liveness_probe_restarts_the_container(world: World) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": 8000}, "periodSeconds": 1, "timeoutSeconds": 60}
    world.run_pod(
        "unhealthy",
        startupProbe={**READY_PROBE, "failureThreshold": 600},
        livenessProbe={**probe, "failureThreshold": 2},
        readinessProbe=READY_PROBE,
    )
    world.wait_ready("unhealthy")
    world.ask("unhealthy", "/break")
    report = until(lambda: (found := world.container("unhealthy")).get("restartCount") == 1 and found)
    assert report["lastState"]["terminated"]["reason"] == "Completed"
    world.wait_ready("unhealthy")
    folder = world.folder("unhealthy")
    assert (folder / "main.previous.log").read_text().splitlines() == ["argv []", "SIGTERM", "ended"]
    killing = ("Normal", "Killing", "Container main failed liveness probe, will be restarted")
    until(lambda: killing in world.events("unhealthy"))
    world.delete("unhealthy", 0)


def test_a_container_that_ends_again_and_again_is_restarted_with_back_off(world: World) -> None:
    world.run_pod("crash", args=["--exit", "3"])
    report = world.wait_waiting("crash", "CrashLoopBackOff")
    # The first restart comes at once, the second one after 1 s, each further one after twice the time.
    delay_s = 2 ** (report["restartCount"] - 1)
    assert report["state"]["waiting"]["message"] == f"back-off {delay_s}s restarting failed container=main"
    report = until(lambda: (found := world.container("crash")).get("restartCount", 0) >= 2 and found)
    assert report["lastState"]["terminated"]["exitCode"] == 3
    assert report["lastState"]["terminated"]["reason"] == "Error"
    until(lambda: ("Warning", "BackOff", "Back-off restarting failed container main") in world.events("crash"))
    world.delete("crash")
    world.wait_gone("crash")


def test_restart_policies_decide_whether_a_pod_is_finished(world: World) -> None:
    world.run_pod("once", spec={"restartPolicy": "Never"}, args=["--exit", "4"])
    world.run_pod("well", spec={"restartPolicy": "OnFailure"}, args=["--exit", "0"])
    world.wait_phase("once", "Failed")
    well = world.wait_phase("well", "Succeeded")
    assert world.container("once")["state"]["terminated"]["exitCode"] == 4
    assert condition(well, "Ready") == "False"
    for name in ("once", "well"):
        world.delete(name)
        world.wait_gone(name)


def test_init_containers_run_one_after_the_other_before_the_containers(world: World) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    image = {"image": "tenbin/test", "volumeMounts": mounts}
    steps = [
        {"name": "one", "command": ["sh", "-c", 'echo one >> "$TENBIN_ROOT/data/order"'], **image},
        {"name": "two", "command": ["sh", "-c", 'echo two >> "$TENBIN_ROOT/data/order"'], **image},
    ]
    volumes = [{"name": "data", "emptyDir": {}}]
    spec = {"initContainers": steps, "volumes": volumes}
    world.run_pod("steps", spec=spec, volumeMounts=mounts, readinessProbe=READY_PROBE)
    pod = world.wait_ready("steps")
    assert world.ask("steps", "/file?/data/order") == "one\ntwo\n"
    ended = [entry["state"]["terminated"]["reason"] for entry in pod["status"]["initContainerStatuses"]]
    assert ended == ["Completed", "Completed"]
    world.delete("steps", 0)


def test_deletion_runs_the_hook_then_ends_the_process_within_the_grace_period(
    world: World, tmp_path: pathlib.Path
) -> None:
    """Hook and process tell that they were called, and go on once they may."""
    order = tmp_path / "order"

    def pause(name: str) -> str:
        return f"echo {name} >> {order}; until [ -e {tmp_path}/{name} ]; do sleep 0.05; done"

    trap = f"trap '{pause('SIGTERM')}; echo ended >> {order}; exit 0' TERM"
    script = f"{trap}; touch {tmp_path}/up; while :; do sleep 0.05; done"
    world.run_pod(
        "polite",
        spec={"terminationGracePeriodSeconds": 600},
        command=["sh", "-c", script],
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", pause("hook")]}}},
        readinessProbe={
            "exec": {"command": ["test", "-e", f"{tmp_path}/up"]},
            "periodSeconds": 1,
            "timeoutSeconds": 60,
        },
    )
    world.wait_ready("polite")
    folder = world.folder("polite")
    world.delete("polite")
    until(lambda: not is_ready(world.pod("polite") or {}))
    until(order.exists)
    assert order.read_text() == "hook\n"
    (tmp_path / "hook").touch()
    until(lambda: order.read_text() == "hook\nSIGTERM\n")
    assert world.pod("polite")
    (tmp_path / "SIGTERM").touch()
    world.wait_gone("polite")
    assert order.read_text() == "hook\nSIGTERM\nended\n"
    until(lambda: not folder.exists())


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace_period(world: World) -> None:
    spec = {"terminationGracePeriodSeconds": 2}
    world.run_pod("stubborn", spec=spec, args=["--ignore-term"], readinessProbe=READY_PROBE)
    world.wait_ready("stubborn")
    begun = time.monotonic()
    world.delete("stubborn")
    world.wait_gone("stubborn")
    assert time.monotonic() - begun >= 2.0


def test_forced_deletion_ends_the_process_at_once(world: World) -> None:
    spec = {"terminationGracePeriodSeconds": 600}
    world.run_pod("forced", spec=spec, args=["--ignore-term"], readinessProbe=READY_PROBE)
    world.wait_ready("forced")
    folder = world.folder("forced")
    world.delete("forced", 0)
    until(lambda: not folder.exists())
