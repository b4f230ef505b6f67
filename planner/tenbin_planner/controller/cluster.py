"""The Kubernetes API as the planner uses it: a few calls, plain JSON in and out.

Bodies are read as plain JSON: building the client's typed objects for a list of pods costs more than all of a tick.
Every call has a time limit, so that an API server that hangs costs a tick and not the planner.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client
from tenbin_spec import contract

TIMEOUT_S = 5.0
_MERGE_PATCH = "application/merge-patch+json"
_ENGINES = f"{contract.LABEL_NAME}={contract.NAME_ENGINE}"
_NOT_FOUND = 404
_FORBIDDEN = 403
_CONFLICT = 409

Json = dict[str, Any]


class ClusterError(Exception):
    """The API server refused a call or could not be reached; the message says which call and why.

    ClusterError
    ├── ConflictError    somebody else wrote first
    └── ForbiddenError   the planner's account has no right to it
    """


class ConflictError(ClusterError):
    """Somebody else changed the object since it was read; nothing was written."""


class ForbiddenError(ClusterError):
    """The planner's account may not do this."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listed:
    """Objects, and the API server's own time, in seconds since the epoch, when it listed them."""

    items: list[Json]
    server_time: float | None


class Cluster:
    """Calls on the objects of one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._namespace = namespace
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)

    async def config_map(self, name: str) -> Mapping[str, str] | None:
        """Return a ConfigMap's data; None when it does not exist."""
        response = await self._call(
            f"read ConfigMap {name}",
            self._core.read_namespaced_config_map_without_preload_content,
            name,
            is_absence_allowed=True,
        )
        return None if response is None else (json.loads(response.body).get("data") or {})

    async def put_config_map(self, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """Replace keys of a ConfigMap, which is made when it does not exist."""
        body = {"metadata": {"labels": dict(labels)}, "data": dict(data)}
        patched = await self._call(
            f"write ConfigMap {name}",
            self._core.patch_namespaced_config_map_without_preload_content,
            name,
            body=body,
            _content_type=_MERGE_PATCH,
            is_absence_allowed=True,
        )
        if patched is None:
            await self._call(
                f"create ConfigMap {name}",
                self._core.create_namespaced_config_map_without_preload_content,
                body={**body, "metadata": {"name": name, "labels": dict(labels)}},
            )

    async def engine_deployments(self) -> list[Json]:
        """Return the Deployments of engines."""
        response = await self._call(
            "list Deployments", self._apps.list_namespaced_deployment_without_preload_content, label_selector=_ENGINES
        )
        return list(json.loads(_body(response))["items"])

    async def engine_pods(self) -> Listed:
        """Return the pods of engines."""
        response = await self._call(
            "list pods", self._core.list_namespaced_pod_without_preload_content, label_selector=_ENGINES
        )
        return Listed(
            items=list(json.loads(_body(response))["items"]),
            server_time=None if response is None else response.server_time,
        )

    async def pool_nodes(self) -> list[Json]:
        """Return the nodes of pools.

        Raises:
            ForbiddenError: when the account may not list nodes.
            ClusterError: for any other failure.
        """
        response = await self._call(
            "list nodes",
            self._core.list_node_without_preload_content,
            label_selector=contract.LABEL_POOL,
            is_clusterwide=True,
        )
        return list(json.loads(_body(response))["items"])

    async def pulls(self) -> list[Json]:
        """Return the events of image pulls that ended.

        Raises:
            ForbiddenError: when the account may not list events.
            ClusterError: for any other failure.
        """
        response = await self._call(
            "list events",
            self._core.list_namespaced_event_without_preload_content,
            field_selector="reason=Pulled,involvedObject.kind=Pod",
        )
        return list(json.loads(_body(response))["items"])

    async def scale(self, deployment: str, *, expected: int, wanted: int) -> None:
        """Change a Deployment's replicas from `expected` to `wanted`.

        Raises:
            ConflictError: when it is told to run another number by now, or changes while this is written.
            ClusterError: for any other failure.
        """
        response = await self._call(
            f"read scale of {deployment}",
            self._apps.read_namespaced_deployment_scale_without_preload_content,
            deployment,
        )
        found = json.loads(_body(response))
        replicas = found.get("spec", {}).get("replicas", 0)
        if replicas == wanted:
            return
        if replicas != expected:
            raise ConflictError(f"{deployment} is set to {replicas} by somebody else, not to {expected} any more")
        metadata = found["metadata"]
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            "spec": {"replicas": wanted},
        }
        await self._call(
            f"scale {deployment} to {wanted}",
            self._apps.replace_namespaced_deployment_scale_without_preload_content,
            deployment,
            body=body,
        )

    async def annotate_pod(self, pod: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a pod; None removes one. A pod that is gone needs none."""
        await self._call(
            f"annotate pod {pod}",
            self._core.patch_namespaced_pod_without_preload_content,
            pod,
            body={"metadata": {"annotations": dict(annotations)}},
            _content_type=_MERGE_PATCH,
            is_absence_allowed=True,
        )

    async def tell_event(self, event: Json) -> None:
        """Create an event."""
        await self._call("create event", self._core.create_namespaced_event_without_preload_content, body=event)

    async def _call(
        self,
        what: str,
        method: Callable[..., Awaitable[Any]],
        name: str | None = None,
        *,
        is_absence_allowed: bool = False,
        is_clusterwide: bool = False,
        **arguments: Any,
    ) -> _Response | None:
        """Call the API server; None says that the object does not exist, where that is allowed."""
        place = {} if is_clusterwide else {"namespace": self._namespace}
        place |= {} if name is None else {"name": name}
        try:
            answer = await method(**place, **arguments, _request_timeout=TIMEOUT_S)
            body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ClusterError(f"{what}: the API server cannot be reached: {type(error).__name__}: {error}") from error
        if answer.status == _NOT_FOUND and is_absence_allowed:
            return None
        if answer.status >= 400:
            kinds: dict[int, type[ClusterError]] = {_CONFLICT: ConflictError, _FORBIDDEN: ForbiddenError}
            raise kinds.get(answer.status, ClusterError)(f"{what}: {answer.status} {_message(body)}")
        return _Response(body=body, server_time=_time(answer.headers.get("Date")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Response:
    body: bytes
    server_time: float | None


def _body(response: _Response | None) -> bytes:
    if response is None:
        raise ClusterError("the API server knows no such object")
    return response.body


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def _time(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
