"""What end-to-end tests do with an environment, and what its cluster says."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import urllib3
from kubernetes import client, config
from ruamel.yaml import YAML
from tenbin_spec.contract import LABEL_NAME, NAME_ENGINE, ROOT_VARIABLE
from tenbin_spec.plan import PlanView

ROOT = pathlib.Path(__file__).parents[2]
NAME = "e2e"
NAMESPACE = "tenbin"


@dataclasses.dataclass
class Environment:
    """What a person does with an environment, and what its cluster says."""

    root: pathlib.Path
    """Folder of the environment."""

    def tenbin(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a `tenbin` command."""
        command = [sys.executable, "-m", "tenbin_cli", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout)
        if check:
            assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done

    def local(self, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `tenbin local` command on this environment."""
        return self.tenbin("local", verb, "--env", NAME, *arguments, check=check)

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the engine on the local stack."""
        return self.local("exec", "--", "pulumi", *arguments, "--stack", "local", "--non-interactive", check=check)

    def status(self) -> dict[str, Any]:
        """Return `tenbin local status --json`."""
        return json.loads(self.local("status", "--json", check=False).stdout)

    def plan(self) -> PlanView:
        """Return the plan in force."""
        answer = httpx.get(f"{self.status()['planner_url']}/plan", timeout=60)
        return PlanView.model_validate_json(answer.raise_for_status().text)

    def core(self) -> client.CoreV1Api:
        """Return a client of the cluster's core API."""
        return client.CoreV1Api(self._client())

    def apps(self) -> client.AppsV1Api:
        """Return a client of the cluster's apps API."""
        return client.AppsV1Api(self._client())

    def _client(self) -> client.ApiClient:
        return config.new_client_from_config(self.status()["kubeconfig"])

    def engines(self) -> list[client.V1Pod]:
        """Return the engine pods that are not on their way out."""
        found = self.core().list_namespaced_pod(NAMESPACE, label_selector=f"{LABEL_NAME}={NAME_ENGINE}").items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def ready_engines(self) -> list[client.V1Pod]:
        """Return the engine pods that are ready."""
        return [pod for pod in self.engines() if is_ready(pod)]

    def replicas(self) -> dict[str, int]:
        """Return the wanted replicas of each engine workload as the cluster has them."""
        found = self.apps().list_namespaced_deployment(NAMESPACE, label_selector=f"{LABEL_NAME}={NAME_ENGINE}").items
        return {item.metadata.name: item.spec.replicas for item in found}

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this environment."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words = " ".join(process.info["cmdline"] or [])
            values = (process.info["environ"] or {}).values()
            if process.pid != os.getpid() and (
                str(self.root) in words or any(str(self.root) in value for value in values)
            ):
                found.append(process)
        return found

    def process_of(self, pod: str) -> psutil.Process:
        """Return the main process of a pod: the oldest one that has the pod's folder as its root."""
        found = [
            process
            for process in self.processes()
            if f"_{pod}_" in (process.info["environ"] or {}).get(ROOT_VARIABLE, "")
        ]
        assert found, f"no process of pod {pod}"
        return min(found, key=psutil.Process.create_time)

    def stack_file(self, folder: pathlib.Path, change: Callable[[dict[str, Any]], None]) -> pathlib.Path:
        """Write a changed copy of the local stack's file."""
        yaml = YAML()
        plain = yaml.load((ROOT / "stacks/Pulumi.local.yaml").read_text())
        change(plain["config"])
        path = folder / "Pulumi.local.yaml"
        with path.open("w") as stream:
            yaml.dump(plain, stream)
        return path


def is_ready(pod: client.V1Pod) -> bool:
    """Tell whether a pod's Ready condition holds."""
    return any(item.type == "Ready" and item.status == "True" for item in pod.status.conditions or [])


def eventually(claim: Callable[[], Any], *, within: float = 180.0, every: float = 1.0) -> Any:
    """Return the first true value of a claim, or fail after `within` seconds with its last value or error.

    The time is for a slow machine; only a failure takes so long.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            last = claim()
        except (httpx.HTTPError, client.ApiException, urllib3.exceptions.HTTPError, json.JSONDecodeError) as error:
            last = error
        if last and not isinstance(last, Exception):
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s, last: {last!r}")
        time.sleep(every)
