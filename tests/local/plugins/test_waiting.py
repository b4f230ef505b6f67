"""Waiting for objects, and being stopped while waiting, under the real engine."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("plugins"), pytest.mark.timeout(300)]

WORKLOAD = """
annotations = {{"pulumi.com/timeoutSeconds": "{seconds}"}}
labels = {{"app": "web"}}
place = {{"name": "web", "annotations": annotations}}
kubernetes.apps.v1.Deployment(
    "web",
    metadata=place,
    spec={{
        "selector": {{"match_labels": labels}},
        "template": {{
            "metadata": {{"labels": labels}},
            "spec": {{"containers": [{{"name": "web", "image": "web:1"}}], "automount_service_account_token": False}},
        }},
    }},
)
kubernetes.core.v1.Service("web-service", metadata=place, spec={{"selector": labels, "ports": [{{"port": 80}}]}})
"""


def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextmanager
def _kubelet(api: Any) -> Iterator[None]:
    """Reports every pod of the namespace as running and ready, as a node would."""
    stop = threading.Event()

    def report() -> None:
        while not stop.wait(0.3):
            for pod in api.get("/api/v1/namespaces/default/pods")["items"]:
                name = pod["metadata"]["name"]
                condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                manifest = {"status": {"phase": "Running", "podIP": "127.0.0.2", "conditions": [condition]}}
                api.status(f"/api/v1/namespaces/default/pods/{name}", manifest)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_workload_that_gets_no_node_fails_with_the_reason_and_recovers(api: Any, project: Any) -> None:
    project.program(WORKLOAD.format(seconds=4))
    failed = project.pulumi("up", "--yes", "--skip-preview", "--stack", "test")
    assert failed.code != 0
    assert "'web' timed out waiting to be Ready" in failed.output
    assert "0 of 1 Pods of the newest ReplicaSet are ready" in failed.output
    assert "is not scheduled: Unschedulable: no nodes available to schedule pods" in failed.output
    assert "Service does not target any Pods" in failed.output
    # Both exist and are in the state, marked as not ready.
    state = project.resources()
    assert state["web"]["id"] == "default/web"
    assert any("timed out" in reason for reason in state["web"]["initErrors"])

    with _kubelet(api):
        output = project.up()
    assert "2 updated" in output
    project.up("--expect-no-changes")
    assert "initErrors" not in project.resources()["web"]


def _waiting(api: Any, project: Any) -> subprocess.Popen[str]:
    """An update that waits for a workload which never gets ready."""
    project.program(WORKLOAD.format(seconds=300))
    running: subprocess.Popen[str] = project.start("up", "--yes", "--skip-preview", "--stack", "test")
    _until(lambda: api.exists("/apis/apps/v1/namespaces/default/deployments/web"), 30, "the workload is applied")
    commands = [" ".join(one.cmdline()) for one in project.processes()]
    for name in ("pulumi-language-python-exec", "plugins.language_host", "plugins.kubernetes"):
        assert any(name in command for command in commands), commands
    return running


def test_an_interrupt_ends_the_wait_and_leaves_no_process(api: Any, project: Any) -> None:
    running = _waiting(api, project)
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=30)
    assert running.returncode != 0
    assert "Traceback" not in output
    assert "Resource operation was cancelled for 'web'" in output
    _until(lambda: not project.processes(), 5, "no process of the engine is left")


def test_plugins_end_when_the_engine_is_killed(api: Any, project: Any) -> None:
    running = _waiting(api, project)
    running.kill()
    _until(lambda: not project.processes(), 8, "no process of the engine is left")
    running.communicate()
    project.pulumi("cancel", "--yes", "--stack", "test")
