"""What a planner of a hundred replicas looks at: pods and nodes as an API server lists them, whole pages of vLLM."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from support import planning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenbin_spec.document import Document

_PAGE = pathlib.Path(__file__).parents[1] / "planner/controller/pages/vllm-0.23.txt"
_HELP = " of the engine, as counted since it started, in the unit of its name, by engine."


def page() -> str:
    """Return a measured page of vLLM, with `# HELP` lines as long as those that it came with: 49 kB, 593 lines."""
    lines: list[str] = []
    for line in _PAGE.read_text().splitlines():
        if line.startswith("# TYPE "):
            lines.append(f"# HELP {line.split()[2]}{_HELP}")
        lines.append(line)
    return "\n".join(lines) + "\n"


def agreed(services: int, replicas: int) -> Document:
    """Return an agreement of so many services, each of which runs so many replicas at least."""
    pool = {**planning.configuration()["pools"]["l4"], "nodes": {"max": 2 * services * replicas}}
    return planning.document(
        pools={"l4": pool},
        services={
            f"chat-{index}": planning.service(pools=["l4"], replicas={"min": replicas, "max": 2 * replicas})
            for index in range(services)
        },
        cost={"hourly_usd": "100000.00"},
    )


def pods(document: Document, addresses: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return ready pods, one at each address, spread over the services; half of what they say is managed fields."""
    workloads = document.workloads
    return [_pod(workloads[index % len(workloads)], index, host, port) for index, (host, port) in enumerate(addresses)]


def deployments(document: Document, replicas: int) -> list[dict[str, Any]]:
    """Return the Deployments of an agreement, each with so many replicas."""
    return [{"metadata": {"name": item.name}, "spec": {"replicas": replicas}} for item in document.workloads]


def nodes(count: int) -> list[dict[str, Any]]:
    """Return ready nodes, each with the fifty images that a kubelet tells of at most, under two names each."""
    images = [
        {"names": [f"registry.example.com/team/image-{number}{end}" for end in (f"@sha256:{number:064x}", ":1.0")]}
        for number in range(50)
    ]
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T21:40:00Z"}
    return [
        {
            "metadata": {
                "name": f"node-{index}",
                "uid": f"node-{index}",
                "labels": {"tenbin.dev/pool": "l4"},
                "creationTimestamp": "2026-11-24T21:38:00Z",
            },
            "status": {"conditions": [ready], "images": images},
        }
        for index in range(count)
    ]


def _pod(workload: Any, index: int, host: str, port: int) -> dict[str, Any]:
    name = f"{workload.name}-6d5f9c7b8-{index:05d}"
    labels = {
        "app.kubernetes.io/name": "tenbin-engine",
        "tenbin.dev/service": workload.service,
        "tenbin.dev/role": workload.role,
        "tenbin.dev/pool": workload.pool,
    }
    moment = "2026-11-24T21:44:00Z"
    kinds = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    fields = {f"f:field-{number}": {".": {}, "f:name": {}, "f:value": {}} for number in range(60)}
    return {
        "metadata": {
            "name": name,
            "uid": f"00000000-0000-0000-0000-{index:012d}",
            "labels": labels,
            "creationTimestamp": moment,
            "managedFields": [{"manager": "kubelet", "operation": "Update", "time": moment, "fieldsV1": fields}],
        },
        "spec": {
            "nodeName": f"node-{index}",
            "containers": [
                {
                    "name": "engine",
                    "image": "vllm/vllm-openai:v0.23.0",
                    "args": [f"--flag-{number}=value" for number in range(20)],
                    "env": [{"name": f"VARIABLE_{number}", "value": "value"} for number in range(20)],
                    "ports": [{"name": "http", "containerPort": port}],
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": host,
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": moment} for kind in kinds],
            "containerStatuses": [{"name": "engine", "ready": True, "restartCount": 0}],
        },
    }
