"""Kubeconfig files: self-contained, one per user."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tenbin_local.environment.certificates import Pki
from tenbin_local.environment.files import write_atomically
from tenbin_local.environment.identity import Identity
from tenbin_local.environment.layout import Layout

PARTS = ("kube-controller-manager", "kube-scheduler", "agent")


def write_all(layout: Layout, identity: Identity, pki: Pki) -> None:
    """Write the administrator's kubeconfig and that of each part."""
    _write(layout.kubeconfig, "admin", identity, pki)
    for part in PARTS:
        _write(layout.part_kubeconfig(part), part, identity, pki)


def _write(path: Path, user: str, identity: Identity, pki: Pki) -> None:
    # JSON is YAML, and needs no quoting rules.
    content = json.dumps(_kubeconfig(user, identity, pki), indent=2) + "\n"
    if not path.exists() or path.read_text() != content:
        write_atomically(path, content, 0o600)


def _kubeconfig(user: str, identity: Identity, pki: Pki) -> dict[str, Any]:
    pair = pki.pair(user)
    name = f"tenbin-{identity.name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {"server": identity.server, "certificate-authority-data": _data(pki.authority.certificate)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": "default"}}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _data(pair.certificate),
                    "client-key-data": _data(pair.key),
                },
            }
        ],
    }


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
