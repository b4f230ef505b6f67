"""A real control plane without nodes, with the planner's own account and no right beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import pathlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from tenbin._layout import planner as layout_of_planner
from tenbin_local.environment import certificates, cluster, identity, layout, processes
from tenbin_local.errors import LocalError
from tenbin_spec.scale_target import ScaleTarget

from support import control_planes, planning
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "tenbin"
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
BEAT_S = 5.0
"""The cluster gives a node up after 12 s without."""
_MERGE = {"Content-Type": "application/merge-patch+json"}
_STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
"""As kubelets patch: each condition by its type, the others stay."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Api:
    """The API server with an administrator's rights, and what the planner's pod would find on its disk."""

    client: cluster.Cluster
    own: identity.Identity
    pki: certificates.Pki
    place: layout.Layout
    pod_root: pathlib.Path

    def environment(self) -> dict[str, str]:
        """Return the variables of the planner's pod."""
        return {
            "TENBIN_ROOT": str(self.pod_root),
            "KUBERNETES_SERVICE_HOST": self.own.address,
            "KUBERNETES_SERVICE_PORT": str(self.own.ports["kube-apiserver"]),
        }

    def create(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        return self.client._call("POST", path, json=manifest)

    def put_document(self, text: str) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "tenbin-document", "namespace": NAMESPACE},
            "data": {"document.json": text},
        }
        self.client.apply(f"{_CORE}/configmaps/tenbin-document", manifest)

    def delete_document(self) -> None:
        self.client._call("DELETE", f"{_CORE}/configmaps/tenbin-document")

    def deployment(self, name: str) -> dict[str, Any]:
        return self.client.get(f"{_APPS}/deployments/{name}")

    def told(self, name: str) -> int:
        return int(self.deployment(name)["spec"]["replicas"])

    def lease_holder(self) -> str:
        """Return who leads by the Lease; empty for nobody."""
        lease = self.client.get(f"{_LEASES}/tenbin-planner")
        return lease["spec"].get("holderIdentity") or ""

    def tell(self, name: str, replicas: int) -> None:
        """Scale as a person would."""
        patch = {"spec": {"replicas": replicas}}
        self.client._call("PATCH", f"{_APPS}/deployments/{name}/scale", json=patch, headers=_MERGE)

    def annotate_deployment(self, name: str, **annotations: str | None) -> None:
        """Annotate as a person would; None takes an annotation off."""
        named = {f"tenbin.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        patch = {"metadata": {"annotations": named}}
        self.client._call("PATCH", f"{_APPS}/deployments/{name}", json=patch, headers=_MERGE)

    def pods(self, workload: str) -> list[dict[str, Any]]:
        selector = f"tenbin.dev/pool={workload.removeprefix('chat-serve-')}"
        found = self.client.get(f"{_CORE}/pods", labelSelector=selector)["items"]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def generation(self, name: str) -> int:
        """Return how often a workload's count has been changed, and its other settings."""
        return int(self.deployment(name)["metadata"]["generation"])

    def set_ready(self, pod: str, address: str = "127.0.0.1", *, tells_containers: bool = False) -> None:
        """Write what a kubelet would, once the engine serves; what it told of containers stays, or is told anew."""
        status: dict[str, Any] = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": _now()}],
        }
        if tells_containers:
            container = {"name": "engine", "image": "i", "imageID": "i", "ready": True, "restartCount": 0}
            status["containerStatuses"] = [container]
        self.client._call("PATCH", f"{_CORE}/pods/{pod}/status", json={"status": status}, headers=_STRATEGIC)

    @contextlib.contextmanager
    def node(self, name: str, *, pool: str) -> Iterator[threading.Event]:
        """Have a node of a pool, ready until the end of the block, with the beat of a kubelet's heart.

        What is yielded ends the beat when it is set, as when the machine is lost.
        """
        metadata = {"name": name, "labels": {"tenbin.dev/pool": pool}}
        self.create("/api/v1/nodes", {"metadata": metadata})
        since, is_over = _now(), threading.Event()

        def beat() -> None:
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": since, "lastHeartbeatTime": _now()}
            status = {"allocatable": {"pods": "110", "cpu": "8", "memory": "32Gi"}, "conditions": [ready]}
            self.client._call("PATCH", f"/api/v1/nodes/{name}/status", json={"status": status}, headers=_STRATEGIC)

        def live() -> None:
            while not is_over.wait(BEAT_S):
                with contextlib.suppress(LocalError):  # a beat that is missed is made up for by the next
                    beat()

        thread = threading.Thread(target=live)
        try:
            beat()
            thread.start()
            yield is_over
        finally:
            is_over.set()
            if thread.ident is not None:
                thread.join()
            self.client._call("DELETE", f"/api/v1/nodes/{name}")

    def patch_node(self, name: str, patch: dict[str, Any]) -> None:
        self.client._call("PATCH", f"/api/v1/nodes/{name}", json=patch, headers=_MERGE)

    def begin(self, pod: dict[str, Any]) -> None:
        """Write what a kubelet would, once it has pulled the image and the engine's program runs."""
        name = pod["metadata"]["name"]
        subject = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
        event = {
            "metadata": {"name": f"{name}.pulled"},
            "involvedObject": {"kind": "Pod", "fieldPath": "spec.containers{engine}", **subject},
            "reason": "Pulled",
            "message": 'Successfully pulled image "tenbin/simulated-engine:1" in 4s (4.5s including waiting)',
        }
        self.create(f"{_CORE}/events", event)
        running = {"name": "engine", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
        status = {"startTime": _now(), "containerStatuses": [{**running, "state": {"running": {"startedAt": _now()}}}]}
        self.client._call("PATCH", f"{_CORE}/pods/{name}/status", json={"status": status}, headers=_MERGE)

    def set_waiting(self, pod: str, reason: str) -> None:
        """Write what a kubelet would, while the engine's container does not start."""
        waiting = {"name": "engine", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        containers = [{**waiting, "state": {"waiting": {"reason": reason}}}]
        status = {"phase": "Pending", "startTime": _now(), "containerStatuses": containers}
        self.client._call("PATCH", f"{_CORE}/pods/{pod}/status", json={"status": status}, headers=_STRATEGIC)

    def state(self) -> dict[str, str]:
        """Return what the planner has saved; empty before it has."""
        found = self.client.get(f"{_CORE}/configmaps")["items"]
        return next((item["data"] for item in found if item["metadata"]["name"] == "tenbin-planner-state"), {})

    def put_state(self, data: dict[str, str]) -> None:
        """Overwrite what the planner has saved."""
        self.client.merge(f"{_CORE}/configmaps/tenbin-planner-state", {"data": data})

    def delete_state(self) -> None:
        self.client._call("DELETE", f"{_CORE}/configmaps/tenbin-planner-state")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Freeze the API server while the block lasts: connections stand, and nothing answers."""
        record = processes.running(self.place, "kube-apiserver")
        assert record is not None
        os.kill(record.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(record.pid, signal.SIGCONT)
            until(self.client.is_ready)

    @contextlib.contextmanager
    def quota(self, pods: int, *, pool: str) -> Iterator[None]:
        """Allow so many pods of a pool while the block lasts."""
        path = f"{_CORE}/resourcequotas"
        selector = {"scopeName": "PriorityClass", "operator": "In", "values": [pool]}
        spec = {"hard": {"pods": str(pods)}, "scopeSelector": {"matchExpressions": [selector]}}
        self.create(path, {"metadata": {"name": "few"}, "spec": spec})
        try:
            until(lambda: self.client.get(f"{path}/few").get("status", {}).get("hard"))
            yield
        finally:
            self.client._call("DELETE", f"{path}/few")

    def events(self) -> list[dict[str, Any]]:
        return list(self.client.get(f"{_CORE}/events")["items"])

    def reset(self) -> None:
        """Leave two workloads without replicas and nothing that a planner wrote."""
        for name in (planning.SPOT, planning.ON_DEMAND):
            self.annotate_deployment(name, paused=None, replicas_min=None, replicas_max=None)
            self.tell(name, 0)
        for pod in self.client.get(f"{_CORE}/pods")["items"]:
            with contextlib.suppress(LocalError):  # its ReplicaSet may have been quicker
                self.client._call(
                    "DELETE", f"{_CORE}/pods/{pod['metadata']['name']}", params={"gracePeriodSeconds": "0"}
                )
        until(self._is_empty)
        for path in (f"{_CORE}/configmaps", _LEASES):
            for item in self.client.get(path)["items"]:
                if item["metadata"]["name"].startswith("tenbin"):
                    self.client._call("DELETE", f"{path}/{item['metadata']['name']}")

    def _is_empty(self) -> bool:
        """Say whether the controllers have followed: until then a ReplicaSet brings back what was deleted."""
        deployments = [self.deployment(name) for name in (planning.SPOT, planning.ON_DEMAND)]
        return not self.client.get(f"{_CORE}/pods")["items"] and all(
            item["status"].get("observedGeneration") == item["metadata"]["generation"]
            and not item["status"].get("replicas")
            for item in deployments
        )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _engine_deployment(name: str, pool: str) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": "tenbin-engine",
        "tenbin.dev/service": "chat",
        "tenbin.dev/role": "serve",
        "tenbin.dev/pool": pool,
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"tenbin.dev/pool": pool},
                    "priorityClassName": pool,
                    "containers": [
                        {
                            "name": "engine",
                            "image": "tenbin/simulated-engine:1",
                            "ports": [{"name": "http", "containerPort": 8000}],
                        }
                    ],
                },
            },
        },
    }


def _furnish(client: cluster.Cluster) -> None:
    client._call("POST", "/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}})
    workloads = (planning.SPOT, planning.ON_DEMAND)
    for pool in ("l4-spot", "l4", "other"):
        client._call(
            "POST", "/apis/scheduling.k8s.io/v1/priorityclasses", json={"metadata": {"name": pool}, "value": 0}
        )
    targets = [ScaleTarget(name=name) for name in workloads]
    for manifest in layout_of_planner.account(targets=targets, namespace=NAMESPACE, stack="test"):
        if manifest["kind"] == "ServiceAccount":
            path = f"{_CORE}/serviceaccounts"
        elif "namespace" not in manifest["metadata"]:
            path = f"/apis/rbac.authorization.k8s.io/v1/{manifest['kind'].lower()}s"
        else:
            path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{manifest['kind'].lower()}s"
        client._call("POST", path, json=manifest)
    for name in workloads:
        client._call("POST", f"{_APPS}/deployments", json=_engine_deployment(name, name.removeprefix("chat-serve-")))
    client._call("POST", f"{_APPS}/deployments", json=_engine_deployment("other", "other"))
    until(lambda: len(client.get(f"{_CORE}/serviceaccounts")["items"]) > 1)  # the controller manager's account is there


def _pod_root(folder: pathlib.Path, client: cluster.Cluster, pki: certificates.Pki) -> pathlib.Path:
    account = folder / "var/run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    request = {"spec": {"expirationSeconds": 3600}}
    token = client._call("POST", f"{_CORE}/serviceaccounts/tenbin-planner/token", json=request)["status"]["token"]
    (account / "token").write_text(token)
    (account / "ca.crt").write_bytes(pathlib.Path(pki.authority.certificate).read_bytes())
    (account / "namespace").write_text(NAMESPACE)
    return folder


@contextlib.contextmanager
def run(root: pathlib.Path) -> Iterator[Api]:
    """Run a control plane with its state below `root`, furnished with two workloads that run nothing."""
    with control_planes.run(root, "planner") as found:
        _furnish(found.client)
        pod_root = _pod_root(root / "pod", found.client, found.pki)
        yield Api(client=found.client, own=found.own, pki=found.pki, place=found.place, pod_root=pod_root)
