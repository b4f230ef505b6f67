"""A local copy of one collection of the API, kept by list and watch."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from tenbin_local.agent import api

Key: TypeAlias = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""
Observer: TypeAlias = Callable[[Key, api.Json | None], None]
"""Called with each new state of an object, None once it is gone. Being called twice with one state is normal."""

log = logging.getLogger(__name__)


def key_of(thing: api.Json) -> Key:
    """Key of an object."""
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Reflector:
    """Keeps `objects` equal to a collection, and tells its observers of every change.

    The watch goes on from the last resource version. A full list is taken at the start, when the server no longer has
    that version, after an error, and every `resync_s`, so that a lost event heals.

    Attributes:
        objects: The copy. Observers and readers must not change it.
        synced: Set once the first list is in.
    """

    def __init__(self, connection: api.Api, path: str, *, resync_s: float = 300.0) -> None:
        self._api = connection
        self._path = path
        self._resync_s = resync_s
        self._observers: list[Observer] = []
        self._objects: dict[Key, api.Json] = {}
        self.synced = asyncio.Event()

    @property
    def objects(self) -> Mapping[Key, api.Json]:
        """The copy."""
        return self._objects

    def get(self, namespace: str, name: str) -> api.Json | None:
        """The object of that name, if it is there."""
        return self._objects.get((namespace, name))

    def observe(self, observer: Observer) -> None:
        """Add an observer; it is not told of what is there already."""
        self._observers.append(observer)

    async def run(self) -> None:
        """List and watch until cancelled."""
        delay = 0.1
        while True:
            try:
                version = await self._list()
                delay = 0.1
                await self._watch(version)
            except api.ApiError as error:
                if error.status != api.GONE:
                    log.warning("%s", error)
                await asyncio.sleep(delay)
                delay = min(5.0, 2 * delay)

    async def _list(self) -> str:
        answer = await self._api.call("GET", self._path)
        found = {key_of(item): item for item in answer["items"]}
        gone = [key for key in self._objects if key not in found]
        for key in gone:
            self._put(key, None)
        for key, thing in found.items():
            self._put(key, thing)
        self.synced.set()
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def _watch(self, version: str) -> None:
        end = time.monotonic() + self._resync_s
        while (left := end - time.monotonic()) > 1:
            async for event in self._api.watch(self._path, resource_version=version, timeout_s=int(left)):
                thing = event["object"]
                version = thing["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._put(key_of(thing), None if event["type"] == "DELETED" else thing)

    def _put(self, key: Key, thing: api.Json | None) -> None:
        if thing is None:
            if self._objects.pop(key, None) is None:
                return
        else:
            thing["metadata"].pop("managedFields", None)
            self._objects[key] = thing
        for observer in self._observers:
            observer(key, thing)
