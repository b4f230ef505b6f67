"""Kubeconfigs, provider settings, readiness and the files that the plugins consist of."""

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
from support.waiting import until
from tenbin_local import errors
from tenbin_local.plugins import children, install, properties, pythons, serving
from tenbin_local.plugins.kubernetes import kubeconfig, provider, readiness, settings


def _config(name: str, server: str, **user: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "team"}}],
        "users": [{"name": name, "user": user}],
        "current-context": name,
    }


def test_a_kubeconfig_is_taken_as_contents_path_or_from_the_environment(tmp_path: pathlib.Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(json.dumps(_config("one", "https://one", tokenFile="token")))
    two.write_text(json.dumps(_config("two", "https://two/", token="t2")))
    (tmp_path / "token").write_text("t1\n")
    by_path = kubeconfig.connect(str(one))
    assert (by_path.server, dict(by_path.headers), by_path.namespace) == (
        "https://one", {"Authorization": "Bearer t1"}, "team",
    )  # fmt: skip
    by_contents = kubeconfig.connect(two.read_text(), namespace="chosen")
    assert (by_contents.server, by_contents.namespace) == ("https://two", "chosen")
    merged = kubeconfig.load("", {"KUBECONFIG": f"{one}:{tmp_path / 'missing'}:{two}"})
    assert merged["current-context"] == "one"
    assert [entry["name"] for entry in merged["clusters"]] == ["one", "two"]
    assert kubeconfig.active(merged, context="two")[1] == {"server": "https://two/"}
    assert kubeconfig.active(merged, cluster="two")[1] == {"server": "https://two/"}


@pytest.mark.parametrize(
    ("given", "context", "message"),
    [
        ("- a", "", "kubeconfig is neither a path to a file nor the contents of a kubeconfig"),
        (json.dumps(_config("a", "https://a")), "b", "the kubeconfig has no entry 'b' in contexts; there are: a"),
        (
            json.dumps(_config("a", "https://a", **{"auth-provider": {"name": "gcp"}})),
            "",
            "user 'a' logs in by auth-provider, which this stand-in does not do; use exec, a certificate or a token",
        ),
        (json.dumps(_config("a", "")), "", "the cluster of the active context has no server"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(given: str, context: str, message: str) -> None:
    with pytest.raises(kubeconfig.KubeconfigError) as caught:
        kubeconfig.connect(given, context=context)
    assert str(caught.value) == message


def test_a_missing_kubeconfig_says_where_it_was_looked_for(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config"
    with pytest.raises(kubeconfig.KubeconfigError) as caught:
        kubeconfig.load("", {"KUBECONFIG": str(path)})
    expected = f"{path}: no such file. Set KUBECONFIG, or the provider's `kubeconfig` to a path or to the contents"
    assert str(caught.value) == expected


A, B = json.dumps(_config("a", "https://a")), json.dumps(_config("b", "https://b"))
A_AGAIN = json.dumps(_config("a", "https://a", token="fresh"))


@pytest.mark.parametrize(
    ("old", "new", "changed", "replaces"),
    [
        ({}, {}, [], []),
        ({"kubeconfig": A}, {"kubeconfig": A_AGAIN}, ["kubeconfig"], []),
        ({"kubeconfig": A}, {"kubeconfig": B}, ["kubeconfig"], ["kubeconfig"]),
        ({"kubeconfig": A}, {"kubeconfig": properties.UNKNOWN}, ["kubeconfig"], ["kubeconfig"]),
        ({"context": "a"}, {"context": "b"}, ["context"], []),
        ({"namespace": "a"}, {"namespace": "b"}, ["namespace"], []),
        (
            {"kubeconfig": A, "clusterIdentifier": "x"},
            {"kubeconfig": B, "clusterIdentifier": "x"},
            ["kubeconfig"],
            [],
        ),
        ({"clusterIdentifier": "x"}, {"clusterIdentifier": "y"}, ["clusterIdentifier"], ["clusterIdentifier"]),
        ({"kubeconfig": A}, {"kubeconfig": A, "clusterIdentifier": "x"}, ["clusterIdentifier"], []),
    ],
)
def test_another_cluster_replaces_the_provider(
    old: dict[str, Any], new: dict[str, Any], changed: list[str], replaces: list[str]
) -> None:
    found = settings.compare(old, new)
    assert (list(found.changed), list(found.replaces)) == (changed, replaces)


def test_settings_come_from_the_configuration_and_else_from_the_environment() -> None:
    variables = {"kubernetes:config:enableConfigMapMutable": "true", "kubernetes:config:deleteUnreachable": "false"}
    environment = {"PULUMI_K8S_DELETE_UNREACHABLE": "true", "PULUMI_K8S_ENABLE_SECRET_MUTABLE": "true"}
    found = settings.parse(variables, environment)
    assert (found.config_map_mutable, found.secret_mutable, found.delete_unreachable) == (True, True, False)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:ConfigMap", {"apiVersion": "v1", "kind": "ConfigMap"}),
        ("kubernetes:apps/v1:Deployment", {"apiVersion": "apps/v1", "kind": "Deployment"}),
        ("kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet",
         {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet"}),
    ],
)  # fmt: skip
def test_a_type_names_its_kind(token: str, expected: dict[str, str]) -> None:
    assert provider.kind_of(token) == expected


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("kubernetes:apps/v1:DeploymentPatch", "Patch resources are not supported by this stand-in"),
        ("kubernetes:core/v1:ConfigMapList", "Lists are not supported by this stand-in"),
        ("kubernetes:helm.sh/v4:Chart", "not supported by this stand-in; of Helm it records v3 Releases only"),
        (
            "kubernetes:yaml:ConfigFile",
            "not supported by this stand-in, which knows kubernetes:<group>/<version>:<Kind>",
        ),
    ],
)
def test_a_type_that_is_not_supported_is_refused(token: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{token}: {message}')}$"):
        provider.kind_of(token)


def _workload(*, observed: int, available: bool, revision: str, rolled_out: bool = True) -> dict[str, Any]:
    conditions = [
        {"type": "Available", "status": str(available), "reason": "Why", "message": "not enough"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" if rolled_out else "Rolling"},
    ]
    return {
        "metadata": {
            "uid": "d", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "status": {"observedGeneration": observed, "conditions": conditions},
    }  # fmt: skip


def _replicas(wanted: int, ready: int, revision: str = "2") -> dict[str, Any]:
    return {
        "metadata": {
            "uid": "r", "ownerReferences": [{"uid": "d"}],
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"replicas": wanted},
        "status": {"readyReplicas": ready},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("workload", "replicas", "reasons"),
    [
        (_workload(observed=2, available=True, revision="2"), _replicas(2, 2), None),
        (_workload(observed=2, available=True, revision="2"), _replicas(0, 0), None),
        (
            _workload(observed=1, available=True, revision="2"), _replicas(2, 2),
            ["The Deployment controller has not seen the Deployment yet"],
        ),
        (
            _workload(observed=2, available=False, revision="2"), _replicas(2, 1),
            ["[Why] not enough", "1 of 2 Pods of the newest ReplicaSet are ready"],
        ),
        (
            _workload(observed=2, available=True, revision="2", rolled_out=False), _replicas(2, 2),
            ["2 of 2 Pods of the newest ReplicaSet are ready"],
        ),
        (_workload(observed=2, available=True, revision="1", rolled_out=False), _replicas(2, 2, "1"), None),
        (
            _workload(observed=2, available=True, revision="3"), _replicas(2, 2),
            ["0 of 0 Pods of the newest ReplicaSet are ready"],
        ),
    ],
)  # fmt: skip
def test_a_workload_is_ready_when_its_newest_pods_are(
    workload: dict[str, Any], replicas: dict[str, Any], reasons: list[str] | None
) -> None:
    verdict = readiness.CHECKS["apps/v1", "Deployment"].judge(workload, [replicas], [])
    assert verdict.ready is (reasons is None)
    assert list(verdict.reasons) == (reasons or [])


def test_a_pod_says_what_keeps_it() -> None:
    pod = {
        "metadata": {"name": "web"},
        "status": {
            "phase": "Failed",
            "reason": "Evicted",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
            ],
            "containerStatuses": [
                {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
                {
                    "name": "b",
                    "state": {"running": {}},
                    "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
                },
            ],
        },
    }
    assert list(readiness.pod_problems(pod)) == [
        "Pod web failed: Evicted",
        "Pod web is not scheduled: Unschedulable: no node",
        "container a of Pod web is waiting: ImagePullBackOff: no such image",
        "container b of Pod web ended with exit code 3: Error",
    ]


READY_POD = {
    "metadata": {"name": "a", "labels": {"app": "a", "more": "x"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("spec", "pods", "ready"),
    [
        ({"selector": {"app": "a"}, "clusterIP": "10.0.0.1"}, [READY_POD], True),
        ({"selector": {"app": "a"}, "clusterIP": "10.0.0.1"}, [], False),
        ({"selector": {"app": "b"}, "clusterIP": "10.0.0.1"}, [READY_POD], False),
        ({"selector": {"app": "a"}, "clusterIP": "None"}, [], True),
        ({"clusterIP": "10.0.0.1"}, [], True),
        ({"type": "ExternalName", "externalName": "x"}, [], True),
        ({"type": "LoadBalancer", "selector": {"app": "a"}}, [READY_POD], False),
    ],
)
def test_a_service_is_ready_when_a_selected_pod_is(
    spec: dict[str, Any], pods: list[dict[str, Any]], ready: bool
) -> None:
    verdict = readiness.CHECKS["v1", "Service"].judge({"metadata": {"name": "s"}, "spec": spec}, [], pods)
    assert verdict.ready is ready
    assert bool(verdict.reasons) is not ready


def test_the_nearest_environment_runs_the_program(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "project" / "infra"
    program.mkdir(parents=True)
    for folder in (tmp_path / ".venv", tmp_path / "project" / "chosen", tmp_path / "project" / "by-variable"):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
    root = program.parent

    def chosen(options: dict[str, str], environment: dict[str, str]) -> str:
        return pythons.interpreter(program, root, options, environment)

    assert chosen({}, {}) == str(tmp_path / ".venv/bin/python")
    assert chosen({"virtualenv": "chosen"}, {}) == str(root / "chosen/bin/python")
    assert chosen({}, {"UV_PROJECT_ENVIRONMENT": "by-variable"}) == str(root / "by-variable/bin/python")
    assert chosen({"virtualenv": "missing"}, {}) == str(tmp_path / ".venv/bin/python")


def test_the_engines_address_is_the_last_plain_argument() -> None:
    assert serving.engine_address(["--logtostderr", "-v=9", "127.0.0.1:5"]) == "127.0.0.1:5"
    assert serving.engine_address(["--logtostderr"]) == ""


def test_plugins_are_installed_once_and_for_the_cache(tmp_path: pathlib.Path) -> None:
    official = tmp_path / "official"
    official.touch()
    home = tmp_path / "home"
    for _ in range(2):
        paths = install.install_plugins(tmp_path / "bin", exec_path=official, pulumi_home=home)
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "bin").iterdir()) == [
        "aws", "pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-aws",
        "pulumi-resource-kubernetes",
    ]  # fmt: skip
    assert (tmp_path / "bin" / "pulumi-language-python-exec").resolve() == official
    assert {path.resolve() for path in (home / "plugins").glob("*/pulumi-*")} == {
        tmp_path / "bin" / "pulumi-language-python",
        tmp_path / "bin" / "pulumi-resource-aws",
        tmp_path / "bin" / "pulumi-resource-kubernetes",
    }


def test_a_missing_executor_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENBIN_CACHE", str(tmp_path))
    folder = tmp_path / "toolchain" / "pulumi-language-python-exec"
    with pytest.raises(errors.ToolchainError) as caught:
        install.install_plugins(tmp_path / "bin")
    expected = f"{folder} holds no <version>/pulumi-language-python-exec; the toolchain bootstrap puts it there"
    assert str(caught.value) == expected


def test_the_newest_executor_is_taken(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENBIN_CACHE", str(tmp_path))
    for version in ("3.9.0", "3.250.0", "3.30.0"):
        program = tmp_path / "toolchain" / "pulumi-language-python-exec" / version / "pulumi-language-python-exec"
        program.parent.mkdir(parents=True)
        program.touch()
    [link, *_] = install.install_plugins(tmp_path / "bin")
    assert link.resolve().parent.name == "3.250.0"


def test_children_end_with_their_descendants(tmp_path: pathlib.Path) -> None:
    started = children.Children()
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).wait()"
    process = started.start([sys.executable, "-c", script], cwd=str(tmp_path), env=os.environ)
    started.close()
    assert started.wait(process) < 0
    with pytest.raises(InterruptedError, match=r"^the plugin is ending and starts no further process$"):
        started.start(["true"], cwd=str(tmp_path), env=os.environ)
    command = ["ps", "-o", "pid=", "-g", str(process.pid)]
    until(lambda: not subprocess.run(command, capture_output=True, check=False).stdout.split())
