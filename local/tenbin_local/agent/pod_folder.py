"""Folder of one pod: `<environment>/pods/<namespace>_<pod>_<uid>/`.

address.json            the pod's address: it keeps it when the agent is restarted
<container>.log         and <container>.previous.log, <container>.log.1
volumes/<volume>/       content of the volumes
root/<container>/       stands for `/` in the container: mounts are links to the volumes
"""

from __future__ import annotations

import json
from pathlib import Path

from tenbin_local.agent import api, settings

_ADDRESS = "address.json"


def path(pods: Path, metadata: api.Json) -> Path:
    """Folder of a pod."""
    return pods / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"


def uid(folder: Path) -> str:
    """Uid of the pod that a folder belongs to."""
    return folder.name.rpartition("_")[2]


def root(folder: Path, container: str) -> Path:
    """Folder that stands for `/` in a container."""
    return folder / "root" / container


def volume(folder: Path, name: str) -> Path:
    """Folder of a volume."""
    return folder / "volumes" / name


def mounts(folder: Path, container: api.Json) -> dict[str, str]:
    """Real path by mount path."""
    base = root(folder, container["name"])
    return {
        mount["mountPath"]: str(base / mount["mountPath"].strip("/")) for mount in container.get("volumeMounts") or []
    }


def read_address(folder: Path) -> str | None:
    """Address that the pod was given, if any."""
    try:
        return str(json.loads((folder / _ADDRESS).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_address(folder: Path, address: str) -> None:
    """Remember the address that the pod was given."""
    settings.write_json(folder / _ADDRESS, {"address": address})
