"""Pods that are ready as soon as they exist, on a control plane without nodes: nothing runs behind them."""

from __future__ import annotations

import contextlib
import datetime
import threading
from typing import TYPE_CHECKING

from tenbin_local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenbin_local.environment import cluster

_LOOK_S = 0.1
_MERGE = {"Content-Type": "application/strategic-merge-patch+json"}
"""As kubelets patch: each condition by its type, the others stay."""


@contextlib.contextmanager
def reported(client: cluster.Cluster) -> Iterator[None]:
    """Report every pod as ready while the block lasts; one without a node goes at once when it is deleted."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOK_S):
            # A pod may go while it is looked at; the next look sees what is left.
            with contextlib.suppress(LocalError):
                _report(client)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _report(client: cluster.Cluster) -> None:
    for pod in client.get("/api/v1/pods", fieldSelector="status.phase=Pending")["items"]:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        status = {"phase": "Running", "startTime": now, "conditions": [ready]}
        place = pod["metadata"]
        path = f"/api/v1/namespaces/{place['namespace']}/pods/{place['name']}/status"
        client._call("PATCH", path, json={"status": status}, headers=_MERGE)
