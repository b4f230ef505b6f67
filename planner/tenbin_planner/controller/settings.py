"""Settings of the planner's process; all else comes from the wire document."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tenbin_spec import contract


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControllerSettings:
    """Where the planner runs and whom it looks after."""

    namespace: str
    stack: str
    host: str
    """Own address, to listen on."""
    identity: str
    """Own name in the Lease; the same after a restart of the same pod, so that it leads again at once."""
    http_port: int = contract.PORT_PLANNER_HTTP
    access_log_port: int = contract.PORT_PLANNER_ACCESS_LOG
    kubeconfig: Path | None = None
    """None takes the pod's own service account."""
    root: Path = Path("/")
    """Folder under which the pod's absolute paths lie."""
    is_dry_run: bool = False
    """Change nothing, whatever the document says."""
