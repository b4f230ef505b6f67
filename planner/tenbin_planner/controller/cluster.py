"""The Kubernetes API as the planner uses it: a few calls, plain JSON in and out.

Bodies are read as plain JSON: building the client's typed objects for a list of pods costs more than all of a tick.
Every call has a time limit, so that an API server that hangs costs a tick and not the planner.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes.aio import client
from tenbin_spec import contract

if TYPE_CHECKING:
    from tenbin_spec.scale_target import ScaleTarget

TIMEOUT_S = 5.0
_MERGE_PATCH = "application/merge-patch+json"
_ENGINES = {contract.LABEL_NAME: contract.NAME_ENGINE}
_NOT_FOUND = 404
_FORBIDDEN = 403
_CONFLICT = 409

Json = dict[str, Any]


class ClusterError(Exception):
    """The API server refused a call or could not be reached; the message says which call and why.

    ClusterError
    ├── DeposedError           another planner may lead by now
    └── RefusedError           the API server answered, and not with what was asked for
        ├── ConflictError      somebody else wrote first
        └── ForbiddenError     the planner's account has no right to it
    """


class DeposedError(ClusterError):
    """This planner leads no more; nothing was written."""


class RefusedError(ClusterError):
    """The API server refused a call."""

    def __init__(self, message: str, *, status: int, about: str | None = None) -> None:
        """Say what was refused.

        Args:
            message: which call and why.
            status: of the answer.
            about: the object that the answer is about, where it names one.
        """
        super().__init__(message)
        self.status = status
        self.about = about

    @property
    def is_absence(self) -> bool:
        """Whether there is no such thing."""
        return self.status == _NOT_FOUND


class ConflictError(RefusedError):
    """Somebody else changed the object since it was read; nothing was written."""


class ForbiddenError(RefusedError):
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
        self._objects = client.CustomObjectsApi(api)

    async def config_map(self, name: str) -> Mapping[str, str] | None:
        """Return a ConfigMap's data; None when it does not exist."""
        response = await self._call(
            f"read ConfigMap {name}",
            self._core.read_namespaced_config_map_without_preload_content,
            name,
            is_absence_allowed=True,
        )
        return None if response is None else (json.loads(response.body).get("data") or {})

    async def put_config_map(self, name: str, data: Mapping[str, str], labels: Mapping[str, str]) -> Mapping[str, str]:
        """Replace keys of a ConfigMap, which is made when it does not exist.

        Returns:
            All of the data that it holds after that.
        """
        body = {"metadata": {"labels": dict(labels)}, "data": dict(data)}
        written = await self._call(
            f"write ConfigMap {name}",
            self._core.patch_namespaced_config_map_without_preload_content,
            name,
            body=body,
            _content_type=_MERGE_PATCH,
            is_absence_allowed=True,
        )
        if written is None:
            written = await self._call(
                f"create ConfigMap {name}",
                self._core.create_namespaced_config_map_without_preload_content,
                body={**body, "metadata": {"name": name, "labels": dict(labels)}},
            )
        return json.loads(_body(written)).get("data") or {}

    async def engine_deployments(self) -> list[Json]:
        """Return the Deployments of engines."""
        response = await self._call(
            "list Deployments",
            self._objects.list_namespaced_custom_object_without_preload_content,
            group="apps",
            version="v1",
            plural="deployments",
            label_selector=_selector(_ENGINES),
        )
        return list(json.loads(_body(response))["items"])

    async def engine_pods(self, labels: Mapping[str, str] = _ENGINES) -> Listed:
        """Return the pods of engines, or those with other labels."""
        response = await self._call(
            "list pods", self._core.list_namespaced_pod_without_preload_content, label_selector=_selector(labels)
        )
        return Listed(
            items=list(json.loads(_body(response))["items"]),
            server_time=None if response is None else response.server_time,
        )

    async def pool_nodes(self) -> Listed:
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
        return Listed(
            items=list(json.loads(_body(response))["items"]),
            server_time=None if response is None else response.server_time,
        )

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

    async def read(self, target: ScaleTarget) -> Json:
        """Return an object that is scaled.

        Raises:
            RefusedError: when it is not there or may not be read.
            ClusterError: when the API server cannot be reached.
        """
        method = self._objects.get_namespaced_custom_object_without_preload_content
        response = await self._call(f"read {target}", method, target.name, **_place(target))
        return dict(json.loads(_body(response)))

    async def read_scale(self, target: ScaleTarget) -> Json:
        """Return the scale of an object, with its resourceVersion; the errors are those of `read`."""
        method = self._objects.get_namespaced_custom_object_scale_without_preload_content
        response = await self._call(f"read scale of {target}", method, target.name, **_place(target))
        return dict(json.loads(_body(response)))

    async def scale(
        self, target: ScaleTarget, *, expected: int, wanted: int, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """Change an object's replicas from `expected` to `wanted`.

        Args:
            target: the object.
            expected: replicas that it is told to run.
            wanted: replicas that it is to be told to run.
            may_write: asked once more just before the write, since the time in which it was read may have been long.

        Raises:
            ConflictError: when it is told to run another number by now, or changes while this is written.
            DeposedError: when `may_write` says no.
            ClusterError: for any other failure.
        """
        found = await self.read_scale(target)
        replicas = found.get("spec", {}).get("replicas", 0)
        if replicas == wanted:
            return
        if replicas != expected:
            message = f"{target.name} is set to {replicas} by somebody else, not to {expected} any more"
            raise ConflictError(message, status=_CONFLICT)
        metadata = found["metadata"]
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            "spec": {"replicas": wanted},
        }
        if not may_write():
            raise DeposedError(f"{target.name} is not scaled to {wanted}: this planner leads no more")
        await self._call(
            f"scale {target} to {wanted}",
            self._objects.replace_namespaced_custom_object_scale_without_preload_content,
            target.name,
            body=body,
            **_place(target),
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
            kinds = {_CONFLICT: ConflictError, _FORBIDDEN: ForbiddenError}
            message, about = _told(body)
            kind = kinds.get(answer.status, RefusedError)
            raise kind(f"{what}: {answer.status} {message}", status=answer.status, about=about)
        return _Response(body=body, server_time=_time(answer.headers.get("Date")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Response:
    body: bytes
    server_time: float | None


def _body(response: _Response | None) -> bytes:
    if response is None:
        raise ClusterError("the API server knows no such object")
    return response.body


def _told(body: bytes) -> tuple[str, str | None]:
    """Return why the API server refuses, and the name of the object that it speaks of, if it names one."""
    try:
        status = json.loads(body)
        return str(status["message"]), (status.get("details") or {}).get("name")
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:200].decode("utf-8", "replace").strip(), None


def _place(target: ScaleTarget) -> dict[str, Any]:
    return {"group": target.group, "version": target.version, "plural": target.plural}


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _time(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
