"""The node agent's process: started, watched and ended like a part of the control plane."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tenbin_local.environment import processes
from tenbin_local.environment.layout import Layout

PART = "node-agent"
_GRACE_S = 45.0
"""Longer than a pod's usual grace period of 30 s: the agent ends its pods first."""


def start(layout: Layout, *, restart: bool) -> bool:
    """Start the agent where it does not run, and say whether it was started.

    Args:
        layout: the environment.
        restart: end a running agent first; its pods start anew.
    """
    if restart:
        stop(layout)
    if processes.running(layout, PART) is not None:
        return False
    command: list[str | Path] = [sys.executable, "-P", "-m", "tenbin_local.agent", "--environment", layout.root]
    processes.start(layout, PART, command, _variables())
    return True


def stop(layout: Layout) -> None:
    """End the agent, which ends its pods."""
    processes.end(layout, PART, _GRACE_S)


def kill_node(layout: Layout, node: str) -> None:
    """Let a node die: its processes are killed and its heartbeats stop.

    Raises:
        LocalError: there is no such node, or the API server does not answer.
    """
    from tenbin_local.agent import killed  # noqa: PLC0415 - brings the Kubernetes client: most of a second

    asyncio.run(killed.kill_node(layout.kubeconfig, node))


def revive_nodes(layout: Layout) -> list[str]:
    """Bring all killed nodes back and return their names."""
    from tenbin_local.agent import killed  # noqa: PLC0415 - brings the Kubernetes client: most of a second

    return asyncio.run(killed.revive_nodes(layout.root, layout.kubeconfig))


def _variables() -> dict[str, str]:
    """Return the environment of the agent; pods inherit what it passes on."""
    kept = ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "TENBIN_CACHE", "XDG_CACHE_HOME", "COVERAGE_PROCESS_START")
    found = {key: os.environ[key] for key in kept if key in os.environ}
    python = str(Path(sys.executable).parent)
    return {"HOME": str(Path.home()), **found, "PATH": os.pathsep.join([python, os.environ.get("PATH", os.defpath)])}
