"""A real control plane, without nodes: tests write the status of pods as a kubelet would."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import control_planes
from tenbin_local.environment import cluster, control_plane, identity, layout, processes

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from tenbin_planner.picker.endpoints import Endpoint

_PODS = "/api/v1/namespaces/default/pods"
_MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Api:
    """The API server, with an administrator's rights."""

    plane: control_plane.ControlPlane
    place: layout.Layout
    own: identity.Identity
    tools: dict[str, pathlib.Path]
    client: cluster.Cluster

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.place.kubeconfig

    def create(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        return self.client._call("POST", path, json=manifest)

    def create_pod(self, name: str, endpoint: Endpoint, *, label: str = "tenbin-engine", node: str = "") -> None:
        """Create a ready engine pod with an endpoint.

        Only one that is bound to a node is deleted gracefully; bound to a node that does not exist, it is collected as
        garbage after 40 s.
        """
        engine = {
            "name": "engine",
            "image": "tenbin/simulated-engine",
            "ports": [{"name": "http", "containerPort": endpoint.port}],
        }
        labels = {"app.kubernetes.io/name": label, "tenbin.dev/service": "chat"}
        spec = {"containers": [engine], **({"nodeName": node} if node else {})}
        self.create(_PODS, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        self.set_ready(name, endpoint.address)

    def set_ready(self, name: str, address: str, *, is_ready: bool = True) -> None:
        condition = {"type": "Ready", "status": str(is_ready)}
        status = {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running", "conditions": [condition]}
        self.client._call("PATCH", f"{_PODS}/{name}/status", json={"status": status}, headers=_MERGE)

    def annotate(self, name: str, **annotations: str) -> None:
        patch = {"metadata": {"annotations": {f"tenbin.dev/{key}": value for key, value in annotations.items()}}}
        self.client._call("PATCH", f"{_PODS}/{name}", json=patch, headers=_MERGE)

    def delete_pod(self, name: str, *, grace_s: int) -> None:
        self.client._call("DELETE", f"{_PODS}/{name}", params={"gracePeriodSeconds": str(grace_s)})

    def kill(self) -> None:
        """Kill the API server."""
        record = processes.running(self.place, "kube-apiserver")
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)

    def revive(self) -> None:
        """Start the API server again."""
        self.plane.start(self.tools)


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with control_planes.run(tmp_path_factory.mktemp("checkout"), "picker") as found:
        while not found.client.get("/api/v1/namespaces/default/serviceaccounts")["items"]:
            time.sleep(0.1)  # pods are forbidden before the controller manager made the account
        yield Api(plane=found.plane, place=found.place, own=found.own, tools=found.tools, client=found.client)


@pytest.fixture
def api(control: Api) -> Iterator[Api]:
    """The API server without pods."""
    yield control
    for pod in control.client.get(_PODS)["items"]:
        control.delete_pod(pod["metadata"]["name"], grace_s=0)
