"""What all pods of the agent share."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from tenbin_spec import contract

from tenbin_local import images
from tenbin_local.agent import addresses, api, events, reflector, settings

ENVIRONMENT_MARK = "TENBIN_ENVIRONMENT"
"""Set by the environment's commands on the agent; its processes are known by it, so pods carry it on."""
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class NamespaceObjects:
    """ConfigMaps and Secrets of one namespace."""

    namespace: str
    config_maps: reflector.Reflector
    secrets: reflector.Reflector

    def config_map(self, name: str) -> api.Json | None:
        """ConfigMap of that name."""
        return self.config_maps.get(self.namespace, name)

    def secret(self, name: str) -> api.Json | None:
        """Secret of that name."""
        return self.secrets.get(self.namespace, name)


class RefusalPace:
    """Spaces out the failures of refused pods of one owner, which replaces each of them at once.

    A ReplicaSet answers a Failed pod with a new one without any back-off, and would fill the API server with them.
    """

    LONGEST_S = 60.0
    REMEMBERED = 200

    def __init__(self) -> None:
        self._refused: OrderedDict[str, int] = OrderedDict()

    def delay_s(self, pod: api.Json) -> float:
        """Seconds to wait before this pod may fail: 0 for an owner's first, then 1, 2, 4, up to 60."""
        owners = pod["metadata"].get("ownerReferences") or []
        if not owners:
            return 0.0
        uid = owners[0]["uid"]
        before = self._refused.pop(uid, 0)
        self._refused[uid] = before + 1
        while len(self._refused) > self.REMEMBERED:
            self._refused.popitem(last=False)
        return min(self.LONGEST_S, 2.0 ** min(before - 1, 10)) if before else 0.0


@dataclass(kw_only=True)
class Host:
    """What all pods of the agent share.

    Attributes:
        options: Replaced when nodes.json changes.
        session: HTTP client for probes and hooks.
    """

    connection: api.Api
    environment: settings.Environment
    given: addresses.Addresses
    config_maps: reflector.Reflector
    secrets: reflector.Reflector
    recorder: events.Recorder
    session: aiohttp.ClientSession
    options: settings.AgentOptions = field(default_factory=settings.AgentOptions)
    images: dict[str, images.Image] = field(default_factory=images.known_images)
    refusals: RefusalPace = field(default_factory=RefusalPace)

    def objects_of(self, namespace: str) -> NamespaceObjects:
        """ConfigMaps and Secrets of a namespace."""
        return NamespaceObjects(namespace=namespace, config_maps=self.config_maps, secrets=self.secrets)

    def base_variables(self, pod_name: str, root: Path) -> dict[str, str]:
        """Variables that every container has.

        Args:
            pod_name: Stands for the host name.
            root: Folder that stands for `/` in the container.
        """
        variables = {
            "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
            "HOME": str(root),
            "LANG": "C.UTF-8",
            "HOSTNAME": pod_name,
            "PYTHONUNBUFFERED": "1",
            contract.ROOT_VARIABLE: str(root),
            "KUBERNETES_SERVICE_HOST": self.connection.host,
            "KUBERNETES_SERVICE_PORT": str(self.connection.port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(self.connection.port),
        }
        if mark := os.environ.get(ENVIRONMENT_MARK):
            variables[ENVIRONMENT_MARK] = mark
        if (root / "tmp").exists():
            variables["TMPDIR"] = str(root / "tmp")
        return variables
