"""Kubernetes Events about pods, few and counted: equal ones raise the count of the first."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from typing import TypeAlias

from tenbin_local.agent import api, records

log = logging.getLogger(__name__)

REMEMBERED = 500
QUEUED = 200
MESSAGE_LIMIT = 1000
_Key: TypeAlias = tuple[str, str, str, str]


class Recorder:
    """Writes events one after the other; drops new ones while too many wait."""

    def __init__(self, connection: api.Api) -> None:
        self._api = connection
        self._queue: asyncio.Queue[api.Json] = asyncio.Queue(QUEUED)
        self._written: OrderedDict[_Key, tuple[str, int]] = OrderedDict()

    def record(self, pod: api.Json, *, kind: str, reason: str, message: str, field: str | None = None) -> None:
        """Note an event about a pod.

        Args:
            pod: The pod.
            kind: `Normal` or `Warning`.
            reason: One word in CamelCase, a kubelet's where it has one.
            message: For people.
            field: Path of the container in the pod, as `spec.containers{engine}`.
        """
        metadata = pod["metadata"]
        subject = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        if field:
            subject["fieldPath"] = field
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": metadata["namespace"]},
            "involvedObject": subject,
            "type": kind,
            "reason": reason,
            "message": message[:MESSAGE_LIMIT],
            "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
            "reportingComponent": "kubelet",
            "reportingInstance": pod["spec"].get("nodeName", ""),
            "count": 1,
            "firstTimestamp": records.stamp(records.now()),
            "lastTimestamp": records.stamp(records.now()),
        }
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            log.debug("dropped event %s of pod %s", reason, metadata["name"])

    async def run(self) -> None:
        """Write until cancelled; an event that the server refuses is dropped."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except api.ApiError as error:
                log.debug("event %s: %s", event["reason"], error)

    async def _write(self, event: api.Json) -> None:
        subject = event["involvedObject"]
        key = (subject["uid"], subject.get("fieldPath", ""), event["reason"], event["message"])
        namespace = subject["namespace"]
        name, count = self._written.pop(key, ("", 0))
        if name:
            try:
                await self._api.call(
                    "PATCH",
                    api.namespaced("events", namespace, name),
                    body={"count": count + 1, "lastTimestamp": event["lastTimestamp"]},
                    content_type=api.MERGE_PATCH,
                )
            except api.ApiError as error:
                if error.status != api.NOT_FOUND:
                    raise
                name = ""
        if not name:
            name, count = f"{subject['name']}.{uuid.uuid4().hex[:16]}", 0
            event["metadata"]["name"] = name
            await self._api.call("POST", api.namespaced("events", namespace), body=event)
        self._written[key] = name, count + 1
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
