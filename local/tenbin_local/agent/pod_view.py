"""One pod as its containers see it: addresses, folders, variables, limits."""

from __future__ import annotations

import datetime
from pathlib import Path

import aiohttp

from tenbin_local import images
from tenbin_local.agent import api, nodes, pod_folder, records, variables
from tenbin_local.agent.host import Host

DEFAULT_GRACE_S = 30.0


class PodView:
    """What `runs.Pod` asks for.

    Attributes:
        pod: The pod's latest state.
        address: Empty until the pod has one.
    """

    def __init__(self, pod: api.Json, node: nodes.NodeSpec, host: Host) -> None:
        self.pod = pod
        self.node = node
        self.folder: Path = pod_folder.path(host.environment.pods, pod["metadata"])
        self.address = pod_folder.read_address(self.folder) or ""
        self._host = host

    @property
    def name(self) -> str:
        """Namespace and name, for people."""
        return f"{self.pod['metadata']['namespace']}/{self.pod['metadata']['name']}"

    @property
    def restart_policy(self) -> str:
        """Always, OnFailure or Never."""
        return str(self.pod["spec"].get("restartPolicy") or "Always")

    @property
    def grace_s(self) -> float:
        """Grace period of the pod's deletion, or of a container's restart before it."""
        metadata = self.pod["metadata"]
        if metadata.get("deletionTimestamp"):
            return float(metadata.get("deletionGracePeriodSeconds") or 0)
        grace = self.pod["spec"].get("terminationGracePeriodSeconds")
        return DEFAULT_GRACE_S if grace is None else float(grace)

    @property
    def backoff_s(self) -> float:
        """First back-off of a restart."""
        return self._host.options.restart_backoff_s

    @property
    def images(self) -> dict[str, images.Image]:
        """The image table."""
        return self._host.images

    @property
    def session(self) -> aiohttp.ClientSession:
        """HTTP client for probes and hooks."""
        return self._host.session

    @property
    def placement(self) -> variables.Placement:
        """Where the pod runs."""
        return variables.Placement(pod_address=self.address, host_address=self.node.address)

    def variables(self, container: api.Json) -> dict[str, str]:
        """Environment of a container.

        Raises:
            ConfigurationMissing: A ConfigMap, Secret or key is missing.
        """
        metadata = self.pod["metadata"]
        return variables.environment(
            container,
            self.pod,
            placement=self.placement,
            lookup=self._host.objects_of(metadata["namespace"]),
            base=self._host.base_variables(metadata["name"], self.root(container["name"])),
            mounts=self.mounts(container),
        )

    def mounts(self, container: api.Json) -> dict[str, str]:
        """Real path by mount path."""
        return pod_folder.mounts(self.folder, container)

    def root(self, container: str) -> Path:
        """Folder that stands for `/` in a container."""
        return pod_folder.root(self.folder, container)

    def event(self, kind: str, reason: str, message: str, container: str = "") -> None:
        """Publish an event about the pod or one of its containers."""
        init = any(spec["name"] == container for spec in self.pod["spec"].get("initContainers") or [])
        field = f"spec.{'initContainers' if init else 'containers'}{{{container}}}" if container else None
        self._host.recorder.record(self.pod, kind=kind, reason=reason, message=message, field=field)

    def starts_at(self) -> datetime.datetime:
        """When a simulated node would have image and weights: the pool's start delay after the pod's binding."""
        bound = self.pod["metadata"]["creationTimestamp"]
        for entry in (self.pod.get("status") or {}).get("conditions") or []:
            if entry["type"] == "PodScheduled" and entry["status"] == "True":
                bound = entry.get("lastTransitionTime") or bound
        return records.parse_time(bound) + datetime.timedelta(seconds=self.node.start_delay_s)
