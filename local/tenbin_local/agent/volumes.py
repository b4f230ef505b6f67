"""The volumes of one pod: folders below the pod's folder, kept up to date while the pod lives.

`<pod>/volumes/<name>` is the volume, `<pod>/root/<container>/<mount path>` a link to it for each mount, so that two
containers may mount different volumes at one path. Read-only mounts are not enforced.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from pathlib import Path

from tenbin_local.agent import api, payload, pod_folder, records, variables

log = logging.getLogger(__name__)

TOKEN_REFRESH_SHARE = 0.8
"""Share of its life after which a token is renewed, as in a kubelet."""
SYNC_PERIOD_S = 60.0
_MIN_TOKEN_LIFE_S = 600


class Tokens:
    """Service account tokens of one pod, bound to it and renewed before they end."""

    def __init__(self, connection: api.Api, pod: api.Json) -> None:
        self._api = connection
        self._pod = pod
        self._issued: dict[tuple[str, int], tuple[str, float]] = {}

    async def get(self, source: api.Json) -> str:
        """A token for a `serviceAccountToken` projection.

        Raises:
            ApiError: The server does not issue one.
        """
        audience = source.get("audience") or ""
        life_s = max(_MIN_TOKEN_LIFE_S, int(source.get("expirationSeconds") or 3600))
        token, renew_at = self._issued.get((audience, life_s), ("", 0.0))
        if time.time() >= renew_at:
            token, renew_at = await self._request(audience, life_s)
            self._issued[audience, life_s] = token, renew_at
        return token

    def next_renewal(self) -> float | None:
        """Unix time at which the first token wants to be renewed."""
        return min((renew_at for _, renew_at in self._issued.values()), default=None)

    async def _request(self, audience: str, life_s: int) -> tuple[str, float]:
        metadata = self._pod["metadata"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        account = self._pod["spec"].get("serviceAccountName") or "default"
        answer = await self._api.call(
            "POST",
            api.namespaced("serviceaccounts", metadata["namespace"], account, "token"),
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [audience] if audience else [],
                    "expirationSeconds": life_s,
                    "boundObjectRef": reference,
                },
            },
        )
        ends = records.parse_time(answer["status"]["expirationTimestamp"])
        left_s = min((ends - datetime.datetime.now(datetime.UTC)).total_seconds(), life_s)
        return str(answer["status"]["token"]), time.time() + TOKEN_REFRESH_SHARE * left_s


class Volumes:
    """Makes and updates the volumes of one pod.

    Attributes:
        changed: To be set when an object that a volume shows, or the pod itself, may have changed.
    """

    def __init__(
        self,
        *,
        pod: api.Json,
        folder: Path,
        placement: variables.Placement,
        lookup: variables.Lookup,
        tokens: Tokens,
    ) -> None:
        self.pod = pod
        self._folder = folder
        self._placement = placement
        self._lookup = lookup
        self._tokens = tokens
        self.changed = asyncio.Event()

    def names(self, kind: str) -> set[str]:
        """Names of the ConfigMaps (`configMap`) or Secrets (`secret`) that the volumes show."""
        found: set[str] = set()
        for volume in self.pod["spec"].get("volumes") or []:
            for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
                if reference := source.get(kind):
                    found.add(reference.get("secretName") or reference.get("name", ""))
        return found

    async def prepare(self) -> None:
        """Make all volumes and mounts.

        Raises:
            ConfigurationMissing: An object is missing that is not optional.
            ApiError: A token was refused.
        """
        await self.sync()
        spec = self.pod["spec"]
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            root = pod_folder.root(self._folder, container["name"])
            root.mkdir(parents=True, exist_ok=True)
            for mount in container.get("volumeMounts") or []:
                link = root / mount["mountPath"].strip("/")
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(pod_folder.volume(self._folder, mount["name"]))

    async def sync(self) -> None:
        """Bring the content of all volumes up to date.

        Raises:
            ConfigurationMissing: An object is missing that is not optional.
            ApiError: A token was refused.
        """
        for volume in self.pod["spec"].get("volumes") or []:
            folder = pod_folder.volume(self._folder, volume["name"])
            files = await self._files(volume)
            if files is None:
                folder.mkdir(parents=True, exist_ok=True)
            else:
                payload.write(folder, files)

    async def keep_up(self) -> None:
        """Update the volumes until cancelled: after a change, and when a token gets old.

        A missing object leaves the files as they are, as in a kubelet.
        """
        while True:
            renewal = self._tokens.next_renewal()
            wait_s = min(SYNC_PERIOD_S, max(1.0, renewal - time.time())) if renewal else SYNC_PERIOD_S
            await api.pause(wait_s, self.changed)
            self.changed.clear()
            try:
                await self.sync()
            except (variables.ConfigurationMissing, api.ApiError) as error:
                log.warning("volumes of %s: %s", self.pod["metadata"]["name"], error)

    async def _files(self, volume: api.Json) -> payload.Payload | None:
        """Files of a volume; None for one that starts empty and belongs to the pod."""
        if "configMap" in volume:
            return payload.from_config_map(volume["configMap"], self._lookup)
        if "secret" in volume:
            return payload.from_secret(volume["secret"], self._lookup)
        if "downwardAPI" in volume:
            return payload.from_downward_api(volume["downwardAPI"], self.pod, self._placement)
        if "projected" in volume:
            return await self._projected(volume["projected"])
        return None

    async def _projected(self, projected: api.Json) -> payload.Payload:
        mode = projected.get("defaultMode", payload.DEFAULT_MODE)
        files: payload.Payload = {}
        for source in projected.get("sources") or []:
            if "configMap" in source:
                files |= payload.from_config_map(source["configMap"], self._lookup, default_mode=mode)
            elif "secret" in source:
                files |= payload.from_secret(source["secret"], self._lookup, default_mode=mode)
            elif "downwardAPI" in source:
                files |= payload.from_downward_api(source["downwardAPI"], self.pod, self._placement, default_mode=mode)
            elif "serviceAccountToken" in source:
                token = await self._tokens.get(source["serviceAccountToken"])
                files[source["serviceAccountToken"]["path"]] = payload.File(token.encode(), 0o600)
        return files
