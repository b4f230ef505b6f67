"""The Kubernetes control plane: four real processes with TLS and RBAC on the environment's own loopback address.

Where it differs from a cluster of machines:
- Endpoints and EndpointSlices refuse loopback addresses, so their controllers are off, and the `kubernetes` Service has
  none; the node agent forwards Services by pod status.
- A lost node is noticed after seconds instead of most of a minute, so that losing one can be watched.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tenbin_local.environment import processes
from tenbin_local.environment.certificates import Pki
from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.identity import Identity
from tenbin_local.environment.layout import Layout
from tenbin_local.errors import PartError

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""In the order in which they are started."""

NODE_LOST_S = 12
"""A node without a heartbeat for this long is not ready: three heartbeats, and slack for a busy machine."""
EVICTION_S = 5
"""Pods leave a node this long after it was found lost."""

_READY_S = 90.0
_GRACE_S = {"etcd": 10.0, "kube-apiserver": 15.0, "kube-controller-manager": 5.0, "kube-scheduler": 5.0}
_TAIL_LINES = 12


class ControlPlane:
    """The four processes of one environment."""

    def __init__(self, layout: Layout, identity: Identity, pki: Pki, cluster: Cluster) -> None:
        self._layout = layout
        self._identity = identity
        self._pki = pki
        self._cluster = cluster

    def start(self, tools: Mapping[str, Path], on_part: Callable[[str], None] = lambda _: None) -> list[str]:
        """Start what does not run, wait until all of it works, and return the parts that were started.

        Args:
            tools: where the program of each part lies.
            on_part: called with each part that is about to be started.

        Raises:
            PartError: a part ends at once or does not get ready; the message has the end of its log.
        """
        arguments: dict[str, Callable[[], list[str]]] = {
            "etcd": self._etcd,
            "kube-apiserver": self._kube_apiserver,
            "kube-controller-manager": self._kube_controller_manager,
            "kube-scheduler": lambda: self._client_part("kube-scheduler"),
        }
        started = []
        for part in PARTS:
            if processes.running(self._layout, part) is None:
                on_part(part)
                processes.start(self._layout, part, [tools[part], *arguments[part]()], _variables())
                started.append(part)
            if part == "kube-apiserver":
                self._wait(part, self._cluster.is_ready)
        for part in ("kube-controller-manager", "kube-scheduler"):
            self._wait(part, functools.partial(self._healthy, part))
        return started

    def health(self) -> dict[str, str]:
        """Return `running`, or what is wrong, for each part."""
        checks: dict[str, Callable[[], bool]] = {
            "etcd": lambda: self._cluster.is_ready("/readyz/etcd"),
            "kube-apiserver": self._cluster.is_ready,
        }
        for part in ("kube-controller-manager", "kube-scheduler"):
            checks[part] = functools.partial(self._healthy, part)
        return {part: self._state(part, checks[part]) for part in PARTS}

    def _state(self, part: str, answers: Callable[[], bool]) -> str:
        if processes.running(self._layout, part) is None:
            return "stopped" if processes.read(self._layout, part) is None else "crashed"
        return "running" if answers() else "not ready"

    def _healthy(self, part: str) -> bool:
        return self._cluster.is_healthy(self._identity.ports[part])

    def _wait(self, part: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_S
        while not ready():
            tail = processes.tail(self._layout.log(part), _TAIL_LINES)
            log = self._layout.log(part)
            if processes.running(self._layout, part) is None:
                raise PartError(f"{part} ended. The end of its log, {log}:\n{tail}")
            if time.monotonic() > deadline:
                raise PartError(f"{part} is not ready after {_READY_S:.0f} s. The end of its log, {log}:\n{tail}")
            time.sleep(0.1)

    def _etcd(self) -> list[str]:
        client = f"https://{self._identity.endpoint('etcd')}"
        peer = f"https://{self._identity.endpoint('etcd-peer')}"
        pair, authority = self._pki.pair("etcd"), self._pki.authority.certificate
        return [
            "--name=local",
            f"--data-dir={self._layout.etcd}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=local={peer}",
            "--client-cert-auth",
            f"--trusted-ca-file={authority}",
            f"--cert-file={pair.certificate}",
            f"--key-file={pair.key}",
            "--peer-client-cert-auth",
            f"--peer-trusted-ca-file={authority}",
            f"--peer-cert-file={pair.certificate}",
            f"--peer-key-file={pair.key}",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=10m",
            "--log-level=warn",
        ]

    def _kube_apiserver(self) -> list[str]:
        identity, pki = self._identity, self._pki
        serving, etcd = pki.pair("kube-apiserver"), pki.pair("kube-apiserver-etcd")
        return [
            f"--bind-address={identity.address}",
            f"--advertise-address={identity.address}",
            f"--secure-port={identity.ports['kube-apiserver']}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={pki.authority.certificate}",
            f"--requestheader-client-ca-file={pki.front_proxy.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            f"--etcd-servers=https://{identity.endpoint('etcd')}",
            f"--etcd-cafile={pki.authority.certificate}",
            f"--etcd-certfile={etcd.certificate}",
            f"--etcd-keyfile={etcd.key}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--service-account-issuer={identity.server}",
            f"--service-account-key-file={pki.service_accounts.certificate}",
            f"--service-account-signing-key-file={pki.service_accounts.key}",
            f"--service-cluster-ip-range={identity.services_range}",
            "--endpoint-reconciler-type=none",
            f"--default-not-ready-toleration-seconds={EVICTION_S}",
            f"--default-unreachable-toleration-seconds={EVICTION_S}",
            "--profiling=false",
        ]

    def _kube_controller_manager(self) -> list[str]:
        pki = self._pki
        return [
            *self._client_part("kube-controller-manager"),
            "--use-service-account-credentials",
            f"--root-ca-file={pki.authority.certificate}",
            f"--service-account-private-key-file={pki.service_accounts.key}",
            "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller",
            "--node-monitor-period=2s",
            f"--node-monitor-grace-period={NODE_LOST_S}s",
        ]

    def _client_part(self, part: str) -> list[str]:
        kubeconfig = self._layout.part_kubeconfig(part)
        serving = self._pki.pair(f"{part}-serving")
        return [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={self._identity.address}",
            f"--secure-port={self._identity.ports[part]}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self._pki.authority.certificate}",
            "--leader-elect=false",
            "--profiling=false",
        ]


def stop(layout: Layout) -> None:
    """End the control plane's processes, the last started first; the state stays."""
    for part in reversed(PARTS):
        processes.end(layout, part, _GRACE_S[part])


def _variables() -> dict[str, str]:
    """Return the environment of a part: nothing of the user's, whose proxies and Go settings would change it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home()), "LANG": "C.UTF-8"}
