"""An environment with a real control plane and a real node agent, as its administrator sees it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import signal
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
from tenbin_local.environment import access, cluster, layout, processes

from support import control_planes
from support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
NODES = {
    "system": {"count": 1, "cpu": "8", "memory": "16Gi"},
    "pools": [
        {
            "name": "fast",
            "count": 2,
            "instance_type": "g6.xlarge",
            "gpus": 1,
            "cpu": "4",
            "memory": "16Gi",
            "start_delay_s": 0.0,
            "labels": {"topology.kubernetes.io/zone": "z1"},
            "taints": [{"key": "extra", "value": "yes", "effect": "NoSchedule"}],
        },
        {
            "name": "slow",
            "count": 1,
            "instance_type": "g6.xlarge",
            "gpus": 1,
            "cpu": "4",
            "memory": "16Gi",
            "start_delay_s": 6.0,
        },
    ],
    "agent": {"restart_backoff_s": 1.0, "killed_node_delete_s": 2.0},
}
Json = dict[str, Any]


@dataclasses.dataclass
class World:
    """The environment as its administrator sees it."""

    place: layout.Layout
    octet: int
    http: httpx.Client
    client: cluster.Cluster
    agent: subprocess.Popen[bytes] | None = None

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self.http.request(method, path, json=body, headers={"Content-Type": kind})
        assert answer.is_success, answer.text
        return dict(answer.json())

    def get(self, path: str) -> Json | None:
        """The object; None where there is none."""
        answer = self.http.get(path)
        assert answer.is_success or answer.status_code == httpx.codes.NOT_FOUND, answer.text
        return dict(answer.json()) if answer.is_success else None

    def run_pod(self, name: str, *, spec: Json | None = None, metadata: Json | None = None, **container: Any) -> None:
        """Creates a pod of one container `main` of the test image, which knows its address."""
        body = {"name": "main", "image": "tenbin/test:1", **container}
        body["env"] = [POD_IP, *container.get("env", [])]
        pod_spec = {"terminationGracePeriodSeconds": 5, "containers": [body], **(spec or {})}
        manifest = {"metadata": {"name": name, **(metadata or {})}, "spec": pod_spec}
        self.call("POST", "/api/v1/namespaces/default/pods", manifest)

    def pod(self, name: str) -> Json | None:
        return self.get(f"/api/v1/namespaces/default/pods/{name}")

    def pods(self, app: str) -> list[Json]:
        answer = self.get(f"/api/v1/namespaces/default/pods?labelSelector=app%3D{app}")
        return answer["items"] if answer else []

    def container(self, name: str) -> Json:
        """The report of a pod's only container; empty while there is none."""
        statuses = ((self.pod(name) or {}).get("status") or {}).get("containerStatuses") or [{}]
        return statuses[0]

    def wait_ready(self, name: str) -> Json:
        found: Json = until(lambda: (pod := self.pod(name)) and is_ready(pod) and pod)
        return found

    def wait_phase(self, name: str, phase: str) -> Json:
        """The pod once it is in that phase."""
        found: Json = until(lambda: (pod := self.pod(name)) and pod["status"].get("phase") == phase and pod)
        return found

    def wait_waiting(self, name: str, reason: str) -> Json:
        """The container's report once it waits for that reason."""

        def report() -> Json | None:
            found = self.container(name)
            return found if found.get("state", {}).get("waiting", {}).get("reason") == reason else None

        waiting: Json = until(report)
        return waiting

    def wait_gone(self, name: str) -> None:
        until(lambda: self.pod(name) is None)

    def delete(self, name: str, grace_s: int | None = None) -> None:
        body = {} if grace_s is None else {"gracePeriodSeconds": grace_s}
        self.call("DELETE", f"/api/v1/namespaces/default/pods/{name}", body)

    def ask(self, name: str, path: str, port: int = 8000) -> str:
        """What the pod's server answers."""
        address = (self.pod(name) or {})["status"]["podIP"]
        answer = httpx.get(f"http://{address}:{port}{path}", trust_env=False, timeout=PATIENCE_S)
        return answer.raise_for_status().text

    def folder(self, name: str) -> pathlib.Path:
        return next(iter(self.place.pods.glob(f"default_{name}_*")))

    def log(self, name: str) -> str:
        return (self.folder(name) / "main.log").read_text()

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """Type, reason and message of the pod's events."""
        answer = self.get(f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{name}")
        return [(item["type"], item["reason"], item["message"]) for item in (answer or {"items": []})["items"]]

    def processes(self) -> list[int]:
        """The processes of all pods."""
        mark = f"TENBIN_ROOT={self.place.pods}/".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def start_agent(self) -> None:
        log = self.place.log("node-agent")
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            command = [sys.executable, "-P", "-m", "tenbin_local.agent", "--environment", str(self.place.root)]
            self.agent = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.place.root)

    def end_agent(self, number: signal.Signals) -> int:
        assert self.agent
        self.agent.send_signal(number)
        return self.agent.wait(PATIENCE_S)

    def write_nodes(self, content: Json) -> None:
        fresh = self.place.nodes.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self.place.nodes)

    def ready_nodes(self) -> list[str]:
        answer = self.get("/api/v1/nodes")
        return sorted(node["metadata"]["name"] for node in (answer or {"items": []})["items"] if is_ready(node))


@contextlib.contextmanager
def run(root: pathlib.Path, nodes: Json) -> Iterator[World]:
    """Run a control plane and an agent with these nodes, its state below `root`; both end with all of their pods."""
    with control_planes.run(root, "t") as found:
        access.grant_agent(found.client)
        context = ssl.create_default_context(cafile=str(found.pki.authority.certificate))
        pair = found.pki.pair("admin")
        context.load_cert_chain(pair.certificate, pair.key)
        base = found.own.server
        with httpx.Client(base_url=base, verify=context, trust_env=False, timeout=PATIENCE_S) as http:
            made = World(place=found.place, octet=found.own.octet, http=http, client=found.client)
            made.write_nodes(nodes)
            made.start_agent()
            wanted = nodes["system"]["count"] + sum(pool["count"] for pool in nodes["pools"])
            try:
                until(lambda: len(made.ready_nodes()) == wanted)
                until(lambda: made.get("/api/v1/namespaces/default/serviceaccounts/default"))
                yield made
            finally:
                if made.agent and made.agent.poll() is None:
                    made.end_agent(signal.SIGTERM)
                processes.end_processes(processes.strays(found.place), 2.0)


def is_ready(thing: Json) -> bool:
    """Whether the Ready condition is true."""
    conditions = thing.get("status", {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def condition(thing: Json, kind: str) -> str:
    """Truth of a condition."""
    return next((entry["status"] for entry in thing["status"].get("conditions") or [] if entry["type"] == kind), "")
