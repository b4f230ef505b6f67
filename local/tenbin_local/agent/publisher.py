"""Writes one pod's status, the latest only, for as long as the pod exists."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tenbin_local.agent import api

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.2
LONGEST_RETRY_S = 5.0


class Publisher:
    """Brings the API's copy of a status in line with the computed one.

    `mark` says that the status may have changed. Changes that come while a write is under way become one write.
    """

    def __init__(self, connection: api.Api, pod: api.Json, compute: Callable[[], api.Json]) -> None:
        self._api = connection
        metadata = pod["metadata"]
        self._path = api.namespaced("pods", metadata["namespace"], metadata["name"], "status")
        self._uid = metadata["uid"]
        self._compute = compute
        self._sent: api.Json | None = None
        self._over = False
        self._marked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def mark(self) -> None:
        """The status may have changed."""
        if not self._over:
            self._marked.set()
            self._idle.clear()

    def forget(self) -> None:
        """The API's copy is no longer what was written last; the next `mark` writes it anew."""
        self._sent = None

    async def flush(self) -> None:
        """Wait until everything marked so far is written, or the pod is gone."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write until cancelled, or until the pod is gone."""
        retry_s = FIRST_RETRY_S
        while True:
            await self._marked.wait()
            self._marked.clear()
            try:
                await self._write()
                retry_s = FIRST_RETRY_S
            except api.ApiError as error:
                if error.status in {api.NOT_FOUND, api.CONFLICT}:
                    # CONFLICT: another pod has this name now, as the uid in the patch shows.
                    self._over = True
                    self._idle.set()
                    return
                log.warning("status: %s", error)
                self._marked.set()
                await asyncio.sleep(retry_s)
                retry_s = min(LONGEST_RETRY_S, 2 * retry_s)
            if not self._marked.is_set():
                self._idle.set()

    async def _write(self) -> None:
        status = self._compute()
        if status != self._sent:
            body = {"metadata": {"uid": self._uid}, "status": status}
            await self._api.call("PATCH", self._path, body=body, content_type=api.STRATEGIC_PATCH)
            self._sent = status
