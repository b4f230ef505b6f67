"""Waiting for objects, and being stopped while waiting, under the real engine."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest
from support.waiting import PATIENCE_S, until
from tenbin_local import errors

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("plugins"), pytest.mark.timeout(300)]

WORKLOAD = """
annotations = {{"pulumi.com/timeoutSeconds": "{seconds}"}}
labels = {{"app": "web"}}
place = {{"name": "web", "annotations": annotations}}
patience = pulumi.CustomTimeouts(update="3m") if os.environ.get("PATIENT") else None
opts = pulumi.ResourceOptions(custom_timeouts=patience)
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
    opts=opts,
)
kubernetes.core.v1.Service(
    "web-service", metadata=place, spec={{"selector": labels, "ports": [{{"port": 80}}]}}, opts=opts
)
"""


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
                with suppress(errors.LocalError):  # it may be gone
                    api.status(f"/api/v1/namespaces/default/pods/{name}", manifest)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_workload_that_gets_no_node_fails_with_the_reason_and_recovers(api: Any, project: Any) -> None:
    project.program(WORKLOAD.format(seconds=8))
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
        output = project.up(env={"PATIENT": "1"})
    assert "2 updated" in output
    project.up("--expect-no-changes")
    assert "initErrors" not in project.resources()["web"]


def _waiting(api: Any, project: Any) -> subprocess.Popen[str]:
    """An update that waits for a workload which never gets ready."""
    project.program(WORKLOAD.format(seconds=300))
    running: subprocess.Popen[str] = project.start("up", "--yes", "--skip-preview", "--stack", "test")
    until(lambda: api.exists("/apis/apps/v1/namespaces/default/deployments/web"))
    commands = [_command(one) for one in project.processes()]
    for name in ("pulumi-language-python-exec", "plugins.language_host", "plugins.kubernetes"):
        assert any(name in command for command in commands), commands
    return running


def _command(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return "gone"


def test_an_interrupt_ends_the_wait_and_leaves_no_process(api: Any, project: Any) -> None:
    running = _waiting(api, project)
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode != 0
    assert "Traceback" not in output
    assert "Resource operation was cancelled for 'web'" in output
    until(lambda: not project.processes())


def test_plugins_end_when_the_engine_is_killed(api: Any, project: Any) -> None:
    running = _waiting(api, project)
    running.kill()
    until(lambda: not project.processes())
    running.communicate()
    project.pulumi("cancel", "--yes", "--stack", "test")
