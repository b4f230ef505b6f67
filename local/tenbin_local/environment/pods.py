"""Pods as a person looks at them: why one does not run, and where its logs lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tenbin_local.environment.cluster import Cluster
from tenbin_local.environment.layout import Layout

_MESSAGE_LIMIT = 300


def waiting_reasons(cluster: Cluster) -> list[str]:
    """Return one line for each pod that is not ready: its phase, and the reasons that the cluster gives."""
    lines = []
    for pod in cluster.get("/api/v1/pods")["items"]:
        status = pod.get("status", {})
        ready = {item["type"]: item["status"] for item in status.get("conditions", [])}.get("Ready")
        if ready == "True" or status.get("phase") == "Succeeded":
            continue
        name = pod["metadata"]["name"]
        reasons = "; ".join(_reasons(status)) or f"not ready, see `tenbin local logs {name}`"
        lines.append(f"pod {name} is {status.get('phase', 'Pending')}: {reasons}")
    return sorted(lines)


def logs(layout: Layout, name: str) -> list[Path]:
    """Return the log files of the pods whose name is `name` or begins with it, the newest pod last."""
    found = []
    for folder in layout.pods.glob("*_*_*"):
        pod = folder.name.split("_")[1]
        if pod == name or pod.startswith(name):
            found += [path for path in folder.glob("*.log") if not path.name.endswith(".previous.log")]
    return sorted(found, key=lambda path: (path.stat().st_mtime, str(path)))


def names(layout: Layout) -> list[str]:
    """Return the names of the pods that have logs."""
    return sorted({folder.name.split("_")[1] for folder in layout.pods.glob("*_*_*")})


def _reasons(status: dict[str, Any]) -> list[str]:
    reasons = []
    if status.get("reason"):
        reasons.append(f"{status['reason']} {status.get('message', '')}".strip())
    reasons += [
        f"{condition.get('reason', 'not scheduled')}: {condition.get('message', '')}".strip()
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] != "True"
    ]
    details = [
        (container["name"], container.get("state", {}).get("waiting") or container.get("state", {}).get("terminated"))
        for container in status.get("containerStatuses", [])
    ]
    reasons += [
        f"{name} {detail.get('reason', '')} {detail.get('message', '')}".strip()[:_MESSAGE_LIMIT]
        for name, detail in details
        if detail
    ]
    return reasons
